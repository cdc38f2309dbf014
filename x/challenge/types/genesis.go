package types

import (
	"bytes"
	"cmp"

	"cosmossdk.io/core/address"
	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/x/challenge/beacon"
)

// DefaultGenesis has the default parameters and no run.
func DefaultGenesis() *GenesisState {
	return &GenesisState{Params: DefaultParams()}
}

// windowID orders windows as the store does.
type windowID struct{ run, window uint64 }

func (a windowID) compare(b windowID) int {
	return cmp.Or(cmp.Compare(a.run, b.run), cmp.Compare(a.window, b.window))
}

// frozen sums up the frozen sets of a window.
type frozen struct {
	miners, graders uint32
	stake           sdkmath.Int
}

// Validate checks the state as a whole: every list ascends strictly in the order
// of the store's keys (so nothing is there twice), every record belongs to one
// that exists, and counts, sums and shares agree. Errors: ErrInvalidGenesis,
// ErrInvalidParams, ErrInvalidRun.
func (g GenesisState) Validate(ac, vc address.Codec) error {
	if err := g.Params.Validate(); err != nil {
		return err
	}
	runs, err := g.validateRuns(ac)
	if err != nil {
		return err
	}
	sets, err := g.validateFrozen(ac, vc)
	if err != nil {
		return err
	}
	if err := g.validateWindows(runs, sets); err != nil {
		return err
	}
	if err := g.validateTokenizers(runs); err != nil {
		return err
	}
	for i, b := range g.Beacons {
		switch {
		case b.Round == 0 || b.Height < 0:
			return ErrInvalidGenesis.Wrapf("beacons[%d]: round %d at height %d", i, b.Round, b.Height)
		case i > 0 && b.Round <= g.Beacons[i-1].Round:
			return ErrInvalidGenesis.Wrapf("beacons[%d]: round %d is there twice or out of order", i, b.Round)
		case len(b.Signature) != beacon.SignatureSize:
			return ErrInvalidGenesis.Wrapf("beacons[%d]: signature of %d bytes", i, len(b.Signature))
		}
		if r := beacon.Randomness(b.Signature); !bytes.Equal(r[:], b.Randomness) {
			return ErrInvalidGenesis.Wrapf("beacons[%d]: randomness is not the hash of the signature", i)
		}
	}
	return nil
}

func (g GenesisState) validateRuns(ac address.Codec) (map[uint64]Run, error) {
	runs := make(map[uint64]Run, len(g.Runs))
	var shares uint64
	live := 0
	for i, r := range g.Runs {
		if i > 0 && r.Id <= g.Runs[i-1].Id {
			return nil, ErrInvalidGenesis.Wrapf("runs[%d]: id %d is there twice or out of order", i, r.Id)
		}
		if err := r.Validate(g.Params, ac); err != nil {
			return nil, err
		}
		shares += uint64(r.Params.EmissionSharePpm)
		runs[r.Id] = r
		if !r.Over() {
			live++
		}
	}
	if live > MaxRuns {
		return nil, ErrInvalidGenesis.Wrapf("%d live runs, at most %d", live, MaxRuns)
	}
	if n := len(g.Runs); n > 0 && g.NextRunOrDefault() <= g.Runs[n-1].Id {
		return nil, ErrInvalidGenesis.Wrapf("next_run %d is not above run %d", g.NextRun, g.Runs[n-1].Id)
	}
	if shares > Million {
		return nil, ErrInvalidGenesis.Wrapf("emission shares of the runs sum to %d ppm, more than %d", shares, Million)
	}
	return runs, nil
}

// validateTokenizers checks that every file belongs to a run and is the one that
// the run pins.
func (g GenesisState) validateTokenizers(runs map[uint64]Run) error {
	for i, t := range g.Tokenizers {
		if i > 0 && t.Run <= g.Tokenizers[i-1].Run {
			return ErrInvalidGenesis.Wrapf("tokenizers[%d]: run %d is there twice or out of order", i, t.Run)
		}
		run, ok := runs[t.Run]
		if !ok {
			return ErrInvalidGenesis.Wrapf("tokenizers[%d]: no run %d", i, t.Run)
		}
		if err := run.Params.CheckTokenizer(t.File); err != nil {
			return ErrInvalidGenesis.Wrapf("tokenizers[%d]: %s", i, err)
		}
	}
	return nil
}

// NextRunOrDefault is the id of the run that is created next.
func (g GenesisState) NextRunOrDefault() uint64 {
	if g.NextRun != 0 || len(g.Runs) == 0 {
		return max(g.NextRun, 1)
	}
	return g.Runs[len(g.Runs)-1].Id + 1
}

