package localnet

import "sort"

// Report is what --report writes: every settled window with what became of each miner.
type Report struct {
	ChainID string         `json:"chain_id"`
	Cheats  []string       `json:"cheats"`
	Windows []ReportWindow `json:"windows"`
}

// ReportWindow is one settled window.
type ReportWindow struct {
	ID uint64 `json:"id"`
	// SettleSeconds is the block time between the end of COMMIT and the block that settled the window.
	SettleSeconds float64 `json:"settle_seconds"`
	// Accuracy is that of the checkpoint which the window was sampled from, on held-out problems; null where the
	// learner has not evaluated it.
	Accuracy *float64 `json:"accuracy"`
	// AccuracyN is the number of problems behind Accuracy.
	AccuracyN int `json:"accuracy_n,omitempty"`
	// Checkpoint is the version that the window was sampled from.
	Checkpoint uint64 `json:"checkpoint"`
	// Void says why a window paid nobody; empty for a CLOSED one.
	Void   string        `json:"void,omitempty"`
	Miners []ReportMiner `json:"miners"`
}

// ReportMiner is what a window made of one miner. A miner that was jailed, or not registered yet, when the window
// froze its miners has the code "jailed" or "absent" and no groups.
type ReportMiner struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	// Kind is "honest", or the kind of the cheat.
	Kind   string `json:"kind"`
	Groups uint32 `json:"groups"`
	// Weight is the consensus weight, 0..65535.
	Weight uint32 `json:"weight"`
	// Incentive is the miner's share of the miners' part of the emission, 0..1.
	Incentive float64 `json:"incentive"`
	// Paid is in agal.
	Paid string `json:"paid"`
	// Slashed is the bond that was burned, in agal.
	Slashed string `json:"slashed"`
	Code    string `json:"code"`
	Leaf    uint64 `json:"leaf"`
}

// withCurve returns the report with the accuracy of each window's checkpoint.
func (r Report) withCurve(curve []Accuracy) Report {
	byVersion := make(map[uint64]Accuracy, len(curve))
	for _, a := range curve {
		byVersion[a.Version] = a
	}
	windows := append([]ReportWindow{}, r.Windows...)
	for i, w := range windows {
		if a, ok := byVersion[w.Checkpoint]; ok {
			share := a.Accuracy
			windows[i].Accuracy, windows[i].AccuracyN = &share, a.N
		}
	}
	sort.Slice(windows, func(i, j int) bool { return windows[i].ID < windows[j].ID })
	r.Windows = windows
	return r
}
