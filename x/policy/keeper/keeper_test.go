package keeper_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/testutil/xtest"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/internal/locator"
	"github.com/galahad-network/galahad/x/policy/keeper"
	"github.com/galahad-network/galahad/x/policy/types"
)

// challenge is x/challenge as the policy module sees it; the test sets runs and windows.
type challenge struct{ *xtest.Challenge }

func (c challenge) RunIDs(context.Context) ([]uint64, error) {
	var ids []uint64
	for id := uint64(1); id <= 9; id++ {
		if _, ok := c.Runs[id]; ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

type fixture struct {
	*testing.T
	env  *xtest.Env
	k    *keeper.Keeper
	msgs types.MsgServer
}

const (
	delay   = 5
	further = 100 // the first of the further windows
	asked   = 256 // held-out problems, by all windows
)

var learner = xtest.Address("learner")

// newFixture has run 1 with its base model, windows 0 to 9 and further ones CLOSED and
// window 10 in COMMIT, at height 1000. A step takes up to 3 windows.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	e := xtest.New(t, types.StoreKey)
	e.Ctx = e.Ctx.WithBlockHeight(1000)
	e.Challenge.AddRun(1)
	r := e.Challenge.Runs[1]
	name, err := e.Addresses.BytesToString(learner)
	require.NoError(t, err)
	r.Learner, r.Params.PolicyDelayBlocks, r.Params.MaxStaleness, r.Params.Recipe.StepWindows = name, delay, 2, 3
	r.Params.PolicyActivation = challengetypes.PolicyActivation_POLICY_ACTIVATION_DELAYED
	e.Challenge.Runs[1] = r
	for id := range uint64(further + 200) {
		if id >= 10 && id < further {
			continue
		}
		e.Challenge.AddWindow(1, id, int64(id+1))
		w := e.Challenge.Windows[[2]uint64{1, id}]
		w.ClosedHeight, w.Params.EvaluationProblems = 500, asked
		e.Challenge.Windows[[2]uint64{1, id}] = w
	}
	e.Challenge.AddWindow(1, 10, 995)
	k := newKeeper(e, challenge{e.Challenge})
	require.NoError(t, k.InitGenesis(e.Ctx, types.GenesisState{
		Params:      types.DefaultParams(),
		Checkpoints: []types.Checkpoint{{Run: 1, Digest: xtest.Digest(0x10)}},
	}))
	f := &fixture{T: t, env: e, k: k, msgs: keeper.NewMsgServer(k)}
	t.Cleanup(func() {
		if !t.Failed() {
			require.NoError(t, k.CheckInvariants(e.Ctx))
			f.requireExportImport()
		}
	})
	return f
}

func newKeeper(e *xtest.Env, c types.ChallengeKeeper) *keeper.Keeper {
	return keeper.NewKeeper(e.Codec, e.Store(types.StoreKey), e.Addresses, xtest.OperatorCodec(), c, xtest.Authority())
}

// pass ends the block and begins the next.
func (f *fixture) pass(blocks int) {
	f.Helper()
	for range blocks {
		require.NoError(f, f.k.EndBlock(f.env.Ctx))
		f.env.Pass(time.Second)
	}
}

// change changes run 1.
func (f *fixture) change(change func(*challengetypes.Run)) {
	r := f.env.Challenge.Runs[1]
	change(&r)
	f.env.Challenge.Runs[1] = r
}

func (f *fixture) requireExportImport() {
	f.Helper()
	exported, err := f.k.ExportGenesis(f.env.Ctx)
	require.NoError(f, err)
	fresh := xtest.New(f, types.StoreKey)
	k := newKeeper(fresh, challenge{f.env.Challenge})
	require.NoError(f, k.InitGenesis(fresh.Ctx, *exported))
	again, err := k.ExportGenesis(fresh.Ctx)
	require.NoError(f, err)
	require.Equal(f, exported, again)
	require.NoError(f, k.CheckInvariants(fresh.Ctx))
}

// message publishes a version as the learner would: digest 0x10 + version.
func (f *fixture) message(version uint64, windows ...uint64) *types.MsgPublishCheckpoint {
	name, err := f.env.Addresses.BytesToString(learner)
	require.NoError(f, err)
	return &types.MsgPublishCheckpoint{
		Learner: name, Run: 1, Version: version,
		ParentDigest: xtest.Digest(byte(0x10 + version - 1)), Digest: xtest.Digest(byte(0x10 + version)),
		Locator: "https://learner.example/1", TrainedWindows: windows,
		RolloutSetDigest: xtest.Digest(0xaa), StateHash: xtest.Digest(0xbb), StepKey: secretOf(version).Key(),
		Evaluation: types.Evaluation{Problems: asked, Correct: 100},
	}
}

// secretOf is what whoever makes the step to a version knows.
func secretOf(version uint64) lineage.Secret {
	return lineage.Secret(xtest.Digest(byte(0x80 + version)))
}

func (f *fixture) publish(m *types.MsgPublishCheckpoint) error {
	_, err := f.msgs.PublishCheckpoint(f.env.Ctx, m)
	return err
}

func (f *fixture) active() uint64 {
	digest, version, err := f.k.ActiveCheckpoint(f.env.Ctx, 1)
	require.NoError(f, err)
	require.Equal(f, xtest.Digest(byte(0x10+version)), digest)
	return version
}

func TestACheckpointBecomesActiveAfterTheDelay(t *testing.T) {
	f := newFixture(t)
	require.Zero(t, f.active())
	res, err := f.msgs.PublishCheckpoint(f.env.Ctx, f.message(1, 0, 1))
	require.NoError(t, err)
	require.Equal(t, int64(1000+delay), res.ActivatesHeight)
	require.Equal(t, []string{"galahad.policy.v1.EventCheckpointPublished"}, f.env.Events())
	for range delay - 1 {
		f.pass(1)
		require.Zero(t, f.active(), "at %d", f.env.Ctx.BlockHeight())
	}
	f.pass(1)
	require.Equal(t, uint64(1), f.active())
	c, err := f.k.Checkpoint(f.env.Ctx, 1, 1)
	require.NoError(t, err)
	require.Equal(t, []uint64{0, 1}, c.TrainedWindows)
	require.Equal(t, int64(1000), c.PublishedHeight)
}

func TestTheHighestActiveVersionWins(t *testing.T) {
	f := newFixture(t)
	for v := uint64(1); v <= 3; v++ {
		require.NoError(t, f.publish(f.message(v, v)))
		f.pass(1)
	}
	require.Zero(t, f.active())
	latest, err := f.k.Latest(f.env.Ctx, 1)
	require.NoError(t, err)
	require.Equal(t, uint64(3), latest.Version)
	for _, want := range []uint64{0, 0, 1, 2, 3, 3} { // published at 1000, 1001, 1002; now 1003
		require.Equal(t, want, f.active(), "at %d", f.env.Ctx.BlockHeight())
		f.pass(1)
	}
}

// setStaleness is the bound that all windows froze.
func (f *fixture) setStaleness(bound uint32) {
	for key, w := range f.env.Challenge.Windows {
		w.Params.MaxStaleness = bound
		f.env.Challenge.Windows[key] = w
	}
}

// setVersion says which checkpoint made a window's rollouts.
func (f *fixture) setVersion(window, version uint64) {
	w := f.env.Challenge.Windows[[2]uint64{1, window}]
	w.CheckpointVersion = version
	f.env.Challenge.Windows[[2]uint64{1, window}] = w
}

func TestInvalidPublicationsChangeNothing(t *testing.T) {
	f := newFixture(t)
	require.NoError(t, f.publish(f.message(1, 0)))
	void := f.env.Challenge.Windows[[2]uint64{1, 5}]
	void.ClosedHeight, void.VoidHeight = 0, 500
	f.env.Challenge.Windows[[2]uint64{1, 5}] = void
	justClosed := f.env.Challenge.Windows[[2]uint64{1, 6}]
	justClosed.ClosedHeight = 1000 // CLOSED from 1001 on
	justClosed.AuditStart, justClosed.AuditEnd, justClosed.RevealEnd = 900, 910, 920
	f.env.Challenge.Windows[[2]uint64{1, 6}] = justClosed

	stranger, err := f.env.Addresses.BytesToString(xtest.Address("stranger"))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		want   error
		change func(*types.MsgPublishCheckpoint)
	}{
		"no learner":             {types.ErrInvalidAddress, func(m *types.MsgPublishCheckpoint) { m.Learner = "" }},
		"stranger":               {types.ErrNotLearner, func(m *types.MsgPublishCheckpoint) { m.Learner = stranger }},
		"authority":              {types.ErrNotLearner, func(m *types.MsgPublishCheckpoint) { m.Learner = xtest.Authority() }},
		"unknown run":            {challengetypes.ErrRunNotFound, func(m *types.MsgPublishCheckpoint) { m.Run = 7 }},
		"same version":           {types.ErrWrongVersion, func(m *types.MsgPublishCheckpoint) { m.Version = 1 }},
		"version skipped":        {types.ErrWrongVersion, func(m *types.MsgPublishCheckpoint) { m.Version = 3 }},
		"version zero":           {types.ErrWrongVersion, func(m *types.MsgPublishCheckpoint) { m.Version = 0 }},
		"version huge":           {types.ErrWrongVersion, func(m *types.MsgPublishCheckpoint) { m.Version = 1<<64 - 1 }},
		"parent is older":        {types.ErrWrongParent, func(m *types.MsgPublishCheckpoint) { m.ParentDigest = xtest.Digest(0x10) }},
		"parent missing":         {types.ErrInvalidCheckpoint, func(m *types.MsgPublishCheckpoint) { m.ParentDigest = nil }},
		"digest of the parent":   {types.ErrInvalidCheckpoint, func(m *types.MsgPublishCheckpoint) { m.Digest = m.ParentDigest }},
		"digest used before":     {types.ErrDigestUsed, func(m *types.MsgPublishCheckpoint) { m.Digest = xtest.Digest(0x10) }},
		"digest of 31 bytes":     {types.ErrInvalidCheckpoint, func(m *types.MsgPublishCheckpoint) { m.Digest = m.Digest[1:] }},
		"digest of 33 bytes":     {types.ErrInvalidCheckpoint, func(m *types.MsgPublishCheckpoint) { m.Digest = append(bytes.Clone(m.Digest), 0) }},
		"no rollout set":         {types.ErrInvalidCheckpoint, func(m *types.MsgPublishCheckpoint) { m.RolloutSetDigest = nil }},
		"no step key":            {types.ErrInvalidCheckpoint, func(m *types.MsgPublishCheckpoint) { m.StepKey = nil }},
		"step key of 33 bytes":   {types.ErrInvalidCheckpoint, func(m *types.MsgPublishCheckpoint) { m.StepKey = append(m.StepKey, 0) }},
		"not measured":           {types.ErrEvaluation, func(m *types.MsgPublishCheckpoint) { m.Evaluation = types.Evaluation{} }},
		"measured on more":       {types.ErrEvaluation, func(m *types.MsgPublishCheckpoint) { m.Evaluation.Problems++ }},
		"more right than asked":  {types.ErrInvalidCheckpoint, func(m *types.MsgPublishCheckpoint) { m.Evaluation.Correct = m.Evaluation.Problems + 1 }},
		"no state hash":          {types.ErrInvalidCheckpoint, func(m *types.MsgPublishCheckpoint) { m.StateHash = nil }},
		"no locator":             {types.ErrInvalidCheckpoint, func(m *types.MsgPublishCheckpoint) { m.Locator = "" }},
		"locator is a script":    {types.ErrInvalidCheckpoint, func(m *types.MsgPublishCheckpoint) { m.Locator = "javascript://x/y" }},
		"locator too long":       {types.ErrInvalidCheckpoint, func(m *types.MsgPublishCheckpoint) { m.Locator = "https://x/" + strings.Repeat("a", 512) }},
		"no windows":             {types.ErrInvalidCheckpoint, func(m *types.MsgPublishCheckpoint) { m.TrainedWindows = nil }},
		"windows unsorted":       {types.ErrInvalidCheckpoint, func(m *types.MsgPublishCheckpoint) { m.TrainedWindows = []uint64{2, 1} }},
		"window twice":           {types.ErrInvalidCheckpoint, func(m *types.MsgPublishCheckpoint) { m.TrainedWindows = []uint64{2, 2} }},
		"too many windows":       {types.ErrInvalidCheckpoint, func(m *types.MsgPublishCheckpoint) { m.TrainedWindows = make([]uint64, 65) }},
		"window unknown":         {challengetypes.ErrWindowNotFound, func(m *types.MsgPublishCheckpoint) { m.TrainedWindows = []uint64{99} }},
		"window in COMMIT":       {types.ErrWindowNotClosed, func(m *types.MsgPublishCheckpoint) { m.TrainedWindows = []uint64{1, 10} }},
		"window VOID":            {types.ErrWindowNotClosed, func(m *types.MsgPublishCheckpoint) { m.TrainedWindows = []uint64{5} }},
		"window closes just now": {types.ErrWindowNotClosed, func(m *types.MsgPublishCheckpoint) { m.TrainedWindows = []uint64{6} }},
	} {
		t.Run(name, func(t *testing.T) {
			m := f.message(2, 1, 2)
			c.change(m)
			f.env.RequireUnchanged(c.want, func(context.Context) error { return f.publish(m) })
		})
	}
	require.NoError(t, f.publish(f.message(2, 1, 2)), "the good one still counts")
}

