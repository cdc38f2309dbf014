package settlement_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/x/authz"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/verify"
	testapp "github.com/galahad-network/galahad/testutil/app"
	"github.com/galahad-network/galahad/x/challenge/beacon"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

var (
	digest      = bytes.Repeat([]byte{3}, 32)
	conformance = bytes.Repeat([]byte{2}, 32)
	root        = bytes.Repeat([]byte{7}, 32)
)

const run = uint64(1)

// network is the whole application with people in it: every block they do what the
// stages of the open windows ask of them.
type network struct {
	*testapp.Chain
	t      *testing.T
	key    beacon.SecretKey
	miners []*testapp.Account
	// verdict is what all graders say of a miner of a window.
	verdict func(window uint64, miner int) verify.Result
	// batch is what a miner commits to in a window; nil: the same rubbish always.
	batch  func(w challengetypes.Window, miner int) (root []byte, size uint64)
	done   map[string]bool
	failed []error
}

func newNetwork(t *testing.T, miners int, change func(*types.Params)) *network {
	t.Helper()
	return newNetworkOf(t, miners, change, func(*challengetypes.RunParams) {})
}

func newNetworkOf(t *testing.T, miners int, change func(*types.Params), edit func(*challengetypes.RunParams)) *network {
	t.Helper()
	key, err := beacon.NewSecretKey(bytes.Repeat([]byte{5}, 32))
	require.NoError(t, err)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	e, err := env.Lookup("arithmetic-3")
	require.NoError(t, err)
	d := e.Digest()
	learner := sdk.AccAddress(bytes.Repeat([]byte{1}, 20)).String()
	opts := []testapp.Option{
		testapp.WithStart(start), testapp.WithValidators(100, 60, 40), testapp.WithAccount("relay", 10), testapp.WithAccount("hot key", 10),
		testapp.WithGenesis(challengetypes.ModuleName, func(g *challengetypes.GenesisState) {
			g.Params.BlockTime = time.Second
			g.Params.MinGraderStake = params.GAL(1)
			g.Params.Beacon = challengetypes.BeaconParams{
				PublicKey: key.PublicKey(), GenesisTime: start.Unix() - 100, Period: 1, TimeoutBlocks: 30, Test: true,
			}
			p := challengetypes.DefaultRunParams([]challengetypes.EnvironmentWeight{{Id: e.ID(), Digest: d[:], Weight: 1}}, digest, conformance)
			p.PolicyActivation = challengetypes.PolicyActivation_POLICY_ACTIVATION_DELAYED
			p.CommitBlocks, p.AuditBlocks, p.RevealBlocks, p.MinGraderTokensPerSecond = 4, 4, 3, 100_000
			edit(&p)
			g.Runs = []challengetypes.Run{{
				Id: run, Owner: learner, Learner: learner, Name: "test", Params: p, Status: challengetypes.RunStatus_RUN_STATUS_ACTIVE,
			}}
		}),
		testapp.WithGenesis(policytypes.ModuleName, func(g *policytypes.GenesisState) {
			g.Checkpoints = []policytypes.Checkpoint{{Run: run, Digest: digest}}
		}),
		testapp.WithGenesis(registrytypes.ModuleName, func(g *registrytypes.GenesisState) {
			g.Params.PriceFactorPpm = registrytypes.MillionPPM // all at once, and at one price
		}),
		testapp.WithGenesis(types.ModuleName, func(g *types.GenesisState) {
			g.Params.RewardLockWindows, g.Params.EvidenceWindows = 1, 1
			change(&g.Params)
		}),
	}
	for i := range miners {
		opts = append(opts, testapp.WithAccount(fmt.Sprintf("miner %d", i), 2000))
	}
	n := &network{
		Chain: testapp.New(t, opts...), t: t, key: key, done: map[string]bool{},
		verdict: func(uint64, int) verify.Result { return verify.Result{Code: verify.OK} },
	}
	for i := range miners {
		m := n.Account(fmt.Sprintf("miner %d", i))
		n.MustDeliver(m, &registrytypes.MsgRegister{
			Miner: m.String(), Run: run, Bond: params.GAL(1000), Endpoint: "http://127.0.0.1:1", DeclaredGroups: 4, LimitPrice: registrytypes.MaxPrice(),
		})
		n.miners = append(n.miners, m)
	}
	return n
}

// once is true the first time it is asked for a name.
func (n *network) once(format string, args ...any) bool {
	name := fmt.Sprintf(format, args...)
	first := !n.done[name]
	n.done[name] = true
	return first
}

