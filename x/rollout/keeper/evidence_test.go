package keeper_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/testutil/xtest"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	registrykeeper "github.com/galahad-network/galahad/x/registry/keeper"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	"github.com/galahad-network/galahad/x/rollout/types"
)

const endToken = 2 // the arithmetic tokenizer's <eos>

// conviction is what the hooks were told.
type conviction struct {
	run, window uint64
	miner       string
	code        verify.Code
	leaf        uint64
}

// hooks slash as x/settlement does: 20 % of the lock.
type hooks struct {
	registry *registrykeeper.Keeper
	told     []conviction
	err      error
}

func (h *hooks) AfterHardFailure(ctx context.Context, run, window uint64, miner sdk.AccAddress, code verify.Code, leaf uint64) (sdkmath.Int, error) {
	h.told = append(h.told, conviction{run, window, miner.String(), code, leaf})
	if h.err != nil {
		return sdkmath.Int{}, h.err
	}
	return h.registry.Slash(ctx, run, window, miner, 200_000, code.String())
}

// courtroom is a suite whose window 5 has problems, 4 completions each; alice has
// committed an honest batch of 3 groups but for what the test lied about, and the
// window is SEALED.
type courtroom struct {
	*suite
	hooks     *hooks
	challenge verify.Challenge // alice's
	rollouts  []batch.Rollout
	batch     batch.Batch
}

func newCourtroom(t *testing.T, lie func(rs []batch.Rollout)) *courtroom {
	t.Helper()
	return newCourtroomOf(t, func(c *courtroom) batch.Batch {
		if lie != nil {
			lie(c.rollouts)
		}
		b, err := batch.New(c.rollouts)
		require.NoError(t, err)
		return b
	})
}

func newCourtroomOf(t *testing.T, make func(c *courtroom) batch.Batch) *courtroom {
	t.Helper()
	c := &courtroom{suite: newSuite(t)}
	c.hooks = &hooks{registry: c.registry}
	c.k.SetHooks(c.hooks)
	c.prepareWindow(5)
	c.Challenge.Tokenizers[1] = tokenizer.ArithmeticFile()
	var err error
	c.challenge, err = c.Challenge.Windows[[2]uint64{1, 5}].Challenge(c.Ctx.ChainID(), c.alice, 3)
	require.NoError(t, err)
	c.rollouts = honestRollouts(t, c.challenge)
	c.batch = make(c)
	c.commitBatch(c.alice, c.batch)
	c.at(20)
	c.Events()
	return c
}

// prepareWindow gives a window what a real one freezes.
func (s *suite) prepareWindow(id uint64) {
	e, err := env.Lookup("arithmetic-3")
	require.NoError(s.T, err)
	digest, file := e.Digest(), sha256.Sum256(tokenizer.ArithmeticFile())
	w := s.Challenge.Windows[[2]uint64{1, id}]
	w.OpeningSeed = xtest.Digest(byte(id))
	w.Params.GroupSize, w.Params.VocabSize, w.Params.ContextLength = 4, 32, 64
	w.Params.TokenizerDigest = file[:]
	w.Params.Mix = []challengetypes.EnvironmentWeight{{Id: e.ID(), Digest: digest[:], Weight: 1}}
	w.Params.Generation = challengetypes.Generation{TopPPpm: 1_000_000, MaxNew: 12, EndTokens: []uint32{endToken}}
	s.Challenge.Windows[[2]uint64{1, id}] = w
}

// honestRollouts answer a challenge: right, wrong, at the length limit, right.
func honestRollouts(t testing.TB, c verify.Challenge) []batch.Rollout {
	t.Helper()
	tok, err := tokenizer.Load(tokenizer.ArithmeticFile())
	require.NoError(t, err)
	var out []batch.Rollout
	for i := uint64(0); i < c.Leaves(); i++ {
		a, err := c.Assign(tok, i/c.GroupSize)
		require.NoError(t, err)
		text, finish := "#"+a.Problem.Answer, batch.FinishEnd
		switch i % 4 {
		case 1:
			text = "#1"
		case 2:
			text, finish = "000000000000", batch.FinishLength
		}
		ids, err := tok.Encode(text)
		require.NoError(t, err)
		if finish == batch.FinishEnd {
			ids = append(ids, endToken)
		}
		out = append(out, batch.Rollout{
			Run: c.Run, Window: c.Window, Checkpoint: c.Checkpoint, Miner: c.Miner, Group: i / c.GroupSize, Index: i % c.GroupSize,
			Env: a.Env.ID(), Prompt: a.Prompt, Completion: ids, LogProbs: make([]byte, 4*len(ids)), Finish: finish,
			Reward: env.Judge(a.Env, tok, a.Problem, ids, c.Generation.EndTokens),
		})
	}
	return out
}

func (c *courtroom) commitBatch(miner sdk.AccAddress, b batch.Batch) {
	c.T.Helper()
	groups := uint32(3)
	if miner.Equals(c.bob) {
		groups = 2
	}
	msg := c.commit(miner, groups)
	msg.Root = b.Root()
	require.NoError(c.T, c.send(msg))
}

