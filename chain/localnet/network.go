package localnet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

const (
	// DefaultHome is where the network lives unless --home says otherwise.
	DefaultHome = ".localnet"
	// DefaultBasePort is the first of the ports that the network listens on, all on loopback. It is the RPC port of
	// node-0, and the one that galahadd's own commands ask by default.
	DefaultBasePort = 26657
	// ChainID of every local network.
	ChainID = "galahad-local-1"
	// RunID is the run of a local network, the first one of a swarm.
	RunID = 1

	// faucetKey is the name and the folder of the key that `localnet fund` sends from.
	faucetKey = "faucet"
	// honestKind is the kind of a miner that does not cheat.
	honestKind = "honest"

	nodeCount   = 4
	graderCount = 3
	honestCount = 3
	// maxLearners bounds a swarm: each further run has a process of every grader's, too.
	maxLearners = 4
)

// Network is what a local network's folder holds, written once when it is made. Every port is on 127.0.0.1.
type Network struct {
	Home     string   `json:"-"`
	ChainID  string   `json:"chain_id"`
	BasePort int      `json:"base_port"`
	Cheats   []string `json:"cheats"` // kinds of the miners that cheat
	Nodes    []Node   `json:"nodes"`
	Graders  []Daemon `json:"graders"`
	Miners   []Daemon `json:"miners"`
	Learner  Daemon   `json:"learner"`
	Beacon   Daemon   `json:"beacon"`
	// Swarm are further runs beside the first: each has a learner, and graders that sign with the first's keys. Miners have
	// all runs.
	Swarm []Member `json:"swarm,omitempty"`
}

// Member is a further run of a swarm.
type Member struct {
	Run     uint64   `json:"run"`
	Learner Daemon   `json:"learner"`
	Graders []Daemon `json:"graders"`
}

// Node is one galahadd.
type Node struct {
	Name    string `json:"name"`
	Valoper string `json:"valoper"`
	RPC     int    `json:"rpc"`
	P2P     int    `json:"p2p"`
	GRPC    int    `json:"grpc"`
	API     int    `json:"api"`
}

// Daemon is a miner, a grader, the learner or the beacon.
type Daemon struct {
	Name    string `json:"name"`
	Address string `json:"address,omitempty"` // account; empty for the beacon
	Kind    string `json:"kind,omitempty"`    // miners: "honest", or the cheat's kind
	Port    int    `json:"port"`              // HTTP
	Node    int    `json:"node"`              // index of the node it talks to first
}

// newNetwork lays out the network of `galahadd localnet start`; addresses are filled in when the keys are made.
func newNetwork(home string, basePort, learners int, cheats []string) *Network {
	return layOut(home, basePort, graderCount, honestCount, learners, cheats)
}

// layOut gives every process its name and its ports. The first of the nodes are the graders' own. More than one learner is a
// swarm.
func layOut(home string, basePort, graders, honest, learners int, cheats []string) *Network {
	n := &Network{Home: home, ChainID: ChainID, BasePort: basePort, Cheats: cheats}
	port := basePort
	next := func() int { port++; return port - 1 }
	for i := range nodeCount {
		n.Nodes = append(n.Nodes, Node{Name: fmt.Sprintf("node-%d", i), RPC: next(), P2P: next(), GRPC: next(), API: next()})
	}
	n.Beacon = Daemon{Name: "beacon", Port: next()}
	n.Learner = Daemon{Name: "learner", Port: next(), Node: 3}
	for i := range graders {
		n.Graders = append(n.Graders, Daemon{Name: fmt.Sprintf("grader-%d", i), Port: next(), Node: i})
	}
	for i := range honest {
		n.Miners = append(n.Miners, Daemon{Name: fmt.Sprintf("miner-%d", i), Kind: honestKind, Port: next(), Node: i % nodeCount})
	}
	for _, kind := range cheats {
		name := "cheat"
		if len(cheats) > 1 {
			name += "-" + kind
		}
		n.Miners = append(n.Miners, Daemon{Name: name, Kind: kind, Port: next(), Node: nodeCount - 1})
	}
	for run := uint64(RunID + 1); run < RunID+uint64(learners); run++ {
		m := Member{Run: run, Learner: Daemon{Name: fmt.Sprintf("learner-%d", run), Port: next(), Node: nodeCount - 1}}
		for _, g := range n.Graders {
			m.Graders = append(m.Graders, Daemon{Name: fmt.Sprintf("%s-run-%d", g.Name, run), Port: next(), Node: g.Node})
		}
		n.Swarm = append(n.Swarm, m)
	}
	return n
}

// Runs are the ids of the network's runs.
func (n *Network) Runs() []uint64 {
	runs := []uint64{RunID}
	for _, m := range n.Swarm {
		runs = append(runs, m.Run)
	}
	return runs
}

// member is what a run has of its own.
func (n *Network) member(run uint64) Member {
	for _, m := range n.Swarm {
		if m.Run == run {
			return m
		}
	}
	return Member{Run: RunID, Learner: n.Learner, Graders: n.Graders}
}

// learner of a run.
func (n *Network) learner(run uint64) Daemon { return n.member(run).Learner }

// daemons are the learners, graders and miners.
func (n *Network) daemons() []Daemon {
	all := slices.Concat([]Daemon{n.Learner}, n.Graders, n.Miners)
	for _, m := range n.Swarm {
		all = append(append(all, m.Learner), m.Graders...)
	}
	return all
}

// Dir is the folder of a process.
func (n *Network) Dir(name string) string { return filepath.Join(n.Home, name) }

// Log is the file that a process's output goes to.
func (n *Network) Log(name string) string { return filepath.Join(n.Home, "logs", name+".log") }

// Honest are the names of the miners that do not cheat, by address.
func (n *Network) Honest() map[string]string {
	honest := map[string]string{}
	for _, d := range n.Miners {
		if d.Kind == honestKind {
			honest[d.Address] = d.Name
		}
	}
	return honest
}

// URL is the node's RPC.
func (n Node) URL() string { return url(n.RPC) }

// URL is the daemon's HTTP server.
func (d Daemon) URL() string { return url(d.Port) }

func (n *Network) file() string    { return filepath.Join(n.Home, "network.json") }
func (n *Network) genesis() string { return filepath.Join(n.Home, "genesis.json") }
func url(port int) string          { return fmt.Sprintf("http://127.0.0.1:%d", port) }
func hostPort(port int) string     { return fmt.Sprintf("127.0.0.1:%d", port) }
func (n *Network) save() error     { return writeJSON(n.file(), n) }

// Load reads the network in home; the error says how to make one where there is none.
func Load(home string) (*Network, error) {
	abs, err := filepath.Abs(home)
	if err != nil {
		return nil, err
	}
	n := &Network{Home: abs}
	b, err := os.ReadFile(n.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no local network in %s: start one with `galahadd localnet start`: %w", abs, err)
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, n); err != nil {
		return nil, fmt.Errorf("%s is not readable, `galahadd localnet reset` removes it: %w", n.file(), err)
	}
	return n, nil
}

// writeJSON replaces the file at once: a crash leaves the old one or the new one.
func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// ports are all that the network listens on.
func (n *Network) ports() []int {
	ports := []int{n.Beacon.Port}
	for _, x := range n.Nodes {
		ports = append(ports, x.RPC, x.P2P, x.GRPC, x.API)
	}
	for _, d := range n.daemons() {
		ports = append(ports, d.Port)
	}
	return ports
}

// files are the names in the home folder that belong to the network.
func (n *Network) files() []string {
	return append(n.Names(), faucetKey, "logs", "genesis.json", "network.json", "network.json.tmp", lockFile)
}