// step runs one block with everything that is due in it.
func (n *network) step() {
	n.t.Helper()
	var txs []testapp.Tx
	add := func(who *testapp.Account, msg sdk.Msg) {
		txs = append(txs, testapp.Tx{Signer: who, Msgs: []sdk.Msg{msg}})
	}
	ctx := n.Context()
	pending, err := challengetypes.NewQueryClient(n).PendingRounds(n.t.Context(), &challengetypes.QueryPendingRoundsRequest{})
	require.NoError(n.t, err)
	for _, r := range pending.Rounds {
		sig, err := n.key.Sign(r)
		require.NoError(n.t, err)
		if n.once("round %d", r) {
			add(n.Account("relay"), &challengetypes.MsgSubmitBeacon{Submitter: n.Account("relay").String(), Round: r, Signature: sig})
		}
	}
	open, err := n.App.Challenge.OpenWindows(ctx, run)
	require.NoError(n.t, err)
	for _, w := range open {
		switch challengetypes.StageAt(w, n.Height()+1) {
		case challengetypes.StageCommit:
			n.commitRollouts(w, add)
		case challengetypes.StageAudit:
			n.commitVerdicts(w, add)
		case challengetypes.StageReveal:
			n.revealVerdicts(w, add)
		}
	}
	for _, res := range n.DeliverTxs(txs...) {
		if err := testapp.TxError(res); err != nil {
			n.failed = append(n.failed, err)
		}
	}
	n.CheckInvariants()
}

func (n *network) commitRollouts(w challengetypes.Window, add func(*testapp.Account, sdk.Msg)) {
	for i, m := range n.miners {
		_, frozen, err := n.App.Challenge.FrozenMiner(n.Context(), run, w.Id, m.Address)
		require.NoError(n.t, err)
		reg, _, err := n.App.Registry.GetMiner(n.Context(), run, m.Address)
		require.NoError(n.t, err)
		if frozen && reg.JailedUntilWindow <= w.Id && n.once("rollouts %d %s", w.Id, m) {
			root, size := root, uint64(100)
			if n.batch != nil {
				root, size = n.batch(w, i)
			}
			add(m, &rollouttypes.MsgCommitRollouts{
				Miner: m.String(), Run: run, Window: w.Id, CheckpointDigest: digest, ConformanceDigest: conformance,
				Root: root, Groups: 4, Bytes: size, Locator: "http://127.0.0.1:1",
			})
		}
	}
}

func (n *network) verdicts(w challengetypes.Window) types.Verdicts {
	commitments, err := n.App.Rollout.Commitments(n.Context(), run, w.Id)
	require.NoError(n.t, err)
	var miners []types.CommittedMiner
	var results []verify.Result
	var works [][]byte
	for _, c := range commitments {
		i := slices.IndexFunc(n.miners, func(m *testapp.Account) bool { return m.String() == c.Miner })
		miners = append(miners, types.CommittedMiner{Address: n.miners[i].Address, Groups: c.Groups, Declared: 4})
		results = append(results, n.verdict(w.Id, i))
		works = append(works, root)
	}
	v, err := types.NewVerdicts(miners, results, works, nil, conformance)
	require.NoError(n.t, err)
	return v
}

func (n *network) commitVerdicts(w challengetypes.Window, add func(*testapp.Account, sdk.Msg)) {
	for i, g := range n.Validators {
		if !n.once("hash %d %d", w.Id, i) {
			continue
		}
		v := n.verdicts(w)
		hash, err := v.Hash(n.ChainID(), run, w.Id, g.Operator, bytes.Repeat([]byte{byte(i)}, 32))
		require.NoError(n.t, err)
		add(g.Account, &types.MsgCommitVerdicts{Grader: g.String(), Run: run, Window: w.Id, Hash: hash})
	}
}

func (n *network) revealVerdicts(w challengetypes.Window, add func(*testapp.Account, sdk.Msg)) {
	for i, g := range n.Validators {
		if n.once("reveal %d %d", w.Id, i) {
			add(g.Account, &types.MsgRevealVerdicts{
				Grader: g.String(), Run: run, Window: w.Id, Verdicts: n.verdicts(w), Salt: bytes.Repeat([]byte{byte(i)}, 32),
			})
		}
	}
}

func (n *network) settled() uint64 {
	res, err := types.NewQueryClient(n).Totals(n.t.Context(), &types.QueryTotalsRequest{Run: run})
	require.NoError(n.t, err)
	return res.Totals.SettledWindows
}