// evidence against a miner over leaf i of a batch.
func (c *courtroom) evidence(miner sdk.AccAddress, b batch.Batch, i uint64) *types.MsgSubmitEvidence {
	c.T.Helper()
	p, err := b.Proof(i)
	require.NoError(c.T, err)
	hash := sha256.Sum256(append([]byte{0}, b.Leaves[i]...))
	return &types.MsgSubmitEvidence{
		Submitter: c.bob.String(), Run: 1, Window: 5, Miner: miner.String(), LeafIndex: i, Leaf: b.Leaves[i],
		Proof: types.MerkleProof{Total: p.Total, Index: p.Index, LeafHash: hash[:], Aunts: p.Aunts},
	}
}

func (c *courtroom) submit(msg *types.MsgSubmitEvidence) (*types.MsgSubmitEvidenceResponse, error) {
	return c.msgs.SubmitEvidence(c.Ctx, msg)
}

// acquit requires that the evidence fails with want, changes nothing, slashes nobody
// and gets no fee back.
func (c *courtroom) acquit(want error, msg *types.MsgSubmitEvidence) {
	c.T.Helper()
	told, refunds := len(c.hooks.told), len(c.Challenge.Refunds)
	c.RequireUnchanged(want, func(ctx context.Context) error {
		_, err := c.msgs.SubmitEvidence(ctx, msg)
		return err
	})
	require.Len(c.T, c.hooks.told, told)
	require.Len(c.T, c.Challenge.Refunds, refunds)
}

func TestEvidenceConvictsSlashesAndGetsItsFeeBack(t *testing.T) {
	c := newCourtroom(t, func(rs []batch.Rollout) { rs[5].Reward = env.FullReward })
	res, err := c.submit(c.evidence(c.alice, c.batch, 5))
	require.NoError(t, err)
	burned := params.GAL(3).QuoRaw(5) // 20 % of 3 groups at 1 GAL
	require.Equal(t, &types.MsgSubmitEvidenceResponse{Code: uint32(verify.BadReward), Burned: burned}, res)
	require.Equal(t, []conviction{{1, 5, c.alice.String(), verify.BadReward, 5}}, c.hooks.told)
	require.Equal(t, []string{"/galahad.rollout.v1.MsgSubmitEvidence"}, c.Challenge.Refunds)
	require.Contains(t, c.Events(), "galahad.rollout.v1.EventEvidenceAccepted")
	e, ok, err := c.k.Evidence(c.Ctx, 1, 5, c.alice)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, types.Evidence{
		Run: 1, Window: 5, Miner: c.alice.String(), Code: uint32(verify.BadReward), Leaf: 5,
		Submitter: c.bob.String(), Height: 20, Burned: burned,
	}, e)
	got, err := c.query.Evidence(c.Ctx, &types.QueryEvidenceRequest{Run: 1, Window: 5, Miner: c.alice.String()})
	require.NoError(t, err)
	require.Equal(t, e, got.Evidence)
	all, err := c.query.Evidences(c.Ctx, &types.QueryEvidencesRequest{Run: 1, Window: 5})
	require.NoError(t, err)
	require.Equal(t, []types.Evidence{e}, all.Evidences)
}

func TestEachModelFreeLieIsProvenOnChain(t *testing.T) {
	for name, k := range map[string]struct {
		at   uint64
		lie  func(r *batch.Rollout)
		code verify.Code
	}{
		"proof bytes":  {4, func(r *batch.Rollout) { r.Proof = []byte{0} }, verify.BadEncoding},
		"other window": {4, func(r *batch.Rollout) { r.Window-- }, verify.BadBinding},
		"other prompt": {4, func(r *batch.Rollout) { r.Prompt = r.Prompt[1:] }, verify.BadPrompt},
		"token":        {4, func(r *batch.Rollout) { r.Completion[0] = 32 }, verify.BadTokens},
		"finish":       {4, func(r *batch.Rollout) { r.Finish = batch.FinishLength }, verify.BadFinish},
		"reward":       {4, func(r *batch.Rollout) { r.Reward = 0 }, verify.BadReward},
	} {
		c := newCourtroom(t, func(rs []batch.Rollout) { k.lie(&rs[k.at]) })
		res, err := c.submit(c.evidence(c.alice, c.batch, k.at))
		require.NoError(t, err, name)
		require.Equal(t, uint32(k.code), res.Code, name)
	}
	junk := newCourtroomOf(t, func(c *courtroom) batch.Batch {
		b, err := batch.New(c.rollouts)
		require.NoError(t, err)
		b.Leaves[7] = []byte("junk")
		return b
	})
	res, err := junk.submit(junk.evidence(junk.alice, junk.batch, 7))
	require.NoError(t, err)
	require.Equal(t, uint32(verify.BadEncoding), res.Code)
}

