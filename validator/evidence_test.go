package validator

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/testutil/daemonchain"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// finish runs the window to its end and waits until so many proofs are on chain.
func (r *rig) finish(proofs int) {
	r.t.Helper()
	v := r.start(nil)
	r.chain.StartAudit()
	r.blocks()
	for end := time.Now().Add(2 * time.Second); len(r.chain.Proven()) < proofs && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	require.NoError(r.t, v.stop())
	require.Len(r.t, r.chain.Proven(), proofs)
}

// Without the run's tokenizer the chain judges what needs no prompt; with it prompt and
// reward, too. A failure that only the model sees is for the verdicts.
func TestFailuresThatNeedNoModelAreProvenOnChainOnce(t *testing.T) {
	for _, c := range []struct {
		name      string
		tokenizer bool
		proven    []string
	}{
		{"without the run's tokenizer", false, []string{minerAddress(2).String()}},
		{"with the run's tokenizer", true, []string{minerAddress(2).String(), minerAddress(3).String()}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			if c.tokenizer {
				r.chain.SetTokenizer([]byte("a file; the stand-in for the chain has it parsed"))
			}
			r.miner(1, nil, nil)
			r.miner(2, func(all []batch.Rollout) { all[5].Finish = "length" + all[5].Finish }, nil)
			r.miner(3, func(all []batch.Rollout) { all[4].Reward = 1_000_000 - all[4].Reward }, nil)
			r.miner(4, func(all []batch.Rollout) {
				for i := range all {
					all[i].LogProbs = batch.PackBits(make([]uint32, len(all[i].Completion)))
				}
			}, nil)
			r.chain.SetHeight(20)
			r.finish(len(c.proven))
			var got []string
			for _, e := range r.chain.Proven() {
				got = append(got, e.Miner)
				require.Equal(t, grader.String(), e.Submitter)
			}
			require.ElementsMatch(t, c.proven, got)
			require.True(t, r.verdict(2).Code == settlementtypes.VerdictCode_VERDICT_CODE_BAD_ENCODING ||
				r.verdict(2).Code == settlementtypes.VerdictCode_VERDICT_CODE_BAD_FINISH)
			require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_BAD_REWARD, r.verdict(3).Code)
			require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_BAD_LOGPROB, r.verdict(4).Code)
		})
	}
}

// A grader reads the environment's replies where a miner's batch has them, and proves a wrong one on chain.
func TestAWrongReplyIsNamedAndProven(t *testing.T) {
	r := newRig(t)
	r.chain.SetTokenizer([]byte("a file; the stand-in for the chain has it parsed"))
	r.chain.SetEnvironment(t, "guess-2", 30, 2, 4, 7, 12, 16)
	w := r.chain.CurrentWindow()
	replies := func(i byte, all []batch.Rollout, each func(leaf, at int)) {
		c, err := w.Challenge(daemonchain.ID, minerAddress(i), 3)
		require.NoError(t, err)
		for leaf, o := range all {
			given, err := c.Given(r.chain.Policy.Tokenizer, o.Group, o.Completion)
			require.NoError(t, err)
			for _, run := range given[0] {
				each(leaf, run[0])
			}
		}
	}
	count, first := 0, uint64(0)
	r.miner(1, func(all []batch.Rollout) { replies(1, all, func(int, int) { count++ }) }, nil)
	require.Greater(t, count, 5)
	r.miner(2, func(all []batch.Rollout) {
		replies(2, all, func(leaf, at int) { all[leaf].Completion[at], first = 20, uint64(leaf) })
	}, nil)
	r.miner(3, func(all []batch.Rollout) { // the last token of a rollout with replies is sampled
		replies(3, all, func(leaf, _ int) { all[leaf].LogProbs[len(all[leaf].LogProbs)-1] ^= 1 })
	}, nil)
	r.chain.SetHeight(20)
	r.finish(1)
	require.Equal(t, minerAddress(2).String(), r.chain.Proven()[0].Miner)
	require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_OK, r.verdict(1).Code)
	require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_BAD_PROMPT, r.verdict(2).Code)
	require.LessOrEqual(t, r.verdict(2).Leaf, first)
	require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_BAD_LOGPROB, r.verdict(3).Code)
}

func TestEvidenceCanBeTurnedOff(t *testing.T) {
	r := newRig(t)
	r.edit = func(c *Config) { c.Audit.Evidence = false }
	r.miner(2, func(all []batch.Rollout) { all[5].Finish = "other" }, nil)
	r.chain.SetHeight(20)
	r.finish(0)
}

