package validator

import (
	_ "embed"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/env/questions"
)

//go:embed config.toml
var template []byte

// Settings describes the validator's configuration file.
var Settings = daemon.Settings{EnvPrefix: "GALAHAD_VALIDATOR", Template: template}

// Config is the validator's settings; config.toml says what each is.
type Config struct {
	Run          uint64             `mapstructure:"run"`
	Environments []string           `mapstructure:"environments"`
	Chain        client.Config      `mapstructure:"chain"`
	Grader       GraderConfig       `mapstructure:"grader"`
	Beacon       BeaconConfig       `mapstructure:"beacon"`
	Server       ServerConfig       `mapstructure:"server"`
	Audit        AuditConfig        `mapstructure:"audit"`
	Attest       AttestConfig       `mapstructure:"attest"`
	Fetch        FetchConfig        `mapstructure:"fetch"`
	Storage      StorageConfig      `mapstructure:"storage"`
	Checkpoints  checkpoints.Config `mapstructure:"checkpoints"`
	Log          daemon.LogConfig   `mapstructure:"log"`
}

// GraderConfig says whom the verdicts are from.
type GraderConfig struct {
	Operator string `mapstructure:"operator"`
}

// BeaconConfig is about the beacon relay.
type BeaconConfig struct {
	Relay   bool          `mapstructure:"relay"`
	URLs    []string      `mapstructure:"urls"`
	Stagger time.Duration `mapstructure:"stagger"`
	Timeout time.Duration `mapstructure:"timeout"`
}

// ServerConfig is about the HTTP server.
type ServerConfig struct {
	Listen string `mapstructure:"listen"`
	Public string `mapstructure:"public"`
}

// AuditConfig is about the time budget of an audit.
type AuditConfig struct {
	Parallel           int      `mapstructure:"parallel"`
	CommitMarginBlocks int64    `mapstructure:"commit_margin_blocks"`
	FetchShare         float64  `mapstructure:"fetch_share"`
	Peers              []string `mapstructure:"peers"`
	Evidence           bool     `mapstructure:"evidence"`
}

// AttestConfig is about votes on checkpoints.
type AttestConfig struct {
	Enabled  bool  `mapstructure:"enabled"`
	MaxBytes int64 `mapstructure:"max_bytes"`
}

// FetchConfig bounds what a miner's server can cost.
type FetchConfig struct {
	Timeout      time.Duration  `mapstructure:"timeout"`
	Stall        time.Duration  `mapstructure:"stall"`
	Redirects    int            `mapstructure:"redirects"`
	AllowPrivate daemon.Private `mapstructure:"allow_private"`
	AllowFiles   bool           `mapstructure:"allow_files"`
}

// Limits are the fetcher's, on a chain.
func (c FetchConfig) Limits(chainID string) daemon.FetchLimits {
	return daemon.FetchLimits{Timeout: c.Timeout, Stall: c.Stall, Redirects: c.Redirects, AllowPrivate: c.AllowPrivate.On(chainID)}
}

// StorageConfig is about batches on disk.
type StorageConfig struct {
	URL              string `mapstructure:"url"`
	RetentionWindows uint64 `mapstructure:"retention_windows"`
}

// LoadConfig reads and checks the settings of a home folder, and makes their environments known; flags may be nil.
// Error: daemon.ErrConfig, naming the key.
func LoadConfig(home string, flags *pflag.FlagSet) (Config, error) {
	var c Config
	if err := Settings.Load(home, flags, &c); err != nil {
		return Config{}, err
	}
	if c.Server.Public == "" {
		c.Server.Public = "http://" + c.Server.Listen
	}
	if c.Storage.URL == "" {
		abs, err := filepath.Abs(home)
		if err != nil {
			return Config{}, err
		}
		c.Storage.URL = (&url.URL{Scheme: "file", Path: filepath.ToSlash(abs)}).String()
	}
	if err := questions.Add(c.Environments); err != nil {
		return Config{}, fmt.Errorf("%w: environments: %w", daemon.ErrConfig, err)
	}
	return c, c.Validate()
}

// Validate names the first setting that is out of range.
func (c Config) Validate() error {
	_, err := sdk.ValAddressFromBech32(c.Grader.Operator)
	checks := []daemon.Check{
		{Key: "run", Want: "a run's id, from 1", OK: c.Run > 0},
		{Key: "grader.operator", Want: "empty or an address that begins with galahadvaloper", OK: c.Grader.Operator == "" || err == nil},
		{Key: "beacon.urls", Want: "one or more http URLs, or beacon.relay = false", OK: !c.Beacon.Relay || len(c.Beacon.URLs) > 0 && allHTTP(c.Beacon.URLs)},
		{Key: "beacon.stagger", Want: "0 to 1m", OK: c.Beacon.Stagger >= 0 && c.Beacon.Stagger <= time.Minute},
		{Key: "beacon.timeout", Want: "above 0", OK: c.Beacon.Timeout > 0},
		{Key: "server.listen", Want: "host:port", OK: daemon.IsHostPort(c.Server.Listen)},
		{Key: "server.public", Want: "an http URL", OK: daemon.IsHTTP(c.Server.Public)},
		{Key: "audit.parallel", Want: "1 to 1024", OK: c.Audit.Parallel >= 1 && c.Audit.Parallel <= 1024},
		{Key: "audit.commit_margin_blocks", Want: "1 to 1000", OK: c.Audit.CommitMarginBlocks >= 1 && c.Audit.CommitMarginBlocks <= 1000},
		{Key: "audit.fetch_share", Want: "above 0, below 1", OK: c.Audit.FetchShare > 0 && c.Audit.FetchShare < 1},
		c.Fetch.AllowPrivate.Check("fetch.allow_private"),
		{Key: "attest.max_bytes", Want: "1 MiB or more", OK: c.Attest.MaxBytes >= 1<<20},
		{Key: "audit.peers", Want: "http URLs", OK: allHTTP(c.Audit.Peers)},
		{Key: "fetch.timeout", Want: "above 0", OK: c.Fetch.Timeout > 0},
		{Key: "fetch.stall", Want: "above 0", OK: c.Fetch.Stall > 0},
		{Key: "fetch.redirects", Want: "0 to 10", OK: c.Fetch.Redirects >= 0 && c.Fetch.Redirects <= 10},
		{Key: "storage.retention_windows", Want: "at least 1", OK: c.Storage.RetentionWindows >= 1},
	}
	checks = append(checks, c.Chain.Checks()...)
	checks = append(checks, c.Checkpoints.Checks()...)
	return daemon.FirstError(append(checks, c.Log.Checks()...))
}

func allHTTP(urls []string) bool {
	for _, u := range urls {
		if !daemon.IsHTTP(u) {
			return false
		}
	}
	return true
}
