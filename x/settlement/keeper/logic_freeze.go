package keeper

import (
	"bytes"
	"context"
	"fmt"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/rl/verify"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/consensus"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// Reasons for a VOID window.
const (
	voidQuorum = "verdicts of at most half of the eligible stake were revealed"
	voidFailed = "the window could not be settled"
)

// sheet is a window as settlement sees it, everything in order of raw addresses.
type sheet struct {
	graders []sdk.ValAddress
	stakes  []consensus.Amount
	// commits and reveals belong to graders; nil where there is none.
	commits []bool
	reveals []*consensus.Reveal
	// miners are the committed ones.
	miners []types.CommittedMiner
}

// freeze fixes everything that a window's settlement depends on: the consensus, the
// rows of all miners, the graders' pay, and the emission, which it mints. The cursor is
// for the caller to store; nil says that the window is VOID.
func (k *Keeper) freeze(ctx context.Context, params types.Params, w challengetypes.Window, miners []frozenMiner) (*types.Cursor, error) {
	s, err := k.sheet(ctx, w, miners)
	if err != nil {
		return nil, err
	}
	in := consensus.Input{Stakes: s.stakes, Reveals: s.reveals}
	for _, m := range s.miners {
		in.Scores = append(in.Scores, m.Score())
	}
	tally, err := consensus.Tally(in)
	if err != nil {
		return nil, err
	}
	if tally.Void {
		_, err := k.challenge.VoidWindow(ctx, w.Run, w.Id, voidQuorum)
		return nil, err
	}

	cursor := types.Cursor{
		Run: w.Run, Window: w.Id, MinersPool: sdkmath.ZeroInt(), Paid: sdkmath.ZeroInt(),
		Result: types.NewWindowResult(w.Run, w.Id), EmissionEnd: w.EmissionEnd,
	}
	// A window that nothing follows yet owns the blocks up to here; close mints for
	// those that pass until then.
	if cursor.EmissionEnd == 0 {
		cursor.EmissionEnd = sdk.UnwrapSDKContext(ctx).BlockHeight() + 1
	}
	cursor.Result.RevealedStake = types.FromAmount(tally.Revealed)
	cursor.Result.Work = tally.Work
	if err := k.freezeMiners(ctx, w, miners, s, tally, &cursor); err != nil {
		return nil, err
	}
	minted, err := k.mint(ctx, params, w, w.EmissionStart, cursor.EmissionEnd)
	if err != nil {
		return nil, err
	}
	parts, err := consensus.Split(minted, params.Rates())
	if err != nil {
		return nil, err
	}
	cursor.Result.Minted = types.FromAmount(minted)
	cursor.MinersPool = types.FromAmount(parts.Miners)
	if cursor.Result.Graders, err = k.payGraders(ctx, params, w, s, tally, parts.Graders); err != nil {
		return nil, err
	}
	if cursor.Result.Learner, err = k.payLearner(ctx, w, parts.Learner); err != nil {
		return nil, err
	}
	cursor.Result.Validators = k.payValidators(ctx, parts.Validators)
	return &cursor, nil
}

// sheet reads a window.
func (k *Keeper) sheet(ctx context.Context, w challengetypes.Window, miners []frozenMiner) (*sheet, error) {
	s := &sheet{}
	graders, err := k.challenge.FrozenGraders(ctx, w.Run, w.Id)
	if err != nil {
		return nil, err
	}
	if s.miners, err = k.committed(ctx, w, miners); err != nil {
		return nil, err
	}
	for _, g := range graders {
		addr, err := k.operator(g.Address)
		if err != nil {
			return nil, err
		}
		stake, err := types.ToAmount(g.Stake)
		if err != nil {
			return nil, err
		}
		key := collections.Join3(w.Run, w.Id, addr)
		committed, err := k.Commits.Has(ctx, key)
		if err != nil {
			return nil, err
		}
		reveal, err := k.reveal(ctx, key, len(s.miners))
		if err != nil {
			return nil, err
		}
		s.graders = append(s.graders, addr)
		s.stakes = append(s.stakes, stake)
		s.commits = append(s.commits, committed)
		s.reveals = append(s.reveals, reveal)
	}
	return s, nil
}

// reveal reads what a grader opened; nil if it opened nothing. It was checked when it
// was accepted; one that does not fit the window any more counts as none.
func (k *Keeper) reveal(ctx context.Context, key graderKey, miners int) (*consensus.Reveal, error) {
	has, err := k.Reveals.Has(ctx, key)
	if err != nil || !has {
		return nil, err
	}
	stored, err := k.Reveals.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	if len(stored.Verdicts.Verdicts) != miners {
		k.logger(ctx).Error("settlement: reveal does not fit its window", "grader", stored.Grader)
		return nil, nil
	}
	r := &consensus.Reveal{Work: stored.Verdicts.Work, Verdicts: make([]consensus.Verdict, 0, miners)}
	for _, v := range stored.Verdicts.Verdicts {
		r.Verdicts = append(r.Verdicts, consensus.Verdict{Code: v.VerifyCode(), Leaf: v.Leaf})
	}
	return r, nil
}

// frozenMiner is a frozen miner with its address parsed; nil if that is none.
type frozenMiner struct {
	addr     sdk.AccAddress
	text     string
	declared uint32
}

// miners are the frozen miners of a window, in the order of the cursor.
func (k *Keeper) miners(ctx context.Context, w challengetypes.Window) ([]frozenMiner, error) {
	frozen, err := k.challenge.FrozenMiners(ctx, w.Run, w.Id)
	if err != nil {
		return nil, err
	}
	miners := make([]frozenMiner, 0, len(frozen))
	for _, m := range frozen {
		addr, err := k.account(m.Address)
		if err != nil {
			k.logger(ctx).Error("settlement: frozen miner skipped", "run", w.Run, "window", w.Id, "err", err)
			addr = nil
		}
		miners = append(miners, frozenMiner{addr, m.Address, m.DeclaredGroups})
	}
	return miners, nil
}

// committed are those miners with a commitment in the window, ascending by raw address.
func (k *Keeper) committed(ctx context.Context, w challengetypes.Window, frozen []frozenMiner) ([]types.CommittedMiner, error) {
	commitments, err := k.rollout.Commitments(ctx, w.Run, w.Id)
	if err != nil {
		return nil, err
	}
	at := make(map[string]frozenMiner, len(frozen))
	for _, m := range frozen {
		at[m.text] = m
	}
	miners := make([]types.CommittedMiner, 0, len(commitments))
	for _, c := range commitments {
		m, ok := at[c.Miner]
		if !ok || m.addr == nil { // x/rollout takes commitments of frozen miners only
			k.logger(ctx).Error("settlement: commitment skipped", "run", w.Run, "window", w.Id, "miner", c.Miner)
			continue
		}
		miners = append(miners, types.CommittedMiner{Address: m.addr, Groups: c.Groups, Declared: m.declared})
	}
	types.SortMiners(miners)
	return miners, nil
}

// freezeMiners writes a row for every frozen miner, with everything but its pay and
// penalties, and the sum of the weights into the cursor.
func (k *Keeper) freezeMiners(
	ctx context.Context, w challengetypes.Window, frozen []frozenMiner, s *sheet, tally consensus.Output, cursor *types.Cursor,
) error {
	at := 0 // both lists ascend, so one pass joins them
	for _, m := range frozen {
		addr := m.addr
		if addr == nil {
			continue
		}
		row := types.MinerResult{
			Run: w.Run, Window: w.Id, Miner: m.text, DeclaredGroups: m.declared,
			Code: types.VerdictCode_VERDICT_CODE_UNAVAILABLE, Paid: sdkmath.ZeroInt(), Slashed: sdkmath.ZeroInt(),
			Reason: fmt.Sprintf("declared %d groups and committed none", m.declared),
		}
		for at < len(s.miners) && bytes.Compare(s.miners[at].Address, addr) < 0 {
			at++
		}
		if at < len(s.miners) && bytes.Equal(s.miners[at].Address, addr) {
			if err := describe(&row, s.miners[at], tally.Miners[at], tally.Eligible); err != nil {
				return err
			}
		}
		jailed, until, err := k.jailed(ctx, w, addr)
		if err != nil {
			return err
		}
		if jailed {
			row.Jailed, row.Weight = true, 0
			row.Reason = fmt.Sprintf("jailed until window %d; %s", until, row.Reason)
		}
		cursor.TotalWeight += uint64(row.Weight)
		if row.Code == types.VerdictCode_VERDICT_CODE_OK && !jailed {
			cursor.Result.OkGroups += uint64(row.Groups)
		}
		if err := k.MinerResults.Set(ctx, collections.Join3(w.Run, w.Id, addr), row); err != nil {
			return err
		}
	}
	return nil
}

// jailed reports whether a miner is jailed over window w, and until which one.
func (k *Keeper) jailed(ctx context.Context, w challengetypes.Window, addr sdk.AccAddress) (bool, uint64, error) {
	miner, ok, err := k.registry.GetMiner(ctx, w.Run, addr)
	return ok && miner.JailedUntilWindow > w.Id, miner.JailedUntilWindow, err
}

// describe fills a committed miner's row from its outcome.
func describe(row *types.MinerResult, m types.CommittedMiner, outcome consensus.MinerOutcome, eligible consensus.Amount) error {
	agreeing, err := consensus.Share(consensus.NewAmount(consensus.Million), outcome.Agreeing, eligible)
	if err != nil {
		return err
	}
	row.Groups = m.Groups
	row.Code = types.VerdictCode(uint32(outcome.Code))
	row.Leaf = outcome.Leaf
	row.Weight = outcome.Weight
	row.Slashable = outcome.Slashable
	row.AgreeingPpm = uint32(agreeing.Uint64()) // at most 1e6
	switch {
	case outcome.Code == verify.OK && outcome.Weight == 0:
		row.Reason = fmt.Sprintf("ok, but %d of %d declared groups score 0", m.Groups, m.Declared)
	case outcome.Code == verify.OK:
		row.Reason = fmt.Sprintf("ok with %d of %d declared groups", m.Groups, m.Declared)
	case outcome.Code == verify.Unavailable:
		row.Reason = "the committed batch could not be had"
	case outcome.Code == verify.Undecided && outcome.Agreeing.IsZero():
		row.Reason = "no verdict has more than half of the eligible stake"
	case outcome.Code == verify.Undecided:
		row.Reason = "the graders could not decide"
	case outcome.Slashable:
		row.Reason = fmt.Sprintf("%s at leaf %d, by more than two thirds: slashed, jailed, locked credits void", outcome.Code, outcome.Leaf)
	default:
		row.Reason = fmt.Sprintf("%s at leaf %d, not by more than two thirds: no pay, no slash", outcome.Code, outcome.Leaf)
	}
	return nil
}
