package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	"github.com/spf13/viper"

	"github.com/galahad-network/galahad/chain/beacon"
	"github.com/galahad-network/galahad/chain/client"
	challenge "github.com/galahad-network/galahad/x/challenge/types"
)

const (
	// LocalBeacon is asked on a test network, unless --beacon names another.
	LocalBeacon = "http://127.0.0.1:17000"
	// PublicBeacon is asked on any other network, unless --beacon names another.
	PublicBeacon = "https://api.drand.sh"

	askTimeout = 10 // seconds
)

// Facts are what was seen, with the error in place of what could not be.
type Facts struct {
	Now  time.Time
	Home string

	Node       string
	NodeErr    error
	ChainID    string
	Height     int64
	BlockTime  time.Time
	CatchingUp bool
	Peers      int

	Params    challenge.Params
	ParamsErr error
	Pending   []uint64

	Beacons     []string
	BeaconRound uint64
	BeaconErr   error

	AppTOML     string
	GasPrice    string
	GasPriceErr error

	DiskFree uint64
	DiskErr  error
}

// Look asks the node, the beacon's servers and the machine. beacons may be empty: then the usual server of the chain's
// network is asked.
func Look(ctx context.Context, home, node string, beacons []string) Facts {
	f := Facts{Home: home, Node: node, Beacons: beacons, AppTOML: filepath.Join(home, "config", "app.toml")}
	f.NodeErr = f.lookAtNode(ctx)
	if f.NodeErr == nil {
		if f.ParamsErr = f.lookAtChain(ctx); f.ParamsErr == nil {
			f.BeaconErr = f.lookAtBeacon(ctx)
		}
	}
	v := viper.New()
	v.SetConfigFile(f.AppTOML)
	if err := v.ReadInConfig(); err != nil {
		f.GasPriceErr = fmt.Errorf("cannot read the node's settings: %w", err)
	}
	f.GasPrice = v.GetString("minimum-gas-prices")
	f.DiskFree, f.DiskErr = diskFree(home)
	return f
}

func (f *Facts) lookAtNode(ctx context.Context) error {
	rpc, err := rpchttp.NewWithTimeout(f.Node, "/websocket", askTimeout)
	if err != nil {
		return err
	}
	s, err := rpc.Status(ctx)
	if err != nil {
		return err
	}
	f.Now = time.Now()
	f.ChainID, f.Height, f.CatchingUp = s.NodeInfo.Network, s.SyncInfo.LatestBlockHeight, s.SyncInfo.CatchingUp
	f.BlockTime = s.SyncInfo.LatestBlockTime
	net, err := rpc.NetInfo(ctx)
	if err != nil {
		return err
	}
	f.Peers = net.NPeers
	return nil
}

func (f *Facts) lookAtChain(ctx context.Context) error {
	c, err := client.New(client.Options{ChainID: f.ChainID, Nodes: []string{f.Node}})
	if err != nil {
		return err
	}
	defer c.Close()
	if f.Params, err = c.ChallengeParams(ctx); err != nil {
		return err
	}
	f.Pending, err = c.PendingRounds(ctx)
	return err
}

func (f *Facts) lookAtBeacon(ctx context.Context) error {
	if len(f.Beacons) == 0 {
		f.Beacons = []string{PublicBeacon}
		if f.Params.Beacon.Test {
			f.Beacons = []string{localBeacon(f.Home)}
		}
	}
	f.BeaconRound = beaconRound(f.Params.Beacon, f.Now)
	c, err := beacon.NewClient(f.Params.Beacon, f.Beacons)
	if err != nil {
		return err
	}
	_, err = c.Round(ctx, f.BeaconRound)
	return err
}

// localBeacon is the beacon of the local network that the node's folder belongs to, or
// LocalBeacon if it is of none.
func localBeacon(home string) string {
	var network struct {
		Beacon struct{ Port int }
	}
	raw, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Clean(home)), "network.json"))
	if err != nil || json.Unmarshal(raw, &network) != nil || network.Beacon.Port == 0 {
		return LocalBeacon
	}
	return fmt.Sprintf("http://127.0.0.1:%d", network.Beacon.Port)
}

// rpcURL takes the form of addresses in config.toml, tcp://host:port, as well as http://.
func rpcURL(s string) string {
	if rest, ok := strings.CutPrefix(s, "tcp://"); ok {
		return "http://" + rest
	}
	return s
}
