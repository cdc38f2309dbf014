package localnet

import "time"

// Snapshot is what the network looked like at one poll. It holds only what the chain and the daemons said.
type Snapshot struct {
	ChainID string
	Height  int64
	// Since is how long this supervisor has been running.
	Since time.Duration
	// Open are the windows that are neither CLOSED nor VOID, oldest first.
	Open []OpenWindow
	// Settled is the number of windows that are CLOSED or VOID.
	Settled uint64
	// Last is the newest settled window; nil before the first.
	Last *SettledWindow
	// Miners are in the order of the layout, the cheat last.
	Miners []MinerRow
	// Graders are in the order of the layout.
	Graders []GraderRow
	// Curve is the accuracy of the checkpoints that the learner has evaluated, by version.
	Curve []Accuracy
	// Swarm are the further runs.
	Swarm []SwarmRow
	// Down names the processes that are not running, with why.
	Down []string
}

// SwarmRow is a further run of a swarm.
type SwarmRow struct {
	Run     uint64
	Learner string
	Settled uint64
	Curve   []Accuracy // as its learner has evaluated it
}

// OpenWindow is a window on its way.
type OpenWindow struct {
	ID         uint64
	Stage      string
	BlocksLeft int64 // until the stage ends; 0 where a beacon round or settlement decides
	Round      uint64
	Checkpoint uint64
	Committed  []string // names of the miners that have committed
	Verdicts   int      // graders that have posted a hash
	Reveals    int      // graders that have revealed
}

// SettledWindow is the outcome of a window.
type SettledWindow struct {
	ID            uint64
	Void          bool
	VoidReason    string
	SettleSeconds float64
	MintedGAL     string
}

// MinerRow is one miner's newest result and its totals.
type MinerRow struct {
	Name, Address, Kind string
	Declared, Groups    uint32
	Window              uint64 // of the newest result
	Code                string // verdict of that window; "jailed" while it is jailed, "-" before its first
	Leaf                uint64
	Weight              uint32
	IncentivePPB        uint64
	PaidGAL             string // in that window
	EarnedGAL           string // in all windows of the score query
	BondGAL             string
	JailedUntil         uint64
	JailedFor           string // verdict and window that sent it to jail
	Reason              string
}

// GraderRow is one grader's newest result.
type GraderRow struct {
	Name, Address string
	Revealed      bool
	DividendPPB   uint64
	PaidGAL       string
	Missed        uint32
	Reason        string
}

// Accuracy is a checkpoint's measured share of held-out problems that it solves, sampled at the run's temperature.
type Accuracy struct {
	Version  uint64  `json:"version"`
	Accuracy float64 `json:"accuracy"`
	N        int     `json:"n"`
}