// episodes answer a challenge of guess-2: a wrong guess, the environment's reply, and the number.
func episodes(t testing.TB, c verify.Challenge) []batch.Rollout {
	t.Helper()
	tok, err := tokenizer.Load(tokenizer.ArithmeticFile())
	require.NoError(t, err)
	var out []batch.Rollout
	for i := range c.Leaves() {
		a, err := c.Assign(tok, i/c.GroupSize)
		require.NoError(t, err)
		var ids []int32
		for _, turn := range []string{"#0", "#" + a.Problem.Answer} {
			more, err := tok.Encode(turn)
			require.NoError(t, err)
			ids = append(append(ids, more...), endToken)
			ids = append(ids, env.Replies(a.Env, tok, a.Problem, c.Generation.EndTokens)(ids)...)
		}
		out = append(out, batch.Rollout{
			Run: c.Run, Window: c.Window, Checkpoint: c.Checkpoint, Miner: c.Miner, Group: i / c.GroupSize, Index: i % c.GroupSize,
			Env: a.Env.ID(), Prompt: a.Prompt, Completion: ids, LogProbs: make([]byte, 4*len(ids)), Finish: batch.FinishEnd, Reward: env.FullReward,
		})
	}
	return out
}

// The chain derives what an environment replies: a word put into its mouth convicts, and an honest episode never does, not
// even where the chain has no tokenizer to read it by.
func TestAWrongReplyIsProvenOnChain(t *testing.T) {
	const bad, reply = 5, 3
	for name, lie := range map[string]func(r *batch.Rollout){
		"another reply": func(r *batch.Rollout) { r.Completion[reply] = endToken },
		"a reply left out": func(r *batch.Rollout) {
			r.Completion, r.LogProbs = append(r.Completion[:reply:reply], r.Completion[reply+1:]...), r.LogProbs[4:]
		},
		"a reply's surprise": func(r *batch.Rollout) { r.LogProbs[4*reply] = 0xBF },
	} {
		for _, tokenizerKnown := range []bool{true, false} {
			c := newCourtroomOf(t, func(c *courtroom) batch.Batch {
				e, err := env.Lookup("guess-2")
				require.NoError(t, err)
				digest, w := e.Digest(), c.Challenge.Windows[[2]uint64{1, 5}]
				w.Params.Mix = []challengetypes.EnvironmentWeight{{Id: e.ID(), Digest: digest[:], Weight: 1}}
				w.Params.Generation.MaxNew = 24
				c.Challenge.Windows[[2]uint64{1, 5}] = w
				c.challenge, err = w.Challenge(c.Ctx.ChainID(), c.alice, 3)
				require.NoError(t, err)
				c.rollouts = episodes(t, c.challenge)
				lie(&c.rollouts[bad])
				b, err := batch.New(c.rollouts)
				require.NoError(t, err)
				return b
			})
			if !tokenizerKnown {
				delete(c.Challenge.Tokenizers, 1)
			}
			for i := range c.challenge.Leaves() {
				if i != bad || !tokenizerKnown {
					c.acquit(types.ErrNotProven, c.evidence(c.alice, c.batch, i))
				}
			}
			if tokenizerKnown {
				res, err := c.submit(c.evidence(c.alice, c.batch, bad))
				require.NoError(t, err, name)
				require.Equal(t, uint32(verify.BadPrompt), res.Code, name)
			}
		}
	}
}

// The chain runs programs to judge them: a false reward convicts, an honest one never does, and who asks for it pays for the
// steps that it may take, in a simulation as in the real thing.
func TestARewardForCodeIsJudgedOnChain(t *testing.T) {
	const bad = 5
	spent := map[string]uint64{}
	for _, id := range []string{"arithmetic-3", "code-2"} {
		c := newCourtroomOf(t, func(c *courtroom) batch.Batch {
			e, err := env.Lookup(id)
			require.NoError(t, err)
			digest, w := e.Digest(), c.Challenge.Windows[[2]uint64{1, 5}]
			w.Params.Mix = []challengetypes.EnvironmentWeight{{Id: e.ID(), Digest: digest[:], Weight: 1}}
			c.Challenge.Windows[[2]uint64{1, 5}] = w
			c.challenge, err = w.Challenge(c.Ctx.ChainID(), c.alice, 3)
			require.NoError(t, err)
			c.rollouts = honestRollouts(t, c.challenge)
			c.rollouts[bad].Reward = env.FullReward
			b, err := batch.New(c.rollouts)
			require.NoError(t, err)
			return b
		})
		require.EqualValues(t, env.FullReward, c.rollouts[4].Reward)
		for i := range c.challenge.Leaves() {
			if i != bad {
				c.acquit(types.ErrNotProven, c.evidence(c.alice, c.batch, i))
			}
		}
		evidence := c.evidence(c.alice, c.batch, bad)
		for _, mode := range []sdk.ExecMode{sdk.ExecModeSimulate, sdk.ExecModeFinalize} {
			ctx, _ := c.Ctx.WithExecMode(mode).WithGasMeter(storetypes.NewInfiniteGasMeter()).CacheContext()
			res, err := c.msgs.SubmitEvidence(ctx, evidence)
			require.NoError(t, err)
			if mode == sdk.ExecModeFinalize {
				require.Equal(t, uint32(verify.BadReward), res.Code)
			}
			gas := ctx.GasMeter().GasConsumed() - uint64(len(evidence.Leaf))*types.DefaultParams().GasPerEvidenceByte
			require.True(t, spent[id] == 0 || max(gas, spent[id])-min(gas, spent[id]) < 1000, "%s: %d, simulated %d", id, gas, spent[id])
			spent[id] = gas
		}
	}
	require.Equal(t, uint64(4_000), env.Steps("code-2"))
	require.InDelta(t, 12_000, float64(spent["code-2"])-float64(spent["arithmetic-3"]), 1000)
}