// max_staleness 2: version 3 was made by updating 2, so rollouts of version 0 are
// just young enough; for version 4 they are not.
func TestStaleRolloutsAreRefused(t *testing.T) {
	f := newFixture(t)
	for v := uint64(1); v <= 3; v++ {
		require.NoError(t, f.publish(f.message(v, v)))
	}
	f.env.RequireUnchanged(types.ErrStale, func(context.Context) error { return f.publish(f.message(4, 4)) })
	f.setVersion(5, 1)
	f.env.RequireUnchanged(types.ErrStale, func(context.Context) error { return f.publish(f.message(4, 4, 5)) })
	f.change(func(r *challengetypes.Run) { r.Params.MaxStaleness = 9 }) // changes nothing for windows that are
	f.env.RequireUnchanged(types.ErrStale, func(context.Context) error { return f.publish(f.message(4, 4, 5)) })
	w := f.env.Challenge.Windows[[2]uint64{1, 4}]
	w.Params.MaxStaleness = 3
	f.env.Challenge.Windows[[2]uint64{1, 4}] = w
	require.NoError(t, f.publish(f.message(4, 4, 5)), "each window by its own bound")
}

// A step takes as many windows as the recipe of its newest says, each of which is new to the
// lineage.
func TestWhatAStepMayBeTrainedOn(t *testing.T) {
	f := newFixture(t)
	f.setStaleness(100)
	two := f.env.Challenge.Windows[[2]uint64{1, 8}]
	two.Params.Recipe.StepWindows = 2
	f.env.Challenge.Windows[[2]uint64{1, 8}] = two
	require.NoError(t, f.publish(f.message(1, 2, 3)))
	for name, c := range map[string]struct {
		want    error
		windows []uint64
	}{
		"the same windows":                   {types.ErrWindowUsed, []uint64{2, 3}},
		"one of them again":                  {types.ErrWindowUsed, []uint64{3, 4}},
		"one that was skipped":               {types.ErrWindowUsed, []uint64{1}},
		"four":                               {types.ErrTooManyWindows, []uint64{4, 5, 6, 7}},
		"three where the newest says two":    {types.ErrTooManyWindows, []uint64{6, 7, 8}},
		"three where an older one says two":  {nil, []uint64{7, 8, 9}},
		"as many as the newest says, spread": {nil, []uint64{4, 8}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.want == nil {
				branch, _ := f.env.Ctx.CacheContext()
				_, err := f.msgs.PublishCheckpoint(branch, f.message(2, c.windows...))
				require.NoError(t, err)
				return
			}
			f.env.RequireUnchanged(c.want, func(context.Context) error { return f.publish(f.message(2, c.windows...)) })
		})
	}
	require.NoError(t, f.publish(f.message(2, 4)))
	f.env.RequireUnchanged(types.ErrWindowUsed, func(context.Context) error { return f.publish(f.message(3, 3)) })
}

