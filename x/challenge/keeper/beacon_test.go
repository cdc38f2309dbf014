package keeper_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/testutil/xtest"
	"github.com/galahad-network/galahad/x/challenge/beacon"
	"github.com/galahad-network/galahad/x/challenge/keeper"
	"github.com/galahad-network/galahad/x/challenge/types"
)

func TestSeedsAreDerivedFromTheRound(t *testing.T) {
	f := newFixture(t)
	f.blocks(1)
	round := f.window(0).OpeningRound
	require.NoError(t, f.submit(round))
	sig, err := f.key.Sign(round)
	require.NoError(t, err)
	r := beacon.Randomness(sig)
	want := derive.OpeningSeed("galahad-test-1", r[:], 1, 0)
	require.Equal(t, want[:], f.window(0).OpeningSeed)

	stored, err := f.k.Beacons.Get(f.env.Ctx, round)
	require.NoError(t, err)
	require.Equal(t, types.Beacon{Round: round, Signature: sig, Randomness: r[:], Height: f.height()}, stored)
}

func TestAudit_F49_InvalidBeaconsChangeNothing(t *testing.T) {
	f := newFixture(t)
	f.blocks(1)
	round := f.window(0).OpeningRound
	good, err := f.key.Sign(round)
	require.NoError(t, err)
	other, err := f.key.Sign(round + 1)
	require.NoError(t, err)
	identity := make([]byte, 48)
	identity[0] = 0xc0
	flipped := bytes.Clone(good)
	flipped[20] ^= 1
	stranger, err := beacon.NewSecretKey(bytes.Repeat([]byte{6}, 32))
	require.NoError(t, err)
	foreign, err := stranger.Sign(round)
	require.NoError(t, err)
	submitter, err := f.env.Addresses.BytesToString(addr(1))
	require.NoError(t, err)

	for name, c := range map[string]struct {
		submitter string
		round     uint64
		signature []byte
		want      error
	}{
		"signature of another round": {submitter, round, other, types.ErrInvalidSignature},
		"another key":                {submitter, round, foreign, types.ErrInvalidSignature},
		"flipped bit":                {submitter, round, flipped, types.ErrInvalidSignature},
		"identity":                   {submitter, round, identity, types.ErrInvalidSignature},
		"47 bytes":                   {submitter, round, good[:47], types.ErrInvalidSignature},
		"49 bytes":                   {submitter, round, append(bytes.Clone(good), 0), types.ErrInvalidSignature},
		"no signature":               {submitter, round, nil, types.ErrInvalidSignature},
		"round nobody waits for":     {submitter, round + 1, other, types.ErrRoundNotPending},
		"round zero":                 {submitter, 0, good, types.ErrRoundNotPending},
		"earlier round":              {submitter, round - 1, good, types.ErrRoundNotPending},
		"no submitter":               {"", round, good, types.ErrInvalidAddress},
		"submitter of another chain": {"cosmos1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnrujsuw", round, good, types.ErrInvalidAddress},
	} {
		t.Run(name, func(t *testing.T) {
			before := f.env.StateHash()
			_, err := f.msgs.SubmitBeacon(f.env.Ctx, &types.MsgSubmitBeacon{Submitter: c.submitter, Round: c.round, Signature: c.signature})
			require.ErrorIs(t, err, c.want)
			require.Equal(t, before, f.env.StateHash())
		})
	}
	require.NoError(t, f.submit(round), "the good one still counts")
}

func TestASecondSubmissionIsRefused(t *testing.T) {
	f := newFixture(t)
	f.blocks(1)
	round := f.window(0).OpeningRound
	require.NoError(t, f.submit(round))
	before := f.env.StateHash()
	require.ErrorIs(t, f.submit(round), types.ErrRoundDone)
	f.blocks(1)
	require.ErrorIs(t, f.submit(round), types.ErrRoundDone)
	require.Equal(t, before, f.env.StateHash(), "nor does an empty block change anything")
}

