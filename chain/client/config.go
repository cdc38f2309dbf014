package client

import (
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/galahad-network/galahad/chain/daemon"
)

// Config is the [chain] section of a daemon's settings file.
type Config struct {
	ID           string        `mapstructure:"id"`            // chain id
	Nodes        []string      `mapstructure:"nodes"`         // CometBFT RPC URLs
	GRPC         []string      `mapstructure:"grpc"`          // gRPC addresses of the same nodes, or none
	Key          string        `mapstructure:"key"`           // name of the signing key
	Keyring      string        `mapstructure:"keyring"`       // test, file or os
	KeyringDir   string        `mapstructure:"keyring_dir"`   // empty: the home folder
	GasPrice     string        `mapstructure:"gas_price"`     // of a unit of gas
	PollInterval time.Duration `mapstructure:"poll_interval"` // between two looks at the chain
}

// Checks are the section's rules.
func (c Config) Checks() []daemon.Check {
	nodes, grpc := len(c.Nodes) > 0, len(c.GRPC) == 0 || len(c.GRPC) == len(c.Nodes)
	for _, n := range c.Nodes {
		nodes = nodes && daemon.IsHTTP(n)
	}
	return []daemon.Check{
		{Key: "chain.id", Want: "not empty", OK: c.ID != ""},
		{Key: "chain.nodes", Want: "one or more http URLs", OK: nodes},
		{Key: "chain.grpc", Want: "empty or as many addresses as chain.nodes", OK: grpc},
		{Key: "chain.key", Want: "not empty", OK: c.Key != ""},
		{Key: "chain.keyring", Want: "test, file or os", OK: daemon.IsOneOf(c.Keyring, KeyringTest, KeyringFile, KeyringOS)},
		{Key: "chain.gas_price", Want: "an amount with its denomination", OK: c.GasPrice != ""},
		{Key: "chain.poll_interval", Want: "10ms to 1h", OK: c.PollInterval >= 10*time.Millisecond && c.PollInterval <= time.Hour},
	}
}

// Open returns a client that waits for unreachable nodes.
func (c Config) Open(log *slog.Logger) (*Client, error) {
	return New(Options{ChainID: c.ID, Nodes: c.Nodes, GRPC: c.GRPC, Retry: daemon.DefaultBackoff, Log: log})
}

// OpenWriter returns the writer of the section's key. passphrase is read for the
// file backend.
func (c Config) OpenWriter(cl *Client, home string, passphrase io.Reader) (*Writer, error) {
	dir := c.KeyringDir
	switch {
	case dir == "":
		dir = home
	case !filepath.IsAbs(dir):
		dir = filepath.Join(home, dir)
	}
	kr, err := OpenKeyring(cl.codec, c.Keyring, dir, passphrase)
	if err != nil {
		return nil, err
	}
	return cl.Writer(kr, c.Key, WriterOptions{GasPrice: c.GasPrice})
}