func TestTheNewestWindowSaysOnHowManyProblemsAVersionIsMeasured(t *testing.T) {
	f := newFixture(t)
	ask := func(window uint64, problems uint32) {
		w := f.env.Challenge.Windows[[2]uint64{1, window}]
		w.Params.EvaluationProblems = problems
		f.env.Challenge.Windows[[2]uint64{1, window}] = w
	}
	ask(1, 7)
	require.NoError(t, f.publish(f.message(1, 1, 2)))
	require.Equal(t, types.Evaluation{Problems: asked, Correct: 100}, f.checkpoint(1).Evaluation)
	ask(4, 0)
	f.env.RequireUnchanged(types.ErrEvaluation, func(context.Context) error { return f.publish(f.message(2, 3, 4)) })
	m := f.message(2, 3, 4)
	m.Evaluation = types.Evaluation{}
	require.NoError(t, f.publish(m))
}

func TestALearnerCannotPileUpCheckpoints(t *testing.T) {
	f := newFixture(t)
	f.setStaleness(100)
	v := uint64(1)
	for ; v <= types.MaxPending; v++ {
		require.NoError(t, f.publish(f.message(v, further+v)))
	}
	f.env.RequireUnchanged(types.ErrTooManyPending, func(context.Context) error { return f.publish(f.message(v, further+v)) })
	f.pass(delay)
	require.Equal(t, uint64(types.MaxPending), f.active())
	require.NoError(t, f.publish(f.message(v, further+v)))
}