func TestPendingRoundsAreTakenInAnyOrder(t *testing.T) {
	f := newFixture(t, func(g *types.GenesisState) {
		second := g.Runs[0]
		second.Id, second.Params.EmissionSharePpm = 2, 0
		g.Runs[0].Params.CommitBlocks = 9
		g.Runs = append(g.Runs, second)
	})
	f.blocks(1)
	f.relay() // both runs share the round
	f.until(0, types.StageCommit)
	for len(pending(f)) < 2 { // both runs seal, at different heights
		f.blocks(1)
	}
	rounds := pending(f)
	require.NoError(t, f.submit(rounds[1]))
	require.NoError(t, f.submit(rounds[0]))
	require.Empty(t, pending(f))
}

func pending(f *fixture) []uint64 {
	rounds, err := f.k.PendingRounds(f.env.Ctx)
	require.NoError(f, err)
	return rounds
}

func TestOneRoundSeedsAllWindowsThatWaitForIt(t *testing.T) {
	f := newFixture(t, func(g *types.GenesisState) {
		second := g.Runs[0]
		second.Id, second.Params.EmissionSharePpm = 2, 0
		g.Runs = append(g.Runs, second)
	})
	f.blocks(1)
	require.Len(t, pending(f), 1)
	f.relay()
	w1, err := f.k.GetWindow(f.env.Ctx, 1, 0)
	require.NoError(t, err)
	w2, err := f.k.GetWindow(f.env.Ctx, 2, 0)
	require.NoError(t, err)
	require.Equal(t, w1.CommitStart, w2.CommitStart)
	require.NotEqual(t, w1.OpeningSeed, w2.OpeningSeed)
}

// The chain halts between the last block of COMMIT and the one after it. The next
// block's time is when the last one was precommitted, before the halt, so its
// round may be public by then; but nothing in that block can depend on it.
func TestAudit_F40_AHaltAfterCommitLetsNobodyUseAPublicRound(t *testing.T) {
	f := newFixture(t)
	f.blocks(1)
	f.relay()
	f.until(0, types.StageCommit)
	for f.height() < f.window(0).CommitEnd-1 {
		f.blocks(1)
	}
	lastCommit := f.env.Ctx.BlockTime()

	// Precommitted before the halt, made after it: T is not an hour later.
	f.begin(second)
	w, next := f.window(0), f.window(1)
	at, ok := beacon.RoundTime(w.AuditRound, f.params().Beacon.GenesisTime, 1)
	require.True(t, ok)
	require.Greater(t, at, lastCommit.Add(f.params().Skew()).Unix(), "later than any round public when the last commitments were made")

	// The block's own transactions: a commitment is late, and the miners of the
	// next window were frozen before them.
	require.Equal(t, types.StageSealed, f.stage(0))
	f.src.miners = append(f.src.miners, types.EligibleMiner{Address: addr(200), DeclaredGroups: 1})
	f.end()
	require.Equal(t, uint32(2), next.Miners)
	_, ok, err := f.k.FrozenMiner(f.env.Ctx, 1, 1, addr(200))
	require.NoError(t, err)
	require.False(t, ok, "an address ground against a public round is not in the window it seeds")
}

// The halt ends with a block that knows the time after it: the round is fixed by
// that time, never by an expected one.
func TestAudit_F39_TheRoundFollowsTheTimeOfTheBlockThatFixesIt(t *testing.T) {
	f := newFixture(t)
	f.blocks(1)
	f.relay()
	for f.height() < f.window(0).CommitEnd-1 {
		f.blocks(1)
	}
	expected := f.params().NextRound(f.env.Ctx.BlockTime().Add(second))
	f.begin(5 * time.Hour) // the halt was within the consensus on the last block of COMMIT
	public := beacon.Round(f.env.Ctx.BlockTime(), f.params().Beacon.GenesisTime, 1)
	require.Greater(t, public, expected, "the expected round is public")
	require.Greater(t, f.window(0).AuditRound, public)
	require.Greater(t, f.window(1).OpeningRound, public)
	f.end()
}