// One bad leaf among a hundred convicts; the good ones beside it prove nothing and leave
// nothing behind, and neither does the bad one while anything else in its message is wrong.
func TestAudit_C20_OneBadLeafAmongAHundredGoodOnes(t *testing.T) {
	const groups, bad = 26, 70
	c := &courtroom{suite: newSuite(t)}
	c.hooks = &hooks{registry: c.registry}
	c.k.SetHooks(c.hooks)
	c.prepareWindow(5)
	c.Challenge.Tokenizers[1] = tokenizer.ArithmeticFile()
	w := c.Challenge.Windows[[2]uint64{1, 5}]
	w.Params.MaxGroups = groups
	c.Challenge.Windows[[2]uint64{1, 5}] = w
	c.Challenge.Freeze(1, 5, c.alice, groups)
	var err error
	c.challenge, err = w.Challenge(c.Ctx.ChainID(), c.alice, groups)
	require.NoError(t, err)
	c.rollouts = honestRollouts(t, c.challenge)
	require.Len(t, c.rollouts, 104)
	c.rollouts[bad].Reward = 7
	c.batch, err = batch.New(c.rollouts)
	require.NoError(t, err)
	msg := c.commit(c.alice, groups)
	msg.Root = c.batch.Root()
	require.NoError(t, c.send(msg))
	c.at(20)

	for i := range uint64(len(c.rollouts)) {
		if i != bad {
			c.acquit(types.ErrNotProven, c.evidence(c.alice, c.batch, i))
		}
	}
	for name, spoil := range map[string]func(m *types.MsgSubmitEvidence){
		"another index":  func(m *types.MsgSubmitEvidence) { m.LeafIndex-- },
		"a byte more":    func(m *types.MsgSubmitEvidence) { m.Leaf = append(bytes.Clone(m.Leaf), 0) },
		"an aunt less":   func(m *types.MsgSubmitEvidence) { m.Proof.Aunts = m.Proof.Aunts[1:] },
		"an aunt spoilt": func(m *types.MsgSubmitEvidence) { m.Proof.Aunts[2] = xtest.Digest(1) },
		"another total":  func(m *types.MsgSubmitEvidence) { m.Proof.Total-- },
	} {
		t.Run(name, func(t *testing.T) {
			m := c.evidence(c.alice, c.batch, bad)
			spoil(m)
			c.acquit(types.ErrInvalidProof, m)
		})
	}
	_, err = c.submit(c.evidence(c.alice, c.batch, bad))
	require.NoError(t, err)
	require.Equal(t, []conviction{{1, 5, c.alice.String(), verify.BadReward, bad}}, c.hooks.told)
}

// Without the tokenizer of the window's rollouts nobody is judged by prompt or reward.
func TestEvidenceWithoutTheRunsTokenizer(t *testing.T) {
	other := bytes.Replace(tokenizer.ArithmeticFile(), []byte(`"a","b"`), []byte(`"b","a"`), 1)
	for name, file := range map[string][]byte{"none": nil, "another since": other, "no character file": []byte(`{"model":{}}`)} {
		c := newCourtroom(t, func(rs []batch.Rollout) { rs[5].Reward = 7; rs[4].Run = 2 })
		if c.Challenge.Tokenizers[1] = file; file == nil {
			delete(c.Challenge.Tokenizers, 1)
		}
		c.acquit(types.ErrNotProven, c.evidence(c.alice, c.batch, 5))
		res, err := c.submit(c.evidence(c.alice, c.batch, 4))
		require.NoError(t, err, name)
		require.Equal(t, uint32(verify.BadBinding), res.Code, name)
	}
}

func TestAudit_F46_EvidenceTwice(t *testing.T) {
	c := newCourtroom(t, func(rs []batch.Rollout) { rs[5].Reward = 7; rs[6].Reward = 7 })
	_, err := c.submit(c.evidence(c.alice, c.batch, 5))
	require.NoError(t, err)
	c.acquit(types.ErrAlreadyProven, c.evidence(c.alice, c.batch, 5))
	c.acquit(types.ErrAlreadyProven, c.evidence(c.alice, c.batch, 6))
	e, _, err := c.k.Evidence(c.Ctx, 1, 5, c.alice)
	require.NoError(t, err)
	require.EqualValues(t, 5, e.Leaf, "the first counts")
}