func TestADigestMayBeUsedInAnotherRun(t *testing.T) {
	f := newFixture(t)
	f.env.Challenge.AddRun(2)
	r := f.env.Challenge.Runs[2]
	r.Learner, r.Params.MaxStaleness = f.message(1).Learner, 2
	f.env.Challenge.Runs[2] = r
	f.env.Challenge.Windows[[2]uint64{2, 0}] = f.env.Challenge.Windows[[2]uint64{1, 0}]
	g, err := f.k.ExportGenesis(f.env.Ctx)
	require.NoError(t, err)
	g.Checkpoints = append(g.Checkpoints, types.Checkpoint{Run: 2, Digest: xtest.Digest(0x10)})
	require.NoError(t, f.k.InitGenesis(f.env.Ctx, *g))
	require.NoError(t, f.publish(f.message(1, 0)))
	m := f.message(1, 0)
	m.Run = 2
	require.NoError(t, f.publish(m))
}

func TestGenesisThatContradictsItselfIsRefused(t *testing.T) {
	child := func(version uint64, parent, digest byte) types.Checkpoint {
		return types.Checkpoint{
			Run: 1, Version: version, ParentDigest: xtest.Digest(parent), Digest: xtest.Digest(digest),
			Locator: "https://x/1", TrainedWindows: []uint64{version}, RolloutSetDigest: xtest.Digest(9), StateHash: xtest.Digest(8), StepKey: xtest.Digest(7),
			PublishedHeight: int64(version), ActivatesHeight: int64(version) + 5,
			ParentVersion: version - 1, Depth: version, Status: types.CheckpointStatus_CHECKPOINT_STATUS_ACTIVE,
		}
	}
	good := func() types.GenesisState {
		return types.GenesisState{
			Params:      types.DefaultParams(),
			Checkpoints: []types.Checkpoint{{Run: 1, Digest: xtest.Digest(1)}, child(1, 1, 2), child(2, 2, 3)},
		}
	}
	require.NoError(t, good().Validate())
	for name, change := range map[string]func(*types.GenesisState){
		"params":             func(g *types.GenesisState) { g.Params.MaxTrainedWindows = 0 },
		"locator length":     func(g *types.GenesisState) { g.Params.MaxLocatorLength = 1 << 20 },
		"base missing":       func(g *types.GenesisState) { g.Checkpoints = g.Checkpoints[1:] },
		"base with a parent": func(g *types.GenesisState) { g.Checkpoints[0].ParentDigest = xtest.Digest(7) },
		"version missing":    func(g *types.GenesisState) { g.Checkpoints = append(g.Checkpoints[:1], g.Checkpoints[2]) },
		"version twice":      func(g *types.GenesisState) { g.Checkpoints[2].Version = 1 },
		"another parent":     func(g *types.GenesisState) { g.Checkpoints[2].ParentDigest = xtest.Digest(1) },
		"digest twice":       func(g *types.GenesisState) { g.Checkpoints[2].Digest = xtest.Digest(1) },
		"heights fall":       func(g *types.GenesisState) { g.Checkpoints[2].ActivatesHeight = 5 },
		"published earlier":  func(g *types.GenesisState) { g.Checkpoints[2].PublishedHeight = 0 },
		"no status":          func(g *types.GenesisState) { g.Checkpoints[2].Status = 0 },
		"status unknown":     func(g *types.GenesisState) { g.Checkpoints[2].Status = 9 },
		"wrong depth":        func(g *types.GenesisState) { g.Checkpoints[2].Depth = 1 },
		"parent is later":    func(g *types.GenesisState) { g.Checkpoints[1].ParentVersion = 2 },
		"parent skipped": func(g *types.GenesisState) {
			g.Checkpoints[2].ParentVersion, g.Checkpoints[2].Depth, g.Checkpoints[2].ParentDigest = 0, 1, xtest.Digest(1)
		},
		"base pending": func(g *types.GenesisState) {
			g.Checkpoints[0].Status = types.CheckpointStatus_CHECKPOINT_STATUS_PENDING
		},
		"base rolled back": func(g *types.GenesisState) {
			g.Checkpoints[0].Status, g.Checkpoints[0].FellHeight = types.CheckpointStatus_CHECKPOINT_STATUS_ROLLED_BACK, 1
		},
		"active above pending": func(g *types.GenesisState) {
			g.Checkpoints[1].Status = types.CheckpointStatus_CHECKPOINT_STATUS_PENDING
		},
		"window used twice": func(g *types.GenesisState) { g.Checkpoints[2].TrainedWindows = []uint64{1, 5} },
		"fell and did not":  func(g *types.GenesisState) { g.Checkpoints[2].FellHeight = 9 },
		"negative stake":    func(g *types.GenesisState) { g.Checkpoints[2].AttestedStake = sdkmath.NewInt(-1) },
		"more than all":     func(g *types.GenesisState) { g.Checkpoints[2].RejectedStake = sdkmath.NewInt(1) },
		"stake without a vote": func(g *types.GenesisState) {
			g.Checkpoints[2].EligibleStake, g.Checkpoints[2].AttestedStake = sdkmath.NewInt(1), sdkmath.NewInt(1)
		},
		"vote on nothing": func(g *types.GenesisState) {
			g.Votes = []types.Vote{{Run: 1, Version: 3, Kind: types.VoteKind_VOTE_KIND_ATTEST, Stake: sdkmath.OneInt()}}
		},
		"vote that was not counted": func(g *types.GenesisState) {
			g.Votes = []types.Vote{{Run: 1, Version: 2, Kind: types.VoteKind_VOTE_KIND_ROLLBACK, Stake: sdkmath.OneInt(), Height: 9}}
		},
		"vote of no kind": func(g *types.GenesisState) {
			g.Votes = []types.Vote{{Run: 1, Version: 2, Stake: sdkmath.OneInt(), Height: 9}}
		},
		"active before": func(g *types.GenesisState) { g.Checkpoints[2].PublishedHeight = 100 },
		"runs unsorted": func(g *types.GenesisState) {
			g.Checkpoints = append(g.Checkpoints, types.Checkpoint{Run: 0, Digest: xtest.Digest(1)})
		},
	} {
		g := good()
		change(&g)
		require.Error(t, g.Validate(), name)
	}
}