// The whole loop on the whole application, with a cheat from window 2 on. Every block
// runs on two instances; at the end the state goes through export and import.
func TestWindowsFromRegistrationToClaim(t *testing.T) {
	n := newNetwork(t, 3, func(*types.Params) {})
	n.verdict = func(window uint64, miner int) verify.Result {
		if miner == 2 && window >= 2 {
			return verify.Result{Code: verify.BadSample, Leaf: 9}
		}
		return verify.Result{Code: verify.OK}
	}
	for n.settled() < 6 {
		n.step()
		require.Less(t, n.Height(), int64(400))
	}
	require.Empty(t, n.failed)
	q := types.NewQueryClient(n)
	res, err := q.Scores(t.Context(), &types.QueryScoresRequest{Run: run})
	require.NoError(t, err)
	require.Len(t, res.Scores, 3)
	require.Equal(t, n.miners[2].String(), res.Scores[2].Miner)
	require.True(t, res.Scores[2].Slashed.IsPositive())

	// Blocks are owned by windows without gap or overlap, and each is minted once.
	end := int64(0)
	for w := range n.settled() {
		x, err := n.App.Challenge.GetWindow(n.Context(), run, w)
		require.NoError(t, err)
		if w > 0 {
			require.Equal(t, end, x.EmissionStart)
		}
		end = x.EmissionEnd
		r, err := q.Window(t.Context(), &types.QueryWindowRequest{Run: run, Window: w})
		require.NoError(t, err)
		require.Equal(t, params.GAL(x.EmissionEnd-x.EmissionStart), r.Window.Minted)
		for _, m := range r.Miners {
			cheat := m.Miner == n.miners[2].String() && w >= 2
			require.Equal(t, cheat || m.Groups == 0, m.Paid.IsZero(), "window %d: %s", w, m.Reason)
		}
	}

	before := n.Balance(n.miners[0].Address)
	credits, err := q.Credits(t.Context(), &types.QueryCreditsRequest{Run: run, Miner: n.miners[0].String()})
	require.NoError(t, err)
	require.True(t, credits.Claimable.IsPositive())
	n.MustDeliver(n.miners[0], &types.MsgClaim{Miner: n.miners[0].String(), Run: run})
	require.Equal(t, before.Add(credits.Claimable), n.Balance(n.miners[0].Address))
	_, err = n.Deliver(n.miners[0], &types.MsgClaim{Miner: n.miners[0].String(), Run: run})
	require.ErrorIs(t, err, types.ErrNothingToClaim)
	_, err = n.Deliver(n.miners[1], &types.MsgClaim{Miner: n.miners[0].String(), Run: run})
	require.Error(t, err, "somebody else's signature")
}

// Two claims in one transaction pay once.
func TestAudit_F45_DoubleClaimInOneTransaction(t *testing.T) {
	n := newNetwork(t, 1, func(*types.Params) {})
	for n.settled() < 3 {
		n.step()
	}
	m := n.miners[0]
	claim := &types.MsgClaim{Miner: m.String(), Run: run}
	before := n.Balance(m.Address)
	_, err := n.Deliver(m, claim, claim)
	require.ErrorIs(t, err, types.ErrNothingToClaim)
	require.Equal(t, before, n.Balance(m.Address), "all or nothing")
	n.MustDeliver(m, claim)
	require.True(t, n.Balance(m.Address).GT(before))
}

// The state between two blocks of a settlement goes through export and import, too;
// the teardown does it.
func TestExportDuringSettlement(t *testing.T) {
	n := newNetwork(t, 3, func(p *types.Params) { p.MaxSettlePerBlock = 1 })
	for {
		n.step()
		g, err := n.App.Settlement.ExportGenesis(n.Context())
		require.NoError(t, err)
		if len(g.Cursors) > 0 && g.Cursors[0].Window == 1 && g.Cursors[0].Next == 2 {
			return
		}
		require.Less(t, n.Height(), int64(200))
	}
}

// A grader keeps its operator key offline and lets another key grade for it, which
// gives that key nothing else; without a grant nobody can grade for a validator.
func TestAuthzGrantLetsAHotKeyGrade(t *testing.T) {
	n := newNetwork(t, 1, func(*types.Params) {})
	hot, v := n.Account("hot key"), n.Validators[0]
	msg := &types.MsgCommitVerdicts{Grader: v.String(), Run: run, Window: 0, Hash: digest}
	exec := authz.NewMsgExec(hot.Address, []sdk.Msg{msg})
	_, err := n.Deliver(hot, &exec)
	require.ErrorIs(t, err, authz.ErrNoAuthorizationFound)
	grant, err := authz.NewMsgGrant(v.Address, hot.Address, authz.NewGenericAuthorization(sdk.MsgTypeURL(msg)), nil)
	require.NoError(t, err)
	n.MustDeliver(v.Account, grant)
	_, err = n.Deliver(hot, &exec)
	require.ErrorIs(t, err, types.ErrWrongStage, "it gets as far as the grader itself would")
}