func (g GenesisState) validateFrozen(ac, vc address.Codec) (map[windowID]frozen, error) {
	sets := make(map[windowID]frozen)
	get := func(id windowID) frozen {
		f, ok := sets[id]
		if !ok {
			f.stake = sdkmath.ZeroInt()
		}
		return f
	}
	var (
		last     windowID
		lastAddr []byte
	)
	for i, m := range g.Miners {
		id := windowID{m.Run, m.Window}
		addr, err := ac.StringToBytes(m.Address)
		if err != nil {
			return nil, ErrInvalidGenesis.Wrapf("miners[%d]: %s", i, err)
		}
		if i > 0 && cmp.Or(last.compare(id), bytes.Compare(lastAddr, addr)) >= 0 {
			return nil, ErrInvalidGenesis.Wrapf("miners[%d]: %s is there twice or out of order", i, m.Address)
		}
		if m.DeclaredGroups == 0 || m.DeclaredGroups > MaxGroupsPerWindow {
			return nil, ErrInvalidGenesis.Wrapf("miners[%d]: declared_groups %d", i, m.DeclaredGroups)
		}
		f := get(id)
		f.miners++
		sets[id] = f
		last, lastAddr = id, addr
	}
	last, lastAddr = windowID{}, nil
	for i, gr := range g.Graders {
		id := windowID{gr.Run, gr.Window}
		addr, err := vc.StringToBytes(gr.Address)
		if err != nil {
			return nil, ErrInvalidGenesis.Wrapf("graders[%d]: %s", i, err)
		}
		if i > 0 && cmp.Or(last.compare(id), bytes.Compare(lastAddr, addr)) >= 0 {
			return nil, ErrInvalidGenesis.Wrapf("graders[%d]: %s is there twice or out of order", i, gr.Address)
		}
		if err := checkAmount(gr.Stake); err != nil {
			return nil, ErrInvalidGenesis.Wrapf("graders[%d]: stake: %s", i, err)
		}
		f := get(id)
		f.graders++
		f.stake = f.stake.Add(gr.Stake)
		sets[id] = f
		last, lastAddr = id, addr
	}
	return sets, nil
}

func (g GenesisState) validateWindows(runs map[uint64]Run, sets map[windowID]frozen) error {
	// next is the id that a run's next window in the list must have, emission the
	// first block that its windows before do not own.
	next := make(map[uint64]uint64, len(runs))
	emission := make(map[uint64]int64, len(runs))
	open := make(map[uint64]uint32, len(runs))
	for _, r := range g.Runs {
		next[r.Id] = r.FirstWindow
	}
	for i, w := range g.Windows {
		if i > 0 && (windowID{w.Run, w.Id}).compare(windowID{g.Windows[i-1].Run, g.Windows[i-1].Id}) <= 0 {
			return ErrInvalidGenesis.Wrapf("windows[%d]: window %d of run %d is there twice or out of order", i, w.Id, w.Run)
		}
		run, ok := runs[w.Run]
		if !ok {
			return ErrInvalidGenesis.Wrapf("windows[%d]: no run %d", i, w.Run)
		}
		if w.Id != next[w.Run] {
			return ErrInvalidGenesis.Wrapf("windows[%d]: run %d lacks window %d", i, w.Run, next[w.Run])
		}
		next[w.Run]++
		if err := w.Validate(); err != nil {
			return err
		}
		set, ok := sets[windowID{w.Run, w.Id}]
		if !ok {
			set.stake = sdkmath.ZeroInt()
		}
		// The oldest window may be on its way out, key by key.
		leaving := w.Done() && w.Id == run.FirstWindow && set.miners <= w.Miners && set.graders <= w.Graders
		if !leaving && (set.miners != w.Miners || set.graders != w.Graders || !set.stake.Equal(w.EligibleStake)) {
			return ErrInvalidGenesis.Wrapf(
				"windows[%d]: counts %d miners, %d graders and a stake of %s; the lists have %d, %d and %s",
				i, w.Miners, w.Graders, w.EligibleStake, set.miners, set.graders, set.stake)
		}
		delete(sets, windowID{w.Run, w.Id})
		// After a pause emission begins anew, with the window; else ranges join.
		if w.Id > run.FirstWindow && w.EmissionStart != emission[w.Run] &&
			(w.EmissionStart < emission[w.Run] || w.EmissionStart != w.FreezeHeight) {
			return ErrInvalidGenesis.Wrapf("windows[%d]: emission begins at %d, that of the window before ends at %d",
				i, w.EmissionStart, emission[w.Run])
		}
		if w.EmissionEnd == 0 && w.Id+1 != run.NextWindow {
			return ErrInvalidGenesis.Wrapf("windows[%d]: emission has no end, but there is a later window", i)
		}
		emission[w.Run] = w.EmissionEnd
		if !w.Done() {
			open[w.Run]++
		}
		if open[w.Run] > MaxOpenWindows {
			return ErrInvalidGenesis.Wrapf("windows[%d]: run %d has more than %d open windows", i, w.Run, MaxOpenWindows)
		}
	}
	for _, r := range g.Runs {
		if next[r.Id] != r.NextWindow {
			return ErrInvalidGenesis.Wrapf("run %d: next_window %d, but %d windows are there", r.Id, r.NextWindow, next[r.Id])
		}
		if e := emission[r.Id]; e != 0 && e != r.EmissionNext && r.EmissionNext != 0 {
			return ErrInvalidGenesis.Wrapf("run %d: emission_next %d, but its windows own the blocks below %d", r.Id, r.EmissionNext, e)
		}
	}
	if len(sets) != 0 {
		return ErrInvalidGenesis.Wrap("miners or graders of a window that is not there")
	}
	return nil
}