func TestEveryRunNeedsItsBaseModel(t *testing.T) {
	e := xtest.New(t, types.StoreKey)
	e.Challenge.AddRun(1)
	k := newKeeper(e, challenge{e.Challenge})
	require.ErrorIs(t, k.InitGenesis(e.Ctx, *types.DefaultGenesis()), types.ErrCheckpointNotFound)
	require.ErrorIs(t, k.InitGenesis(e.Ctx, types.GenesisState{
		Params:      types.DefaultParams(),
		Checkpoints: []types.Checkpoint{{Run: 2, Digest: xtest.Digest(1)}},
	}), challengetypes.ErrRunNotFound)
}

func TestUpdateParams(t *testing.T) {
	f := newFixture(t)
	p := types.Params{MaxLocatorLength: 99, MaxTrainedWindows: 3}
	_, err := f.msgs.UpdateParams(f.env.Ctx, &types.MsgUpdateParams{Authority: f.message(1).Learner, Params: p})
	require.ErrorIs(t, err, sdkerrors.ErrUnauthorized)
	_, err = f.msgs.UpdateParams(f.env.Ctx, &types.MsgUpdateParams{Authority: xtest.Authority(), Params: types.Params{}})
	require.ErrorIs(t, err, types.ErrInvalidParams)
	_, err = f.msgs.UpdateParams(f.env.Ctx, &types.MsgUpdateParams{Authority: xtest.Authority(), Params: p})
	require.NoError(t, err)
	require.ErrorIs(t, f.publish(f.message(1, 0, 1, 2, 3)), types.ErrInvalidCheckpoint)
	require.NoError(t, f.publish(f.message(1, 0, 1, 2)))
}