// The fee comes back once, for what was proven first.
func TestAudit_C19_RefundOnlyOnceAndOnlyForSuccess(t *testing.T) {
	c := newCourtroom(t, func(rs []batch.Rollout) { rs[5].Reward = 7 })
	c.acquit(types.ErrNotProven, c.evidence(c.alice, c.batch, 4))
	require.Empty(t, c.Challenge.Refunds)
	_, err := c.submit(c.evidence(c.alice, c.batch, 5))
	require.NoError(t, err)
	c.acquit(types.ErrAlreadyProven, c.evidence(c.alice, c.batch, 5))
	require.Len(t, c.Challenge.Refunds, 1)
}

// Whoever unbonds what is free, or leaves, still answers with what is locked.
func TestAudit_F46_UnbondThenEvidence(t *testing.T) {
	c := newCourtroom(t, func(rs []batch.Rollout) { rs[5].Reward = 7 })
	_, err := registrykeeper.NewMsgServer(c.registry).Unbond(c.Ctx, &registrytypes.MsgUnbond{Miner: c.alice.String(), Run: 1, Amount: params.GAL(24)})
	require.NoError(t, err)
	res, err := c.submit(c.evidence(c.alice, c.batch, 5))
	require.NoError(t, err)
	require.True(t, res.Burned.IsPositive())
}

func TestEvidenceNeedsALockAndASealedWindow(t *testing.T) {
	c := newCourtroom(t, func(rs []batch.Rollout) { rs[5].Reward = 7 })
	msg := c.evidence(c.alice, c.batch, 5)
	for _, height := range []int64{10, 19} {
		c.at(height)
		c.acquit(types.ErrNotSealed, msg)
	}
	c.at(20)
	require.NoError(t, c.registry.ReleaseWindow(c.Ctx, 1, 5))
	c.acquit(types.ErrReleased, msg)
}

func TestEvidenceInAVoidOrClosedWindow(t *testing.T) {
	for _, end := range []func(w *challengetypes.Window){
		func(w *challengetypes.Window) { w.VoidHeight = 30 },
		func(w *challengetypes.Window) { w.ClosedHeight = 30 },
	} {
		c := newCourtroom(t, func(rs []batch.Rollout) { rs[5].Reward = 7 })
		w := c.Challenge.Windows[[2]uint64{1, 5}]
		end(&w)
		c.Challenge.Windows[[2]uint64{1, 5}] = w
		c.at(31)
		_, err := c.submit(c.evidence(c.alice, c.batch, 5))
		require.NoError(t, err)
	}
}

// A copied root brings its leaves' true miner along: whoever shows one convicts the
// copier, and never the one that was copied.
func TestAudit_F38_CopiedRoot(t *testing.T) {
	c := newCourtroom(t, nil)
	c.at(12)
	c.commitBatch(c.bob, batch.Batch{Leaves: c.batch.Leaves[:8]}) // alice's first two groups
	c.at(20)
	copied := batch.Batch{Leaves: c.batch.Leaves[:8]}
	for i := range uint64(8) {
		c.acquit(types.ErrNotProven, c.evidence(c.alice, c.batch, i))
	}
	res, err := c.submit(c.evidence(c.bob, copied, 0))
	require.NoError(t, err)
	require.Equal(t, uint32(verify.BadBinding), res.Code)
	require.Equal(t, []conviction{{1, 5, c.bob.String(), verify.BadBinding, 0}}, c.hooks.told)
}

// What was made for another chain, run, window, checkpoint or miner is convicted, even
// where the commitment itself was accepted.
func TestAudit_F37_ReplayedRollouts(t *testing.T) {
	for name, k := range map[string]struct {
		other func(w *challengetypes.Window, chain *string, miner *sdk.AccAddress)
		code  verify.Code
	}{
		"chain":      {func(_ *challengetypes.Window, chain *string, _ *sdk.AccAddress) { *chain = "galahad-test-2" }, verify.BadPrompt},
		"run":        {func(w *challengetypes.Window, _ *string, _ *sdk.AccAddress) { w.Run = 2 }, verify.BadBinding},
		"window":     {func(w *challengetypes.Window, _ *string, _ *sdk.AccAddress) { w.Id = 4 }, verify.BadBinding},
		"checkpoint": {func(w *challengetypes.Window, _ *string, _ *sdk.AccAddress) { w.CheckpointDigest = xtest.Digest(1) }, verify.BadBinding},
		"opening":    {func(w *challengetypes.Window, _ *string, _ *sdk.AccAddress) { w.OpeningSeed = xtest.Digest(1) }, verify.BadPrompt},
		"miner":      {func(_ *challengetypes.Window, _ *string, m *sdk.AccAddress) { *m = xtest.Address("carol") }, verify.BadBinding},
	} {
		c := newCourtroomOf(t, func(c *courtroom) batch.Batch {
			w, chain, miner := c.Challenge.Windows[[2]uint64{1, 5}], c.Ctx.ChainID(), c.alice
			k.other(&w, &chain, &miner)
			other, err := w.Challenge(chain, miner, 3)
			require.NoError(t, err)
			b, err := batch.New(honestRollouts(t, other))
			require.NoError(t, err)
			return b
		})
		res, err := c.submit(c.evidence(c.alice, c.batch, 0))
		require.NoError(t, err, name)
		require.Equal(t, uint32(k.code), res.Code, name)
	}
}