// Validate checks that a window's heights, rounds and seeds fit together. What it froze
// held with the module's parameters of its time, which are not there any more.
// Error: ErrInvalidGenesis.
func (w Window) Validate() error {
	bad := func(format string, args ...any) error {
		return ErrInvalidGenesis.Wrapf("window %d of run %d: "+format, append([]any{w.Id, w.Run}, args...)...)
	}
	if err := w.Params.ValidateAlone(); err != nil {
		return bad("%s", err)
	}
	for _, e := range w.Params.Mix {
		if e.FromWindow != 0 || e.UntilWindow != 0 {
			return bad("mix: the entry of %q has bounds, which no frozen one has", e.Id)
		}
	}
	if err := checkAmount(w.BondPerGroup); err != nil {
		return bad("bond_per_group: %s", err)
	}
	if w.EligibleStake.IsNil() || w.EligibleStake.IsNegative() {
		return bad("eligible_stake is missing or negative")
	}
	if len(w.CheckpointDigest) != 32 {
		return bad("checkpoint_digest has %d bytes, want 32", len(w.CheckpointDigest))
	}
	if w.FreezeHeight <= 0 || w.OpeningRound == 0 {
		return bad("freeze_height %d, opening_round %d", w.FreezeHeight, w.OpeningRound)
	}
	opened := w.CommitStart != 0
	if opened && (w.CommitStart <= w.FreezeHeight || w.CommitEnd <= w.CommitStart) {
		return bad("COMMIT [%d, %d) after freezing at %d", w.CommitStart, w.CommitEnd, w.FreezeHeight)
	}
	if opened != (w.CommitEnd != 0) || opened != (len(w.OpeningSeed) == 32) || (!opened && len(w.OpeningSeed) != 0) {
		return bad("COMMIT and opening_seed are not there together")
	}
	if w.AuditRound != 0 && !opened {
		return bad("audit_round before COMMIT")
	}
	audited := w.AuditStart != 0
	if audited && (w.AuditStart <= w.CommitEnd || w.AuditEnd <= w.AuditStart || w.RevealEnd <= w.AuditEnd || w.AuditRound == 0) {
		return bad("AUDIT [%d, %d), REVEAL to %d, round %d, after COMMIT to %d",
			w.AuditStart, w.AuditEnd, w.RevealEnd, w.AuditRound, w.CommitEnd)
	}
	if audited != (w.AuditEnd != 0) || audited != (w.RevealEnd != 0) ||
		audited != (len(w.AuditSeed) == 32) || (!audited && len(w.AuditSeed) != 0) {
		return bad("AUDIT, REVEAL and audit_seed are not there together")
	}
	if w.ClosedHeight != 0 && (w.VoidHeight != 0 || !audited || w.ClosedHeight < w.RevealEnd) {
		return bad("closed_height %d, void_height %d, reveal_end %d", w.ClosedHeight, w.VoidHeight, w.RevealEnd)
	}
	if err := validShared(w.Run, w.Shared); err != nil || len(w.Shared) > 0 && w.ClosedHeight == 0 {
		return bad("shared %v, closed_height %d: %v", w.Shared, w.ClosedHeight, err)
	}
	if w.VoidHeight != 0 && w.VoidHeight < w.FreezeHeight || (w.VoidHeight == 0) != (w.VoidReason == "") {
		return bad("void_height %d, void_reason %q", w.VoidHeight, w.VoidReason)
	}
	if w.EmissionStart <= 0 || w.EmissionStart > w.FreezeHeight ||
		w.EmissionEnd != 0 && w.EmissionEnd <= w.EmissionStart || w.Done() && w.EmissionEnd == 0 {
		return bad("emission [%d, %d), frozen at %d", w.EmissionStart, w.EmissionEnd, w.FreezeHeight)
	}
	return nil
}