// What somebody else has proven is left alone, and a proof that fails to get in costs
// the grader neither its verdicts nor another try.
func TestEvidenceIsSentOnceAndNeverInTheWayOfTheVerdicts(t *testing.T) {
	for name, crash := range map[string]int{"fails before": -1, "is lost on the way back": 1} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			sent := 0
			r.sender.Crash = func(m sdk.Msg) int {
				if _, ok := m.(*rollouttypes.MsgSubmitEvidence); ok {
					sent++
					return crash
				}
				return 0
			}
			r.miner(2, func(all []batch.Rollout) { all[5].Finish = "other" }, nil)
			r.chain.SetHeight(20)
			r.finish(max(0, crash))
			require.Equal(t, 1, sent)
			require.NotEqual(t, settlementtypes.VerdictCode_VERDICT_CODE_OK, r.verdict(2).Code)
		})
	}
	t.Run("another one was faster", func(t *testing.T) {
		r := newRig(t)
		r.node = proven{r.chain}
		r.miner(2, func(all []batch.Rollout) { all[5].Finish = "other" }, nil)
		r.chain.SetHeight(20)
		r.finish(0)
	})
}

// proven is a chain on which everything is proven already.
type proven struct{ Chain }

func (proven) Evidence(context.Context, uint64, uint64, sdk.AccAddress) (rollouttypes.Evidence, bool, error) {
	return rollouttypes.Evidence{}, true, nil
}

// A node that cannot tell whether the run has a tokenizer gets what needs none.
type mute struct{ Chain }

func (mute) Tokenizer(context.Context, uint64) ([]byte, bool, error) {
	return nil, false, errors.New("unimplemented")
}

func TestEvidenceWithoutWordOfATokenizerIsWhatNeedsNone(t *testing.T) {
	r := newRig(t)
	r.node = mute{r.chain}
	r.miner(2, func(all []batch.Rollout) { all[5].Finish = "other" }, nil)
	r.miner(3, func(all []batch.Rollout) { all[4].Reward = 1_000_000 - all[4].Reward }, nil)
	r.chain.SetHeight(20)
	r.finish(1)
}

// down is a way to the chain that is shut for evidence.
type down struct {
	*daemonchain.Sender
	asked atomic.Int32
}

func (d *down) Tx(ctx context.Context, msgs ...sdk.Msg) (client.Result, error) {
	if _, ok := msgs[0].(*rollouttypes.MsgSubmitEvidence); ok {
		d.asked.Add(1)
		return client.Result{}, client.ErrUnreachable
	}
	return d.Sender.Tx(ctx, msgs...)
}

// A process that ends after it decided, before its evidence is on chain, sends it in its
// next life; one whose evidence is there does not send it again.
func TestEvidenceOutlivesTheProcess(t *testing.T) {
	for name, first := range map[string]func(r *rig) (ended func() bool){
		"killed before the hash": func(r *rig) func() bool {
			var dead atomic.Bool
			r.sender.Crash = func(sdk.Msg) int {
				dead.Store(true)
				return -1
			}
			return dead.Load
		},
		"the node is away": func(r *rig) func() bool {
			d := &down{Sender: r.sender}
			r.way = d
			return func() bool { return d.asked.Load() > 0 }
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.chain.SetTokenizer([]byte("a file; the stand-in for the chain has it parsed"))
			r.miner(1, nil, nil)
			r.miner(3, func(all []batch.Rollout) { all[4].Reward = 1_000_000 - all[4].Reward }, nil)
			r.chain.SetHeight(20)
			var sent atomic.Int32
			ended := first(r)
			v := r.start(nil)
			r.chain.StartAudit()
			require.Eventually(t, ended, 10*time.Second, time.Millisecond)
			require.NoError(t, v.stop())
			_, found, err := decided(r)
			require.NoError(t, err)
			require.True(t, found)
			require.Empty(t, r.chain.Proven())

			// The grader's part in the window is over when it comes back.
			r.chain.SetHeight(r.chain.CurrentWindow().RevealEnd + 1)
			r.way = nil
			r.sender.Crash = func(m sdk.Msg) int {
				if _, ok := m.(*rollouttypes.MsgSubmitEvidence); ok {
					sent.Add(1)
				}
				return 0
			}
			for range 2 {
				v = r.start(nil)
				require.Eventually(t, func() bool { return len(r.chain.Proven()) == 1 }, 10*time.Second, time.Millisecond)
				require.Eventually(t, func() bool {
					all, err := v.journal.owed()
					return err == nil && len(all) == 0
				}, 10*time.Second, time.Millisecond)
				require.NoError(t, v.stop())
			}
			require.EqualValues(t, 1, sent.Load())
			require.Equal(t, minerAddress(3).String(), r.chain.Proven()[0].Miner)
		})
	}
}