// Who samples more completions than K and commits the best of them has to leave places
// out or fill them twice. Every place after the first gap convicts.
func TestAudit_F40b_MissingSampleIndex(t *testing.T) {
	c := newCourtroomOf(t, func(c *courtroom) batch.Batch {
		b, err := batch.New(append(append([]batch.Rollout{}, c.rollouts[:4]...), c.rollouts[5:]...))
		require.NoError(t, err)
		last := c.rollouts[11]
		last.Index = 4 // a fifth sample of the last group
		leaf, err := last.Encode()
		require.NoError(t, err)
		b.Leaves = append(b.Leaves, leaf)
		return b
	})
	for i := range uint64(4) {
		c.acquit(types.ErrNotProven, c.evidence(c.alice, c.batch, i))
	}
	for i := uint64(4); i < 12; i++ {
		ctx, _ := c.Ctx.CacheContext()
		res, err := c.msgs.SubmitEvidence(ctx, c.evidence(c.alice, c.batch, i))
		require.NoError(t, err)
		require.Equal(t, uint32(verify.BadBinding), res.Code, "leaf %d", i)
	}
}

// A Merkle path verifies under several totals and places; only the committed ones count.
func TestEvidenceMustBeProvenAtItsPlace(t *testing.T) {
	c := newCourtroom(t, func(rs []batch.Rollout) { rs[5].Reward = 7 })
	for name, change := range map[string]func(m *types.MsgSubmitEvidence){
		"total":           func(m *types.MsgSubmitEvidence) { m.Proof.Total = 11 },
		"total zero":      func(m *types.MsgSubmitEvidence) { m.Proof.Total = 0 },
		"total huge":      func(m *types.MsgSubmitEvidence) { m.Proof.Total = math.MaxUint64 },
		"index":           func(m *types.MsgSubmitEvidence) { m.Proof.Index = 4 },
		"leaf index":      func(m *types.MsgSubmitEvidence) { m.LeafIndex = 4 },
		"both indices":    func(m *types.MsgSubmitEvidence) { m.LeafIndex, m.Proof.Index = 4, 4 },
		"leaf":            func(m *types.MsgSubmitEvidence) { m.Leaf = m.Leaf[1:] },
		"no leaf":         func(m *types.MsgSubmitEvidence) { m.Leaf = nil },
		"no leaf hash":    func(m *types.MsgSubmitEvidence) { m.Proof.LeafHash = nil },
		"other leaf hash": func(m *types.MsgSubmitEvidence) { m.Proof.LeafHash = xtest.Digest(1) },
		"no aunts":        func(m *types.MsgSubmitEvidence) { m.Proof.Aunts = nil },
		"an aunt less":    func(m *types.MsgSubmitEvidence) { m.Proof.Aunts = m.Proof.Aunts[1:] },
		"an aunt more":    func(m *types.MsgSubmitEvidence) { m.Proof.Aunts = append(m.Proof.Aunts, xtest.Digest(1)) },
		"another aunt": func(m *types.MsgSubmitEvidence) {
			m.Proof.Aunts = append([][]byte{xtest.Digest(1)}, m.Proof.Aunts[1:]...)
		},
		"a short aunt":      func(m *types.MsgSubmitEvidence) { m.Proof.Aunts = append([][]byte{{1}}, m.Proof.Aunts[1:]...) },
		"a nil aunt":        func(m *types.MsgSubmitEvidence) { m.Proof.Aunts = append([][]byte{nil}, m.Proof.Aunts[1:]...) },
		"a thousand aunts":  func(m *types.MsgSubmitEvidence) { m.Proof.Aunts = make([][]byte, 1000) },
		"proof of the zero": func(m *types.MsgSubmitEvidence) { m.Proof = types.MerkleProof{} },
	} {
		msg := c.evidence(c.alice, c.batch, 5)
		change(msg)
		t.Log(name)
		c.acquit(types.ErrInvalidProof, msg)
	}
}

func TestAudit_B14_EvidenceLengthCaps(t *testing.T) {
	c := newCourtroom(t, nil)
	msg := c.evidence(c.alice, c.batch, 5)
	msg.Leaf = make([]byte, batch.MaxLeafBytes+1)
	c.acquit(types.ErrInvalidLeaf, msg)
	for _, index := range []uint64{12, 13, math.MaxUint64} {
		msg := c.evidence(c.alice, c.batch, 5)
		msg.LeafIndex = index
		c.acquit(types.ErrInvalidLeaf, msg)
	}
}