// Parameters bound what is published from now on. A state with older checkpoints stays valid, and can be exported.
func TestLowerParametersDoNotMakeStoredCheckpointsInvalid(t *testing.T) {
	f := newFixture(t)
	set := func(p types.Params) {
		_, err := f.msgs.UpdateParams(f.env.Ctx, &types.MsgUpdateParams{Authority: xtest.Authority(), Params: p})
		require.NoError(t, err)
	}
	require.NoError(t, f.publish(f.message(1, 0, 1)))
	for name, lower := range map[string]func(p *types.Params){
		"max_locator_length":  func(p *types.Params) { p.MaxLocatorLength = uint32(len(f.message(1).Locator)) - 1 },
		"max_trained_windows": func(p *types.Params) { p.MaxTrainedWindows = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			p := types.DefaultParams()
			lower(&p)
			set(p)
			f.env.RequireUnchanged(types.ErrInvalidCheckpoint, func(context.Context) error { return f.publish(f.message(2, 2, 3)) })
			require.NoError(t, f.k.CheckInvariants(f.env.Ctx))
			f.requireExportImport()
		})
	}
	set(types.DefaultParams())
	require.NoError(t, f.publish(f.message(2, 2, 3)))

	// The bounds of the parameters bound what is stored.
	g, err := f.k.ExportGenesis(f.env.Ctx)
	require.NoError(t, err)
	for _, beyond := range []func(c *types.Checkpoint){
		func(c *types.Checkpoint) { c.Locator += strings.Repeat("a", locator.MaxLength) },
		func(c *types.Checkpoint) {
			c.TrainedWindows = nil
			for w := range uint64(types.MaxTrainedWindows + 1) {
				c.TrainedWindows = append(c.TrainedWindows, 2+w)
			}
		},
	} {
		c := g.Checkpoints[2]
		require.NoError(t, c.Validate())
		beyond(&c)
		require.ErrorIs(t, c.Validate(), types.ErrInvalidCheckpoint)
	}
}

