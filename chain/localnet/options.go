package localnet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	cmtconfig "github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/p2p"

	"github.com/cosmos/cosmos-sdk/codec"
	serverconfig "github.com/cosmos/cosmos-sdk/server/config"
	"github.com/cosmos/cosmos-sdk/x/genutil"

	"github.com/galahad-network/galahad/app"
	"github.com/galahad-network/galahad/testutil/adversary"
)

// Options are what a network for tests is made with, where `galahadd localnet start` has no flag for it.
type Options struct {
	// BasePort is the first of the ports, Ports how many follow.
	BasePort int
	// Graders of the four validators, the first so many, grade. With four of them all validators have the same power.
	Graders int
	// Miners that are honest.
	Miners int
	// Learners of a swarm, each with a run of its own; 0 and 1 are one run.
	Learners int
	// Cheats are the kinds of further miners; see testutil/adversary.
	Cheats []string
	// Commit, Audit and Reveal are the stages' lengths in blocks.
	Commit, Audit, Reveal uint32
	// Genesis changes the modules' genesis before it is validated; nil leaves it.
	Genesis func(cdc codec.JSONCodec, state app.GenesisState) error
	// Node changes a node's files before they are written; nil leaves them.
	Node func(name string, c *cmtconfig.Config, a *serverconfig.Config)
}

// Ports is how many ports from BasePort on a network with these options may use, a follower's included.
func (o Options) Ports() int {
	further := max(1, o.Learners) - 1
	return 4*(nodeCount+1) + 2 + o.Graders + o.Miners + len(o.Cheats) + further*(1+o.Graders)
}

// Create makes a network in an empty folder.
func Create(ctx context.Context, home string, o Options) (*Network, error) {
	if o.Graders < 1 || o.Graders > nodeCount || o.Miners < 0 || o.Learners < 0 || o.Learners > maxLearners {
		return nil, fmt.Errorf("a network of %d graders, %d miners and %d learners: want 1 to %d graders and at most %d learners",
			o.Graders, o.Miners, o.Learners, nodeCount, maxLearners)
	}
	for _, kind := range o.Cheats {
		if adversary.Expected(kind) == nil {
			return nil, fmt.Errorf("no miner cheats by %q", kind)
		}
	}
	home, err := filepath.Abs(home)
	if err != nil {
		return nil, err
	}
	n := layOut(home, o.BasePort, o.Graders, o.Miners, o.Learners, o.Cheats)
	return n, n.create(ctx, genesisOptions{
		mix: DefaultMix, commit: o.Commit, audit: o.Audit, reveal: o.Reveal, edit: o.Genesis, configure: o.Node,
	})
}

// Follow makes the files of one more node, which is no validator and takes the ports behind the network's own. change
// may alter its settings, such as for state sync; nil leaves them. Supervisor.Join runs it.
func (n *Network) Follow(name string, change func(c *cmtconfig.Config, a *serverconfig.Config)) (Node, error) {
	port := n.BasePort + len(n.ports())
	node := Node{Name: name, RPC: port, P2P: port + 1, GRPC: port + 2, API: port + 3}
	cfg := cmtconfig.DefaultConfig()
	cfg.SetRoot(n.Dir(name))
	if err := os.MkdirAll(filepath.Join(cfg.RootDir, "config"), 0o755); err != nil {
		return Node{}, err
	}
	if _, _, err := genutil.InitializeNodeValidatorFiles(cfg); err != nil {
		return Node{}, fmt.Errorf("make keys of %s: %w", name, err)
	}
	var peers []string
	for _, v := range n.Nodes {
		key, err := p2p.LoadNodeKey(filepath.Join(n.Dir(v.Name), "config", "node_key.json"))
		if err != nil {
			return Node{}, fmt.Errorf("node key of %s: %w", v.Name, err)
		}
		peers = append(peers, fmt.Sprintf("%s@%s", key.ID(), hostPort(v.P2P)))
	}
	err := n.configure(node, peers, func(_ string, c *cmtconfig.Config, a *serverconfig.Config) {
		if change != nil {
			change(c, a)
		}
	})
	return node, err
}