// Each field of the message, spoiled.
func TestAudit_E28_EvidenceFields(t *testing.T) {
	c := newCourtroom(t, func(rs []batch.Rollout) { rs[5].Reward = 7 })
	with := func(change func(m *types.MsgSubmitEvidence)) *types.MsgSubmitEvidence {
		msg := c.evidence(c.alice, c.batch, 5)
		change(msg)
		return msg
	}
	c.acquit(types.ErrInvalidAddress, &types.MsgSubmitEvidence{})
	for _, id := range []uint64{0, 4, math.MaxUint64} {
		c.acquit(challengetypes.ErrWindowNotFound, with(func(m *types.MsgSubmitEvidence) { m.Window = id }))
		c.acquit(challengetypes.ErrWindowNotFound, with(func(m *types.MsgSubmitEvidence) { m.Run = id }))
	}
	c.acquit(types.ErrNotFound, with(func(m *types.MsgSubmitEvidence) { m.Miner = c.bob.String() }))
	c.acquit(types.ErrNotFound, with(func(m *types.MsgSubmitEvidence) { m.Miner = xtest.Address("stranger").String() }))
}

func badAddresses(addr sdk.AccAddress) []string {
	s := addr.String()
	return []string{
		"", " ", "galahad1", "cosmos1xxxx", sdk.ValAddress(addr).String(), s + "q", s[:len(s)-1], "x" + s,
		strings.ToUpper(s[:20]) + s[20:], strings.Repeat("a", 1<<16),
	}
}

func TestAudit_E30_Bech32Confusion(t *testing.T) {
	c := newCourtroom(t, func(rs []batch.Rollout) { rs[5].Reward = 7 })
	for _, address := range badAddresses(c.alice) {
		msg := c.evidence(c.alice, c.batch, 5)
		msg.Submitter = address
		c.acquit(types.ErrInvalidAddress, msg)
		msg = c.evidence(c.alice, c.batch, 5)
		msg.Miner = address
		c.acquit(types.ErrInvalidAddress, msg)
		for _, m := range []*types.MsgAccuse{
			{Accuser: address, Miner: c.alice.String(), Run: 1, Window: 5}, {Accuser: c.bob.String(), Miner: address, Run: 1, Window: 5},
		} {
			c.RequireUnchanged(types.ErrInvalidAddress, func(ctx context.Context) error {
				_, err := c.msgs.Accuse(ctx, m)
				return err
			})
		}
		c.RequireUnchanged(types.ErrInvalidAddress, func(ctx context.Context) error {
			_, err := c.msgs.WithdrawAccusation(ctx, &types.MsgWithdrawAccusation{Accuser: address, Run: 1, Id: 1})
			return err
		})
		commit := c.commit(c.alice, 3)
		commit.Miner = address
		c.refuse(types.ErrInvalidAddress, commit)
	}
	// The same account written in upper case is the same account, and is stored once.
	msg := c.evidence(c.alice, c.batch, 5)
	msg.Miner, msg.Submitter = strings.ToUpper(msg.Miner), strings.ToUpper(msg.Submitter)
	_, err := c.submit(msg)
	require.NoError(t, err)
	c.acquit(types.ErrAlreadyProven, c.evidence(c.alice, c.batch, 5))
	e, _, err := c.k.Evidence(c.Ctx, 1, 5, c.alice)
	require.NoError(t, err)
	require.Equal(t, c.alice.String(), e.Miner)
	require.Equal(t, c.bob.String(), e.Submitter)
}

// A slash that fails takes the evidence with it, so that it can be given again.
func TestAudit_E35_FailedSlashDropsTheEvidence(t *testing.T) {
	c := newCourtroom(t, func(rs []batch.Rollout) { rs[5].Reward = 7 })
	c.hooks.err = errors.New("slash")
	ctx, _ := c.Ctx.CacheContext() // what a failed message leaves is dropped
	_, err := c.msgs.SubmitEvidence(ctx, c.evidence(c.alice, c.batch, 5))
	require.ErrorIs(t, err, c.hooks.err)
	require.Empty(t, c.Challenge.Refunds)
	c.hooks.err = nil
	_, err = c.submit(c.evidence(c.alice, c.batch, 5))
	require.NoError(t, err)
}

// gasOfEvidence is what a message uses, whether it succeeds or not.
func (c *courtroom) gasOfEvidence(ctx sdk.Context, msg *types.MsgSubmitEvidence) (uint64, error) {
	ctx, _ = ctx.WithGasMeter(storetypes.NewInfiniteGasMeter()).CacheContext()
	_, err := c.msgs.SubmitEvidence(ctx, msg)
	return ctx.GasMeter().GasConsumed(), err
}

