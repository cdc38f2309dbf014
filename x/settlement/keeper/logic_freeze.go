package keeper

import (
	"bytes"
	"context"
	"slices"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/rl/verify"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
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
	// miners are the committed ones, frozen all that the window froze.
	miners []types.CommittedMiner
	frozen []challengetypes.FrozenMinerEntry
	// proofs are, for each of miners, the evidence that was accepted before SETTLING.
	proofs      []*types.SlashRecord
	accusations []rollouttypes.Accusation
}

func (s *sheet) input() consensus.Input {
	in := consensus.Input{Stakes: s.stakes, Reveals: s.reveals, Accusations: len(s.accusations), Scores: make([]uint64, 0, len(s.miners))}
	for _, m := range s.miners {
		in.Scores = append(in.Scores, m.Score())
	}
	return in
}

// freeze fixes everything that a window's settlement depends on: the consensus, the
// rows of all miners, the graders' pay and bonds, and the emission, which it mints. The
// cursor is for the caller to store; nil says that the window is VOID.
func (k *Keeper) freeze(ctx context.Context, params types.Params, w challengetypes.Window) (*types.Cursor, error) {
	s, err := k.sheet(ctx, w)
	if err != nil {
		return nil, err
	}
	tally, err := consensus.Tally(s.input())
	if err != nil {
		return nil, err
	}
	if tally.Void {
		_, err := k.challenge.VoidWindow(ctx, w.Run, w.Id, voidQuorum)
		return nil, err
	}
	k.judge(ctx, params, w, s, tally)
	payout, err := k.weigh(ctx, params, w, s, tally)
	if err != nil {
		return nil, err
	}
	cursor := types.Cursor{
		Run: w.Run, Window: w.Id, Miners: uint32(len(s.frozen)), Paid: sdkmath.ZeroInt(),
		Result: types.NewWindowResult(w.Run, w.Id), EmissionEnd: w.EmissionEnd,
	}
	// A window that nothing follows yet owns the blocks up to here; close mints for
	// those that pass until then.
	if cursor.EmissionEnd == 0 {
		cursor.EmissionEnd = sdk.UnwrapSDKContext(ctx).BlockHeight() + 1
	}
	cursor.Result.RevealedStake = types.FromAmount(tally.Revealed)
	cursor.Result.EligibleStake = types.FromAmount(tally.Eligible)
	if err := k.freezeMiners(ctx, w, s, tally, payout, &cursor); err != nil {
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
	cursor.Result.MinersPart = types.FromAmount(parts.Miners)
	cursor.Result.GradersPart = types.FromAmount(parts.Graders)
	if cursor.Result.Graders, err = k.payGraders(ctx, params, w, s, tally, payout, parts.Graders); err != nil {
		return nil, err
	}
	if cursor.Result.Learner, err = k.payLearner(ctx, w, parts.Learner); err != nil {
		return nil, err
	}
	cursor.Result.Validators = k.payValidators(ctx, parts.Validators)
	return &cursor, nil
}

// sheet reads a window.
func (k *Keeper) sheet(ctx context.Context, w challengetypes.Window) (*sheet, error) {
	s := &sheet{}
	graders, err := k.challenge.FrozenGraders(ctx, w.Run, w.Id)
	if err != nil {
		return nil, err
	}
	if s.frozen, err = k.challenge.FrozenMiners(ctx, w.Run, w.Id); err != nil {
		return nil, err
	}
	roster, _, err := k.roster(ctx, w, s.frozen)
	if err != nil {
		return nil, err
	}
	s.miners = committedMiners(roster)
	if s.accusations, err = k.rollout.Accusations(ctx, w.Run, w.Id); err != nil {
		return nil, err
	}
	if s.proofs, err = k.proofs(ctx, w, s.miners); err != nil {
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
		reveal, err := k.reveal(ctx, key, len(s.miners), len(s.accusations))
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
func (k *Keeper) reveal(ctx context.Context, key graderKey, miners, accusations int) (*consensus.Reveal, error) {
	stored, ok, err := orZero(k.Reveals.Get(ctx, key))
	if err != nil || !ok {
		return nil, err
	}
	if len(stored.Verdicts.Verdicts) != miners || len(stored.Verdicts.Accusations) != accusations {
		k.logger(ctx).Error("settlement: reveal does not fit its window", "grader", stored.Grader)
		return nil, nil
	}
	r := &consensus.Reveal{Verdicts: make([]consensus.Verdict, 0, miners)}
	for _, v := range stored.Verdicts.Verdicts {
		r.Verdicts = append(r.Verdicts, consensus.Verdict{Code: v.VerifyCode(), Leaf: v.Leaf, Work: v.Work})
	}
	for _, a := range stored.Verdicts.Accusations {
		r.Accused = append(r.Accused, verify.Code(uint32(a.Code)))
	}
	return r, nil
}

// proofs finds the evidence that was accepted before the window's SETTLING began.
// What comes later, even before the block that freezes it, hits the miner alone: so it
// does not matter how long the window waited for the one before.
func (k *Keeper) proofs(ctx context.Context, w challengetypes.Window, miners []types.CommittedMiner) ([]*types.SlashRecord, error) {
	proofs := make([]*types.SlashRecord, len(miners))
	records, err := values(k.SlashRecords.Iterate(ctx, slashesOfWindow(w.Run, w.Id)))
	if err != nil {
		return nil, err
	}
	for i := range records {
		r := &records[i]
		if r.Source != types.SlashSource_SLASH_SOURCE_PROOF || r.Height >= w.RevealEnd {
			continue
		}
		addr, err := k.account(r.Miner)
		if err != nil {
			return nil, err
		}
		if m, ok := slices.BinarySearchFunc(miners, addr, func(m types.CommittedMiner, addr sdk.AccAddress) int {
			return bytes.Compare(m.Address, addr)
		}); ok {
			proofs[m] = r
		}
	}
	return proofs, nil
}

// judge decides the accusations of rollouts of earlier windows. One that cannot be
// resolved stays, and is judged by the next window.
func (k *Keeper) judge(ctx context.Context, params types.Params, w challengetypes.Window, s *sheet, tally consensus.Output) {
	for i, a := range s.accusations {
		code := tally.Confirmed[i]
		k.try(ctx, "an accusation", func(ctx context.Context) error {
			addr, err := k.account(a.Miner)
			if err != nil {
				return err
			}
			if code.Hard() {
				if err := k.confirm(ctx, params, a, addr, code); err != nil {
					return err
				}
			}
			return k.rollout.ResolveAccusation(ctx, a, code.Hard())
		})
	}
	if len(s.accusations) > 0 {
		k.try(ctx, "deferring accusations", func(ctx context.Context) error { return k.rollout.DeferAccusations(ctx, w.Run, w.Id) })
	}
}

// confirm makes a confirmed accusation a hard failure of its own window.
func (k *Keeper) confirm(ctx context.Context, params types.Params, a rollouttypes.Accusation, addr sdk.AccAddress, code verify.Code) error {
	own, err := k.challenge.GetWindow(ctx, a.Run, a.Window)
	if err != nil {
		return err
	}
	costs, err := k.costsBond(ctx, params, own, a.Miner, addr, code)
	if err != nil || !costs {
		return err
	}
	_, err = k.AfterHardFailure(ctx, a.Run, a.Window, addr, code, a.Leaf)
	return err
}

// roster is whom a window's verdicts are on: the frozen miners with a commitment. It is
// read if a reveal stored it, and else made, from frozen if the caller has them.
func (k *Keeper) roster(ctx context.Context, w challengetypes.Window, frozen []challengetypes.FrozenMinerEntry) (roster types.Roster, stored bool, err error) {
	roster, stored, err = orZero(k.Rosters.Get(ctx, collections.Join(w.Run, w.Id)))
	if err != nil || stored {
		return roster, stored, err
	}
	if frozen == nil {
		if frozen, err = k.challenge.FrozenMiners(ctx, w.Run, w.Id); err != nil {
			return roster, false, err
		}
	}
	roster = types.Roster{Run: w.Run, Window: w.Id}
	commitments, err := k.rollout.Commitments(ctx, w.Run, w.Id)
	if err != nil {
		return roster, false, err
	}
	groups := make(map[string]uint32, len(commitments))
	for _, c := range commitments { // x/rollout takes commitments of frozen miners only
		groups[c.Miner] = c.Groups
	}
	for _, m := range frozen {
		if g, ok := groups[m.Address]; ok {
			roster.Miners = append(roster.Miners, types.RosterMiner{Address: m.Raw, Miner: m.Address, Groups: g, DeclaredGroups: m.DeclaredGroups})
		}
	}
	return roster, false, nil
}

func committedMiners(roster types.Roster) []types.CommittedMiner {
	miners := make([]types.CommittedMiner, 0, len(roster.Miners))
	for _, m := range roster.Miners {
		miners = append(miners, types.CommittedMiner{Address: m.Address, Text: m.Miner, Groups: m.Groups, Declared: m.DeclaredGroups})
	}
	return miners
}

// pageSize is the number of rows on a page: a block reads at most one more page than it
// settles.
const pageSize = 64

// freezeMiners writes the tally's row of every frozen miner and counts the ok groups.
func (k *Keeper) freezeMiners(
	ctx context.Context, w challengetypes.Window, s *sheet, tally consensus.Output, payout scores, cursor *types.Cursor,
) error {
	page := types.TallyPage{Run: w.Run, Window: w.Id}
	at := 0 // both lists ascend, so one pass joins them
	for i, m := range s.frozen {
		row := types.TallyRow{Miner: m.Address, DeclaredGroups: m.DeclaredGroups, Code: types.VerdictCode_VERDICT_CODE_UNAVAILABLE}
		for at < len(s.miners) && bytes.Compare(s.miners[at].Address, m.Raw) < 0 {
			at++
		}
		if at < len(s.miners) && bytes.Equal(s.miners[at].Address, m.Raw) {
			if err := describe(&row, s.miners[at], tally.Miners[at], tally.Eligible, s.proofs[at]); err != nil {
				return err
			}
		}
		registered, until, err := k.registry.Standing(ctx, w.Run, m.Raw)
		if err != nil {
			return err
		}
		row.Left = !registered
		if until > w.Id {
			row.JailedUntil = until
		}
		row.Weight, row.Incentive = payout.miner(i)
		if row.Code == types.VerdictCode_VERDICT_CODE_OK && row.JailedUntil == 0 {
			cursor.Result.OkGroups += uint64(row.Groups)
		}
		page.Rows = append(page.Rows, row)
		if len(page.Rows) < pageSize && i < len(s.frozen)-1 {
			continue
		}
		if err := k.TallyPages.Set(ctx, collections.Join3(w.Run, w.Id, page.Page), page); err != nil {
			return err
		}
		page.Page, page.Rows = page.Page+1, page.Rows[:0]
	}
	return nil
}

// describe fills a committed miner's row from its outcome, or from the evidence against
// it, which goes before any verdict.
func describe(row *types.TallyRow, m types.CommittedMiner, outcome consensus.MinerOutcome, eligible consensus.Amount, proof *types.SlashRecord) error {
	agreeing, err := consensus.Share(consensus.NewAmount(consensus.Million), outcome.Agreeing, eligible)
	if err != nil {
		return err
	}
	row.Groups = m.Groups
	row.Code, row.Leaf = types.VerdictCode(uint32(outcome.Code)), outcome.Leaf
	row.AgreeingPpm = uint32(agreeing.Uint64()) // at most 1e6
	row.Slashable = outcome.Slashable
	if proof != nil {
		row.Code, row.Leaf, row.Evidence = proof.Code, proof.Leaf, true
		row.AgreeingPpm, row.Slashable = 0, false // it has been punished
	}
	return nil
}