// If clocks lag by more than the skew, the due round is one that the chain has
// seen already: nothing is fixed until time has caught up.
func TestAudit_F39_ARoundThatTheChainHasSeenIsNotFixed(t *testing.T) {
	f := newFixture(t)
	f.blocks(1)
	f.relay()
	seen := f.params().NextRound(f.env.Ctx.BlockTime().Add(20 * second))
	sig, err := f.key.Sign(seen)
	require.NoError(t, err)
	r := beacon.Randomness(sig)
	require.NoError(t, f.k.Beacons.Set(f.env.Ctx, seen, types.Beacon{Round: seen, Signature: sig, Randomness: r[:], Height: 1}))
	f.until(0, types.StageSealed)
	require.Zero(t, f.window(0).AuditRound)
	_, err = f.k.GetWindow(f.env.Ctx, 1, 1)
	require.ErrorIs(t, err, types.ErrWindowNotFound)
	f.blocks(20)
	require.Greater(t, f.window(0).AuditRound, seen)
	require.Greater(t, f.window(1).OpeningRound, seen)
}

func TestAnOpeningThatTimesOutIsVoidAndTheNextHasAFreshRound(t *testing.T) {
	f := newFixture(t)
	f.blocks(30) // opened at 1: the timeout is at 31
	require.Zero(t, f.window(0).VoidHeight)
	f.env.Events()
	f.blocks(1)
	w := f.window(0)
	require.Equal(t, int64(31), w.VoidHeight)
	require.Equal(t, keeper.ReasonOpeningTimeout, w.VoidReason)
	require.Equal(t, []int64{1, 32}, []int64{w.EmissionStart, w.EmissionEnd})
	require.Equal(t, []types.Window{w}, f.src.voided, "the hook got the final window")
	require.Equal(t, []string{"galahad.challenge.v1.EventWindowVoid"}, f.env.Events())
	require.Equal(t, types.StageOpening, f.stage(0))

	f.begin(second)
	require.Equal(t, types.StageVoid, f.stage(0))
	next := f.window(1)
	require.Equal(t, int64(32), next.FreezeHeight)
	require.Equal(t, f.params().NextRound(f.env.Ctx.BlockTime()), next.OpeningRound)
	require.ErrorIs(t, f.submit(w.OpeningRound), types.ErrRoundNotPending, "the old round came too late")
	require.NoError(t, f.submit(next.OpeningRound))
	f.end()
}

func TestARoundInTheBlockOfTheTimeoutCounts(t *testing.T) {
	f := newFixture(t)
	f.blocks(30)
	f.begin(second)
	require.Equal(t, int64(31), f.height())
	require.NoError(t, f.submit(f.window(0).OpeningRound))
	f.end()
	require.Zero(t, f.window(0).VoidHeight)
	require.Equal(t, int64(32), f.window(0).CommitStart)
}

func TestAnAuditThatTimesOutIsVoidWithTheWindowThatSharesItsRound(t *testing.T) {
	f := newFixture(t)
	f.blocks(1)
	f.relay()
	f.until(0, types.StageSealed)
	end := f.window(0).CommitEnd
	for f.height() < end+29 {
		f.blocks(1)
	}
	require.Zero(t, f.window(0).VoidHeight)
	f.blocks(1)
	require.Equal(t, keeper.ReasonAuditTimeout, f.window(0).VoidReason)
	require.Equal(t, keeper.ReasonOpeningTimeout, f.window(1).VoidReason)
	f.blocks(1)
	require.Equal(t, types.StageOpening, f.stage(2))
	require.Greater(t, f.window(2).OpeningRound, f.window(0).AuditRound)
}

func TestAHookThatFailsOrPanicsHaltsNothing(t *testing.T) {
	for name, set := range map[string]func(*sources){
		"error": func(s *sources) { s.hookFails = errors.New("no coins") },
		"panic": func(s *sources) { s.hookPanics = true },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			set(f.src)
			f.blocks(32)
			require.Equal(t, types.StageVoid, f.stage(0))
			require.Equal(t, types.StageOpening, f.stage(1))
		})
	}
}

func TestGasIsChargedBeforeThePairing(t *testing.T) {
	f := newFixture(t)
	f.blocks(1)
	round := f.window(0).OpeningRound
	wrong := make([]byte, 48)
	wrong[0] = 0x80
	price := f.params().BeaconGas

	meter := storetypes.NewGasMeter(10 * price)
	f.env.Ctx = f.env.Ctx.WithGasMeter(meter)
	require.ErrorIs(t, f.submit(round, wrong...), types.ErrInvalidSignature)
	require.GreaterOrEqual(t, meter.GasConsumed(), price)

	// Too little gas: it runs out before the signature is even looked at.
	f.env.Ctx = f.env.Ctx.WithGasMeter(storetypes.NewGasMeter(price - 1))
	require.Panics(t, func() { _ = f.submit(round, wrong...) })

	// What no window waits for costs no pairing.
	meter = storetypes.NewGasMeter(10 * price)
	f.env.Ctx = f.env.Ctx.WithGasMeter(meter)
	require.ErrorIs(t, f.submit(round+1), types.ErrRoundNotPending)
	require.Less(t, meter.GasConsumed(), price)
	f.env.Ctx = f.env.Ctx.WithGasMeter(storetypes.NewInfiniteGasMeter())
}