func TestAudit_C16_WorthlessEvidenceIsChargedBeforeTheWork(t *testing.T) {
	c := newCourtroom(t, nil)
	p := types.DefaultParams()
	for _, size := range []int{0, 1000, batch.MaxLeafBytes + 1} {
		used, err := c.gasOfEvidence(c.Ctx, &types.MsgSubmitEvidence{Leaf: make([]byte, size)})
		require.Error(t, err)
		require.GreaterOrEqual(t, used, p.GasPerEvidence+uint64(size)*p.GasPerEvidenceByte)
	}
	// With too little gas nothing of the leaf is looked at.
	ctx := c.Ctx.WithGasMeter(storetypes.NewGasMeter(p.GasPerEvidence + 2000))
	require.Panics(t, func() { _, _ = c.msgs.SubmitEvidence(ctx, &types.MsgSubmitEvidence{Leaf: make([]byte, 1<<20)}) })
	// Nor is the tokenizer parsed, where only that cannot be paid.
	used, err := c.gasOfEvidence(c.Ctx, c.evidence(c.alice, c.batch, 5))
	require.ErrorIs(t, err, types.ErrNotProven)
	require.GreaterOrEqual(t, used, p.GasPerEvidence+p.GasPerAssignment+p.GasPerTokenizerByte*uint64(len(tokenizer.ArithmeticFile())))
	ctx = c.Ctx.WithGasMeter(storetypes.NewGasMeter(used - 1))
	require.Panics(t, func() { _, _ = c.msgs.SubmitEvidence(ctx, c.evidence(c.alice, c.batch, 5)) })
}

func TestAudit_C17_EvidenceGasGrowsWithItsBytes(t *testing.T) {
	c := newCourtroom(t, nil)
	p := types.DefaultParams()
	base, err := c.gasOfEvidence(c.Ctx, c.evidence(c.alice, c.batch, 5))
	require.ErrorIs(t, err, types.ErrNotProven)
	for _, n := range []uint64{1, 10, 100, 1000} {
		msg := c.evidence(c.alice, c.batch, 5)
		msg.Leaf = append(bytes.Clone(msg.Leaf), make([]byte, n)...)
		used, err := c.gasOfEvidence(c.Ctx, msg)
		require.ErrorIs(t, err, types.ErrInvalidProof)
		// It stops at the path, before the tokenizer and the assignment, which read the store once.
		late := base - p.GasPerEvidence
		require.Greater(t, used+late, base+n*p.GasPerEvidenceByte)
		longer := c.evidence(c.alice, c.batch, 5)
		longer.Leaf = append(bytes.Clone(msg.Leaf), make([]byte, n)...)
		more, err := c.gasOfEvidence(c.Ctx, longer)
		require.ErrorIs(t, err, types.ErrInvalidProof)
		require.Equal(t, n*p.GasPerEvidenceByte, more-used)
		aunts := c.evidence(c.alice, c.batch, 5)
		aunts.Leaf = msg.Leaf
		aunts.Proof.Aunts = append(aunts.Proof.Aunts, make([]byte, n))
		more, err = c.gasOfEvidence(c.Ctx, aunts)
		require.ErrorIs(t, err, types.ErrInvalidProof)
		require.Equal(t, n*p.GasPerEvidenceByte, more-used, "the path counts too")
	}
}

// A simulation is charged like the real thing, and checks nothing.
func TestSimulatedEvidenceIsChargedButNotDecided(t *testing.T) {
	c := newCourtroom(t, func(rs []batch.Rollout) { rs[5].Reward = 7 })
	simulation := c.Ctx.WithExecMode(sdk.ExecModeSimulate)
	real, err := c.gasOfEvidence(c.Ctx, c.evidence(c.alice, c.batch, 5))
	require.NoError(t, err)
	simulated, err := c.gasOfEvidence(simulation, c.evidence(c.alice, c.batch, 5))
	require.NoError(t, err)
	require.Equal(t, real, simulated)
	junk := c.evidence(c.alice, c.batch, 5)
	junk.Leaf = make([]byte, len(junk.Leaf))
	ctx, _ := simulation.CacheContext()
	res, err := c.msgs.SubmitEvidence(ctx, junk)
	require.NoError(t, err)
	require.Zero(t, res.Code, "it says nothing of the leaf")
}

func TestEvidencePagesAscendAndStayInTheirWindow(t *testing.T) {
	c := newCourtroom(t, func(rs []batch.Rollout) { rs[5].Reward = 7 })
	for _, w := range []uint64{4, 6} {
		require.NoError(t, c.k.EvidenceByMiner.Set(c.Ctx, collections.Join3(uint64(1), w, c.alice), types.Evidence{
			Run: 1, Window: w, Miner: c.alice.String(), Submitter: c.bob.String(), Code: 2, Burned: sdkmath.ZeroInt(),
		}))
	}
	_, err := c.submit(c.evidence(c.alice, c.batch, 5))
	require.NoError(t, err)
	all, err := c.query.Evidences(c.Ctx, &types.QueryEvidencesRequest{Run: 1, Window: 5})
	require.NoError(t, err)
	require.Len(t, all.Evidences, 1)
	_, err = c.query.Evidence(c.Ctx, &types.QueryEvidenceRequest{Run: 1, Window: 5, Miner: c.bob.String()})
	require.ErrorIs(t, err, types.ErrEvidenceNotFound)
	_, err = c.query.Evidence(c.Ctx, nil)
	require.ErrorIs(t, err, types.ErrInvalidRequest)
	_, err = c.query.Evidences(c.Ctx, nil)
	require.ErrorIs(t, err, types.ErrInvalidRequest)
}
