package doctor

import (
	"fmt"
	"strings"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/x/challenge/beacon"
	challenge "github.com/galahad-network/galahad/x/challenge/types"
)

const (
	// clockLimit is how far into the future a block may be by this machine's clock.
	clockLimit = 2 * time.Second
	// staleLeast and staleBlocks bound the age of the newest block: the longer of the two is too old.
	staleLeast  = 30 * time.Second
	staleBlocks = 10
	// relayGrace is how long after its time a round may be missing on chain.
	relayGrace = 15 * time.Second
	// diskLow and diskNone are the free bytes below which a node should, and cannot, go on.
	diskLow, diskNone = 5 << 30, 1 << 30
)

// Level says how bad a finding is.
type Level int

// Levels in the order of how bad they are.
const (
	OK Level = iota
	Warn
	Fail
)

// String is the level in a column.
func (l Level) String() string { return [...]string{"ok", "warn", "FAIL"}[l] }

// Finding is the outcome of one check.
type Finding struct {
	Check string
	Level Level
	// Says is what was seen, Do what to do about it; empty where nothing is to be done.
	Says, Do string
}

// Diagnose judges what was seen. A check whose facts could not be had, for another one failed, is left out.
func Diagnose(f Facts) []Finding {
	out := []Finding{f.node()}
	if f.NodeErr == nil {
		out = append(out, f.sync(), f.peers(), f.clock())
	}
	if f.ParamsErr == nil && f.NodeErr == nil {
		out = append(out, f.beacon(), f.rounds())
	}
	return append(out, f.gasPrice(), f.disk())
}

func (f Facts) node() Finding {
	if f.NodeErr != nil {
		return Finding{"node", Fail, fmt.Sprintf("%s does not answer: %v", f.Node, f.NodeErr),
			"start it with `galahadd start`, or name its RPC address with --node"}
	}
	if f.ParamsErr != nil {
		return Finding{"node", Fail, fmt.Sprintf("%s answers, but not queries: %v", f.Node, f.ParamsErr),
			"look into its log for CONSENSUS FAILURE or UPGRADE NEEDED; a node that is still syncing answers later"}
	}
	return Finding{"node", OK, fmt.Sprintf("%s, chain %s, height %d", f.Node, f.ChainID, f.Height), ""}
}

func (f Facts) sync() Finding {
	if f.CatchingUp {
		return Finding{"sync", Warn, fmt.Sprintf("it is catching up, at height %d", f.Height),
			"wait; daemons that use it now would be late. To begin near the end, set [statesync] in config.toml before the first start"}
	}
	return Finding{"sync", OK, "it is at the chain's end", ""}
}

func (f Facts) peers() Finding {
	if f.Peers == 0 {
		return Finding{"peers", Warn, "it is connected to no other node",
			"set p2p.persistent_peers or p2p.seeds in config.toml, and let the p2p port through the firewall"}
	}
	return Finding{"peers", OK, fmt.Sprintf("%d connected", f.Peers), ""}
}

// clock compares the newest block's time with this machine's.
func (f Facts) clock() Finding {
	age := f.Now.Sub(f.BlockTime)
	stale := max(staleLeast, staleBlocks*f.Params.BlockTime)
	switch {
	case age < -clockLimit:
		return Finding{"clock", Fail, fmt.Sprintf("the newest block is %s in the future by this machine's clock", -age.Round(time.Millisecond)),
			"set the clock, and keep it set with NTP: votes with a wrong time shift the beacon rounds that windows get"}
	case f.CatchingUp:
		return Finding{"clock", OK, "not judged while it is catching up", ""}
	case age > stale:
		return Finding{"clock", Fail, fmt.Sprintf("the newest block is %s old", age.Round(time.Second)),
			"if other nodes are further, look at this one's peers and log; if not, the chain has halted, and more than a third of the voting power is away"}
	}
	return Finding{"clock", OK, fmt.Sprintf("the newest block is %s old", age.Round(100*time.Millisecond)), ""}
}

func (f Facts) beacon() Finding {
	where := strings.Join(f.Beacons, ", ")
	if f.BeaconErr != nil {
		return Finding{"beacon", Fail, fmt.Sprintf("%s does not serve round %d of the chain's network: %v", where, f.BeaconRound, f.BeaconErr),
			"name another server with --beacon; without one no grader of yours can relay, and a window that gets no round is VOID"}
	}
	return Finding{"beacon", OK, fmt.Sprintf("%s serves round %d", where, f.BeaconRound), ""}
}

// rounds looks for rounds that windows wait for, which are public for longer than a relay takes.
func (f Facts) rounds() Finding {
	var overdue []string
	for _, r := range f.Pending {
		at, ok := beacon.RoundTime(r, f.Params.Beacon.GenesisTime, f.Params.Beacon.Period)
		if late := f.Now.Sub(time.Unix(at, 0)); ok && late > relayGrace {
			overdue = append(overdue, fmt.Sprintf("%d (public for %s)", r, late.Round(time.Second)))
		}
	}
	if len(overdue) > 0 {
		return Finding{"rounds", Fail, "windows wait for rounds that are public: " + strings.Join(overdue, ", "),
			"run galahad-validator with beacon.relay = true and a server that answers, or send one with `galahadd tx challenge submit-beacon`"}
	}
	return Finding{"rounds", OK, fmt.Sprintf("%d awaited, none overdue", len(f.Pending)), ""}
}

func (f Facts) gasPrice() Finding {
	want := fmt.Sprintf("set minimum-gas-prices = %q in %s", params.MinGasPrices, f.AppTOML)
	if f.GasPriceErr != nil {
		return Finding{"gas price", Warn, f.GasPriceErr.Error(), "name the node's folder with --home"}
	}
	usual, err := sdk.ParseDecCoins(params.MinGasPrices)
	if err != nil {
		return Finding{"gas price", Fail, err.Error(), want}
	}
	set, err := sdk.ParseDecCoins(f.GasPrice)
	switch {
	case err != nil:
		return Finding{"gas price", Fail, fmt.Sprintf("minimum-gas-prices %q: %v", f.GasPrice, err), want}
	case set.IsZero():
		return Finding{"gas price", Fail, "the node takes transactions that pay nothing: anybody can fill its mempool", want}
	case set.AmountOf(params.BaseDenom).LT(usual.AmountOf(params.BaseDenom)):
		return Finding{"gas price", Warn, fmt.Sprintf("minimum-gas-prices %q is below the usual %s, so others may not pass on what it takes", f.GasPrice, params.MinGasPrices), want}
	}
	return Finding{"gas price", OK, f.GasPrice, ""}
}

func (f Facts) disk() Finding {
	if f.DiskErr != nil {
		return Finding{"disk", Warn, f.DiskErr.Error(), "name the node's folder with --home"}
	}
	says := fmt.Sprintf("%.1f GiB free for %s", float64(f.DiskFree)/(1<<30), f.Home)
	do := "make room: a node whose disk is full stops and may lose its database; see pruning in app.toml and min-retain-blocks"
	switch {
	case f.DiskFree < diskNone:
		return Finding{"disk", Fail, says, do}
	case f.DiskFree < diskLow:
		return Finding{"disk", Warn, says, do}
	}
	return Finding{"disk", OK, says, ""}
}

// beaconRound is the round that a server of the network must have by now: the newest may not be signed yet.
func beaconRound(p challenge.BeaconParams, now time.Time) uint64 {
	return max(beacon.Round(now, p.GenesisTime, p.Period), 3) - 2
}