func TestASimulationIsChargedButDoesNoPairing(t *testing.T) {
	f := newFixture(t)
	f.blocks(1)
	real := f.env.Ctx
	branch, _ := real.CacheContext()
	meter := storetypes.NewInfiniteGasMeter()
	f.env.Ctx = branch.WithExecMode(sdk.ExecModeSimulate).WithGasMeter(meter)
	require.NoError(t, f.submit(f.window(0).OpeningRound, make([]byte, 48)...), "no pairing would pass this")
	require.GreaterOrEqual(t, meter.GasConsumed(), f.params().BeaconGas)
	f.env.Ctx = real
	require.Empty(t, f.window(0).OpeningSeed)
}

func TestUpdateParams(t *testing.T) {
	f := newFixture(t)
	f.blocks(1)
	p := f.params()
	p.MaxGraders = 5
	stranger, err := f.env.Addresses.BytesToString(addr(1))
	require.NoError(t, err)
	_, err = f.msgs.UpdateParams(f.env.Ctx, &types.MsgUpdateParams{Authority: stranger, Params: p})
	require.ErrorIs(t, err, sdkerrors.ErrUnauthorized)
	_, err = f.msgs.UpdateParams(f.env.Ctx, &types.MsgUpdateParams{Authority: xtest.Authority(), Params: p})
	require.NoError(t, err)
	got, err := f.k.Params.Get(f.env.Ctx)
	require.NoError(t, err)
	require.Equal(t, p, got)

	bad := p
	bad.MaxGraders = 0
	_, err = f.msgs.UpdateParams(f.env.Ctx, &types.MsgUpdateParams{Authority: xtest.Authority(), Params: bad})
	require.ErrorIs(t, err, types.ErrInvalidParams)
	// Valid alone, but with blocks this fast no grader could do the run's audit.
	bad = p
	bad.BlockTime = time.Millisecond
	bad.Beacon.TimeoutBlocks = 100_000
	require.NoError(t, bad.Validate())
	_, err = f.msgs.UpdateParams(f.env.Ctx, &types.MsgUpdateParams{Authority: xtest.Authority(), Params: bad})
	require.ErrorContains(t, err, "run 1: audit load")
}

// Rounds only ever grow on chain. A beacon whose rounds have smaller numbers than one
// that was used would open no window until it catches up, which may take years.
func TestABeaconWhoseRoundsAreBehindIsRefused(t *testing.T) {
	f := newFixture(t)
	f.blocks(1)
	f.relay()
	f.until(0, types.StageCommit)
	p := f.params()
	p.Beacon.GenesisTime = f.env.Ctx.BlockTime().Unix() // round 1 is now
	_, err := f.msgs.UpdateParams(f.env.Ctx, &types.MsgUpdateParams{Authority: xtest.Authority(), Params: p})
	require.ErrorIs(t, err, types.ErrInvalidParams)
	p.Beacon.GenesisTime = f.params().Beacon.GenesisTime - 1000 // ahead is fine
	_, err = f.msgs.UpdateParams(f.env.Ctx, &types.MsgUpdateParams{Authority: xtest.Authority(), Params: p})
	require.NoError(t, err)
}

func TestANetworkCannotBecomeATestNetwork(t *testing.T) {
	f := newFixture(t, func(g *types.GenesisState) { g.Params.Beacon = types.DefaultBeaconParams() })
	p := f.params() // a local key, marked as a test
	require.NoError(t, p.Validate())
	_, err := f.msgs.UpdateParams(f.env.Ctx, &types.MsgUpdateParams{Authority: xtest.Authority(), Params: p})
	require.ErrorContains(t, err, "cannot become a test network")
}