func TestQueries(t *testing.T) {
	f := newFixture(t)
	require.NoError(t, f.publish(f.message(1, 0)))
	q := keeper.NewQueryServer(f.k)
	active, err := q.Active(f.env.Ctx, &types.QueryActiveRequest{Run: 1})
	require.NoError(t, err)
	require.Equal(t, []uint64{0, 1}, []uint64{active.Active.Version, active.Latest.Version})
	list, err := q.Checkpoints(f.env.Ctx, &types.QueryCheckpointsRequest{Run: 1})
	require.NoError(t, err)
	require.Len(t, list.Checkpoints, 2)
	one, err := q.Checkpoint(f.env.Ctx, &types.QueryCheckpointRequest{Run: 1, Version: 1})
	require.NoError(t, err)
	require.Equal(t, list.Checkpoints[1], one.Checkpoint)
	_, err = q.Params(f.env.Ctx, &types.QueryParamsRequest{})
	require.NoError(t, err)
	for _, call := range []func() error{
		func() error { _, err := q.Active(f.env.Ctx, &types.QueryActiveRequest{Run: 7}); return err },
		func() error { _, err := q.Checkpoints(f.env.Ctx, &types.QueryCheckpointsRequest{Run: 7}); return err },
		func() error {
			_, err := q.Checkpoint(f.env.Ctx, &types.QueryCheckpointRequest{Run: 1, Version: 7})
			return err
		},
	} {
		require.ErrorContains(t, call(), "not found")
	}
}
