package validator

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/batches"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/batch/store"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/testutil/daemonchain"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// older puts a closed window with a batch of miner 7 on the chain, changed by lie and
// served unless serve is false.
func (r *rig) older(id uint64, lie func([]batch.Rollout), serve bool) {
	r.t.Helper()
	w := r.chain.CurrentWindow()
	opening, audit := derive.OpeningSeed(daemonchain.ID, []byte("older"), 1, id), derive.AuditSeed(daemonchain.ID, []byte("older"), 1, id)
	w.Id, w.OpeningSeed, w.AuditSeed, w.ClosedHeight = id, opening[:], audit[:], 4
	w.FreezeHeight, w.CommitStart, w.CommitEnd = 1, 2, 3
	address := minerAddress(7)
	c, err := w.Challenge(daemonchain.ID, address, 2)
	require.NoError(r.t, err)
	rollouts, err := generate.Groups(r.t.Context(), r.chain.Policy.Engine, r.chain.Policy.Tokenizer, c, []uint64{0, 1})
	require.NoError(r.t, err)
	if lie != nil {
		lie(rollouts)
	}
	b, err := batch.New(rollouts)
	require.NoError(r.t, err)
	handler := http.NotFoundHandler()
	if serve {
		st, err := store.Open(r.t.Context(), "mem://")
		require.NoError(r.t, err)
		_, err = st.Put(r.t.Context(), b)
		require.NoError(r.t, err)
		handler = batches.Handler(st, func([]byte) (batches.Offer, bool) {
			return batches.Offer{GroupSize: 4, Limits: batches.Limits(2, 4, b.PayloadBytes())}, true
		}, slog.New(slog.DiscardHandler))
	}
	server := httptest.NewServer(handler)
	r.t.Cleanup(server.Close)
	r.chain.AddOlder(daemonchain.Older{Window: w, Commitment: rollouttypes.Commitment{
		Run: 1, Window: id, Miner: address.String(), Root: b.Root(), Groups: 2, Bytes: b.PayloadBytes(), Locator: server.URL,
	}})
}

func (r *rig) accuse(id, window, leaf uint64) {
	r.chain.Accuse(rollouttypes.Accusation{
		Id: id, Run: 1, Window: window, Miner: minerAddress(7).String(), Leaf: leaf, JudgeWindow: r.chain.CurrentWindow().Id,
	})
}

// Each accused leaf is judged by itself, under its own window: the same batch has
// leaves that fail and leaves that pass, and what cannot be had is undecided.
func TestAccusedLeavesAreReplayedUnderTheirOwnWindow(t *testing.T) {
	r := newRig(t)
	r.miner(1, nil, nil)
	r.older(0, func(all []batch.Rollout) {
		all[3].LogProbs[2] ^= 1                       // the model alone sees it
		all[6].Reward = 1_000_000 - all[6].Reward     // no model is needed
		all[7].LogProbs, all[7].Completion = nil, nil // and here nobody gets as far as the model
	}, true)
	r.older(1, nil, false)
	r.accuse(10, 0, 3)
	r.accuse(11, 0, 4)
	r.accuse(12, 0, 6)
	r.accuse(13, 1, 0)
	r.accuse(14, 2, 0) // a window that the node cannot tell of
	r.grade()
	revealed, ok := r.chain.Revealed(sdk.ValAddress(grader))
	require.True(t, ok)
	require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_OK, r.verdict(1).Code)
	require.Equal(t, []settlementtypes.AccusationVerdict{
		{Id: 10, Code: settlementtypes.VerdictCode_VERDICT_CODE_BAD_LOGPROB},
		{Id: 11, Code: settlementtypes.VerdictCode_VERDICT_CODE_OK},
		{Id: 12, Code: settlementtypes.VerdictCode_VERDICT_CODE_BAD_REWARD},
		{Id: 13, Code: settlementtypes.VerdictCode(verify.Undecided)},
		{Id: 14, Code: settlementtypes.VerdictCode(verify.Undecided)},
	}, revealed.Accusations)
}

// A window that was made with another version of engine or environment is not this
// grader's to judge.
func TestAWindowOfAnotherVersionIsNotJudged(t *testing.T) {
	r := newRig(t)
	r.miner(1, nil, nil)
	r.older(0, func(all []batch.Rollout) { all[3].LogProbs[2] ^= 1 }, true)
	o, _ := r.chain.Window(t.Context(), 1, 0)
	c, _, _ := r.chain.Commitment(t.Context(), 1, 0, minerAddress(7))
	o.Window.Params.ConformanceDigest = make([]byte, 32)
	r.chain.AddOlder(daemonchain.Older{Window: o.Window, Commitment: c})
	r.accuse(1, 0, 3)
	r.grade()
	revealed, ok := r.chain.Revealed(sdk.ValAddress(grader))
	require.True(t, ok)
	require.Equal(t, []settlementtypes.AccusationVerdict{{Id: 1, Code: settlementtypes.VerdictCode(verify.Undecided)}}, revealed.Accusations)
}

// The window froze the mix of before; a grader that starts now has never computed its digest.
func TestAGraderThatStartsAfterAChangeOfTheMixJudgesTheWindowOfBefore(t *testing.T) {
	r := newRig(t)
	r.miner(1, nil, nil)
	r.chain.ChangeMix(t, "arithmetic-3")
	r.grade()
	require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_OK, r.verdict(1).Code)
}

// The run moved on to this build, which cannot know what the window's miners compute.
func TestAGraderHasNoVerdictsForAWindowOfAnotherVersionAndGoesOn(t *testing.T) {
	r := newRig(t)
	r.miner(1, nil, nil)
	r.chain.Froze(make([]byte, 32))
	r.grade()
	_, revealed := r.chain.Revealed(sdk.ValAddress(grader))
	require.False(t, revealed)
}

// An accusation whose miner stalls must not cost the window its verdicts.
func TestAStallingAccusedMinerDoesNotHoldUpTheVerdicts(t *testing.T) {
	r := newRig(t)
	r.miner(1, nil, nil)
	r.older(0, nil, true)
	block := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-block }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(block) })
	o, _ := r.chain.Window(t.Context(), 1, 0)
	c, _, _ := r.chain.Commitment(t.Context(), 1, 0, minerAddress(7))
	c.Locator = server.URL
	r.chain.AddOlder(daemonchain.Older{Window: o.Window, Commitment: c})
	r.accuse(1, 0, 3)
	r.grade()
	require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_OK, r.verdict(1).Code)
}
