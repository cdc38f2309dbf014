package lineage_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
	"github.com/galahad-network/galahad/testutil/shipped"
	"github.com/galahad-network/galahad/testutil/tiny"
)

const chainID = "galahad-local-1"

var recipe = lineage.Recipe{Hyperparameters: grpo.Default(), MinGroups: 2}

// history is a chain with its run's checkpoints, and a server that has their files.
type history struct {
	t        *testing.T
	versions []lineage.Checkpoint
	window   lineage.Window    // every one is like this
	sampled  map[uint64]uint64 // window -> version that sampled it; 0 where it says nothing
	dir      string
	url      string
	trainer  *engine.Trainer // in the newest version's state
	secret   lineage.Secret  // of the step made last
	metrics  grpo.Metrics
	lie      func(*engine.Trainer) // of the maker, before the state is sealed
}

func (h *history) ChainID() string { return chainID }

func (h *history) Checkpoint(_ context.Context, _, version uint64) (lineage.Checkpoint, bool, error) {
	if version >= uint64(len(h.versions)) {
		return lineage.Checkpoint{}, false, nil
	}
	return h.versions[version], true, nil
}

func (h *history) Window(_ context.Context, run, window uint64) (lineage.Window, error) {
	w := h.window
	w.Challenge.Run, w.Challenge.Window, w.Version = run, window, h.sampled[window]
	w.Challenge.Checkpoint, w.Challenge.GroupSize = h.versions[w.Version].Digest, 4
	w.Batches = []lineage.Batch{{Groups: 256, Bytes: 1 << 20}}
	return w, nil
}

func newHistory(t *testing.T) *history {
	t.Helper()
	h := &history{t: t, dir: t.TempDir(), trainer: engine.NewTrainer(tiny.Model(t, "base"), engine.Options{Threads: 1})}
	server := httptest.NewServer(http.FileServer(http.Dir(h.dir)))
	t.Cleanup(server.Close)
	h.url = server.URL
	manifest, _, err := checkpoint.Write(h.dir, h.trainer.Model(), tokenizer.ArithmeticFile(), checkpoint.Options{})
	require.NoError(t, err)
	h.versions = []lineage.Checkpoint{{Digest: manifest.Digest(), Locator: h.locator(manifest.Digest())}}
	h.window = lineage.Window{
		Challenge: verify.Challenge{Generation: verify.Generation{TemperatureBits: math.Float32bits(1)}}, Recipe: recipe,
	}
	return h
}

func (h *history) locator(digest []byte) string { return fmt.Sprintf("%s/%x/", h.url, digest) }

// step trains and seals a version that is made on the rollouts in a way of its maker's.
func (h *history) step(leaves [][]byte, r lineage.Recipe) lineage.Made {
	h.t.Helper()
	parent := h.versions[len(h.versions)-1]
	s := lineage.Step{Version: parent.Version + 1, Leaves: leaves, TemperatureBits: math.Float32bits(1), Recipe: r}
	return h.make(s, parent)
}

// stepOn is step with recomputed log-probabilities.
func (h *history) stepOn(leaves [][]byte, logProbs [][]float32, r lineage.Recipe) lineage.Made {
	h.t.Helper()
	parent := h.versions[len(h.versions)-1]
	return h.make(lineage.Step{Version: parent.Version + 1, Leaves: leaves, LogProbs: logProbs, TemperatureBits: math.Float32bits(1), Recipe: r}, parent)
}

func (h *history) make(s lineage.Step, parent lineage.Checkpoint) lineage.Made {
	h.t.Helper()
	metrics, err := lineage.Train(h.t.Context(), h.trainer, s)
	require.NoError(h.t, err)
	h.secret, h.metrics = lineage.Secret(metrics.Gradient), metrics
	if h.lie != nil {
		h.lie(h.trainer)
	}
	made, err := lineage.Seal(h.dir, chainID, parent, s, h.trainer, tokenizer.ArithmeticFile())
	require.NoError(h.t, err)
	return made
}

// publish says that made is the next version, made on the rollouts.
func (h *history) publish(made lineage.Made, leaves [][]byte) lineage.Checkpoint {
	h.t.Helper()
	parent := h.versions[len(h.versions)-1]
	folder := checkpoint.Dir(h.dir, made.Digest)
	var file bytes.Buffer
	require.NoError(h.t, batch.Batch{Leaves: leaves}.WriteFile(&file))
	require.NoError(h.t, os.WriteFile(filepath.Join(folder, lineage.RolloutsFile), file.Bytes(), 0o600))
	require.NoError(h.t, os.WriteFile(filepath.Join(folder, lineage.StateFile), made.State, 0o600))
	c := lineage.Checkpoint{
		Version: parent.Version + 1, Parent: parent.Digest, Digest: made.Digest, Locator: h.locator(made.Digest), TrainedWindows: windowsOf(h.t, leaves),
		RolloutSet: batch.Batch{Leaves: leaves}.Root(), StateHash: made.StateHash, StepKey: h.secret.Key(),
	}
	h.versions = append(h.versions, c)
	return c
}

// windowsOf are the windows of a rollout set, in its order.
func windowsOf(t *testing.T, leaves [][]byte) (out []uint64) {
	t.Helper()
	for _, leaf := range leaves {
		r, err := batch.Decode(leaf)
		require.NoError(t, err)
		if !slices.Contains(out, r.Window) {
			out = append(out, r.Window)
		}
	}
	return out
}

func (h *history) windows(c lineage.Checkpoint) lineage.Windows {
	h.t.Helper()
	out, err := lineage.ReadWindows(h.t.Context(), h, 1, c)
	require.NoError(h.t, err)
	return out
}

func (h *history) replayer() *lineage.Replayer {
	return &lineage.Replayer{
		Chain: h, Run: 1, Dir: h.t.TempDir(), Options: engine.Options{Threads: 2},
		Files: lineage.Files{MaxStateBytes: 1 << 24, MaxRolloutsBytes: 1 << 24},
	}
}

// replay of the newest version by somebody who has only what is public.
func (h *history) replay(r *lineage.Replayer) lineage.Report {
	h.t.Helper()
	c := h.versions[len(h.versions)-1]
	leaves, err := r.Files.Rollouts(h.t.Context(), c, h.windows(c))
	require.NoError(h.t, err)
	report, err := r.Replay(h.t.Context(), c, h.windows(c), leaves)
	require.NoError(h.t, err)
	return report
}

// rollouts of two miners, with rewards set by hand: an untrained model earns none.
func rollouts(t *testing.T, window uint64) (leaves [][]byte) {
	t.Helper()
	return sampledBy(t, tiny.Engine(t, "base"), window)
}

func sampledBy(t *testing.T, eng *engine.Engine, window uint64) (leaves [][]byte) {
	t.Helper()
	for miner := byte(1); miner <= 2; miner++ {
		c := tiny.Challenge(t, miner)
		c.Window = window
		made, err := generate.Groups(t.Context(), eng, tiny.Tokenizer(t), c, []uint64{0, 1, 2})
		require.NoError(t, err)
		for i := range made {
			made[i].Reward = uint32(sha256.Sum256(fmt.Append(nil, window, miner, i))[0]%2) * 1_000_000
		}
		b, err := batch.New(made)
		require.NoError(t, err)
		leaves = append(leaves, b.Leaves...)
	}
	return leaves
}

func TestAnHonestStepIsReplayedToTheBit(t *testing.T) {
	h := newHistory(t)
	along := h.replayer()
	for v := range uint64(3) {
		leaves := rollouts(t, v)
		h.publish(h.step(leaves, recipe), leaves)
		require.True(t, h.replay(along).Match, "who follows from the base on")
		late := h.replay(h.replayer())
		require.True(t, late.Match, "who comes later and downloads the parent's state")
		require.Equal(t, h.secret, late.Secret)
		told, err := json.Marshal(late)
		require.NoError(t, err)
		require.NotContains(t, string(told), fmt.Sprintf("%x", h.secret[:8]), "a report may be shown to all")
		require.NotContains(t, string(told), strings.Trim(strings.ReplaceAll(fmt.Sprint(h.secret[:4]), " ", ","), "[]"))
	}
}

// In a tolerant run miners' log-probabilities are near the right ones and no more. Steps are made on recomputed ones, so
// what was claimed changes no weight; a step that was made on the claims does not match.
func TestATolerantStepIsMadeOnRecomputedLogProbabilities(t *testing.T) {
	honest := rollouts(t, 0)
	claims := func(add float32) (leaves [][]byte) {
		for _, leaf := range honest {
			r, err := batch.Decode(leaf)
			require.NoError(t, err)
			bits := r.LogProbBits()
			for i := range bits {
				bits[i] = math.Float32bits(math.Float32frombits(bits[i]) + add)
			}
			r.LogProbs = batch.PackBits(bits)
			leaf, err := r.Encode()
			require.NoError(t, err)
			leaves = append(leaves, leaf)
		}
		return leaves
	}
	challenge := tiny.Challenge(t, 1)
	var digests [][]byte
	for _, add := range []float32{0, 0.2} {
		h := newHistory(t)
		h.window.Challenge.Generation, h.window.Challenge.Tolerance = challenge.Generation, &verify.Tolerance{}
		leaves := claims(add)
		decoded, err := batch.Batch{Leaves: leaves}.Rollouts()
		require.NoError(t, err)
		recomputed, err := replay.LogProbs(t.Context(), tiny.Engine(t, "base"), challenge.Generation, decoded)
		require.NoError(t, err)
		made := h.stepOn(leaves, recomputed, recipe)
		digests = append(digests, made.Digest)
		h.publish(made, leaves)
		require.True(t, h.replay(h.replayer()).Match)

		h = newHistory(t)
		h.window.Challenge.Generation, h.window.Challenge.Tolerance = challenge.Generation, &verify.Tolerance{}
		h.publish(h.step(leaves, recipe), leaves)
		require.Equal(t, add == 0, h.replay(h.replayer()).Match, "made on claims that are off by %v", add)
	}
	require.Equal(t, digests[0], digests[1])
}

// Each lie about a step shows in a replay from public data, and the report says where.
func TestAWrongCheckpointDoesNotMatch(t *testing.T) {
	leaves := rollouts(t, 0)
	flipped := func(h *history) lineage.Made {
		made := h.step(leaves, recipe)
		loaded, err := checkpoint.Load(made.Folder, made.Digest)
		require.NoError(t, err)
		last := loaded.Model.TensorNames()[len(loaded.Model.TensorNames())-1]
		lie, err := loaded.Model.Map(func(name string, _ []int, data []float32) []float32 {
			if name == last {
				data[7] = math.Float32frombits(math.Float32bits(data[7]) ^ 1<<16) // the last bit of its bfloat16
			}
			return data
		})
		require.NoError(t, err)
		manifest, folder, err := checkpoint.Write(h.dir, lie, tokenizer.ArithmeticFile(), checkpoint.Options{Version: 1, Parent: h.versions[0].Digest})
		require.NoError(t, err)
		made.Digest, made.Folder = manifest.Digest(), folder
		hash := checkpoint.StateHash(chainID, h.versions[0].Chained(chainID), made.Digest, made.StateSum, batch.Batch{Leaves: leaves}.Root())
		made.StateHash = hash[:]
		return made
	}
	faster := recipe
	faster.LearningRate *= 1.01
	for name, c := range map[string]struct {
		made func(h *history) lineage.Made
		says string
	}{
		"one bit of one weight flipped": {flipped, "1 of "},
		"one rollout left out":          {func(h *history) lineage.Made { return h.step(leaves[1:], recipe) }, "tensor "},
		"another learning rate":         {func(h *history) lineage.Made { return h.step(leaves, faster) }, "tensor "},
		"another state":                 {func(h *history) lineage.Made { m := h.step(leaves, recipe); m.StateHash[0] ^= 1; return m }, "the state hash does not"},
		"another step key":              {func(h *history) lineage.Made { m := h.step(leaves, recipe); h.secret[0] ^= 1; return m }, "the step key does not"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(t)
			h.publish(c.made(h), leaves)
			report := h.replay(h.replayer())
			require.False(t, report.Match)
			require.Contains(t, report.Detail, c.says)
		})
	}
	t.Run("a step of groups without signal", func(t *testing.T) {
		h := newHistory(t)
		h.publish(h.step(leaves, recipe), equal(t, leaves))
		report := h.replay(h.replayer())
		require.False(t, report.Match)
		require.Contains(t, report.Detail, "no step")
	})
}

// The base solves some of the problems, so a count is more than 0.
func TestTheEvaluationIsMeasuredAgain(t *testing.T) {
	base := shipped.Base(t)
	set := lineage.Window{Challenge: shipped.Challenge(t), EvaluationProblems: 2*64 + 2}.EvaluationSet()
	measure := func(set lineage.EvaluationSet, threads int) lineage.Evaluation {
		e, err := set.Measure(t.Context(), engine.New(base.Model, engine.Options{Threads: threads}), base.Tokenizer)
		require.NoError(t, err)
		return e
	}
	first := measure(set, 1)
	require.Equal(t, set.Problems, first.Problems)
	require.Positive(t, first.Correct)
	require.Less(t, first.Correct, first.Problems/2)
	require.Equal(t, first, measure(set, 2), "on any number of threads")
	other := set
	other.Run++
	require.NotEqual(t, first, measure(other, 2), "another run asks other problems")
	for i := range uint64(set.Problems) {
		_, held, err := env.AssignHeldOut(set.Mix, derive.EvaluationSeed(set.ChainID, set.Run, i))
		require.NoError(t, err)
		require.True(t, env.IsHeldOut(held.Key))
	}

	h := newHistory(t)
	h.window.Challenge, h.window.EvaluationProblems = tiny.Challenge(t, 1), 20
	leaves := rollouts(t, 0)
	made := h.step(leaves, recipe)
	measured, err := made.Measure(t.Context(), h.window.EvaluationSet(), engine.Options{Threads: 1})
	require.NoError(t, err)
	h.publish(made, leaves)
	claim := &h.versions[1].Evaluation
	*claim = measured
	require.True(t, h.replay(h.replayer()).Match)
	claim.Correct++
	report := h.replay(h.replayer())
	require.False(t, report.Match)
	require.Contains(t, report.Detail, "the evaluation does not: 0 of 20 held-out problems are right, published are 1")
}

// equal gives all rollouts the reward 0.
func equal(t *testing.T, leaves [][]byte) (out [][]byte) {
	t.Helper()
	for _, leaf := range leaves {
		r, err := batch.Decode(leaf)
		require.NoError(t, err)
		r.Reward = 0
		leaf, err := r.Encode()
		require.NoError(t, err)
		out = append(out, leaf)
	}
	return out
}

// A replay never begins from a state that the chain did not hash, and never takes another rollout set.
func TestFilesThatLieAreRefused(t *testing.T) {
	h := newHistory(t)
	for v := range uint64(2) {
		leaves := rollouts(t, v)
		h.publish(h.step(leaves, recipe), leaves)
	}
	one, two := h.versions[1], h.versions[2]
	leaves, err := h.replayer().Files.Rollouts(t.Context(), two, h.windows(two))
	require.NoError(t, err)
	spoil := func(c lineage.Checkpoint, name string) {
		path := filepath.Join(checkpoint.Dir(h.dir, c.Digest), name)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		data[len(data)/2] ^= 1
		require.NoError(t, os.WriteFile(path, data, 0o600))
	}
	_, err = h.replayer().Replay(t.Context(), two, h.windows(two), leaves[1:])
	require.ErrorIs(t, err, lineage.ErrRollouts)
	small := h.replayer()
	small.Files.MaxStateBytes = 100
	_, err = small.Replay(t.Context(), two, h.windows(two), leaves)
	require.ErrorIs(t, err, checkpoint.ErrTooLarge)
	spoil(one, lineage.StateFile)
	_, err = h.replayer().Replay(t.Context(), two, h.windows(two), leaves)
	require.ErrorIs(t, err, lineage.ErrState)
	spoil(two, lineage.RolloutsFile)
	_, err = h.replayer().Files.Rollouts(t.Context(), two, h.windows(two))
	require.Error(t, err)
	require.True(t, errors.Is(err, batch.ErrFile) || errors.Is(err, batch.ErrRoot), err)
	orphan := two
	orphan.Parent = bytes.Repeat([]byte{1}, 32)
	_, err = h.replayer().Replay(t.Context(), orphan, h.windows(two), leaves)
	require.ErrorIs(t, err, lineage.ErrParent)
}

// shelf has batches by root.
type shelf map[string]batch.Batch

func (s shelf) Fetch(_ context.Context, b lineage.Batch, _ uint64) (batch.Batch, error) {
	got, ok := s[string(b.Root)]
	if !ok {
		return batch.Batch{}, errors.New("not here")
	}
	return got, nil
}

// What a version says that it was trained on is held against the miners' commitments.
func TestARolloutSetIsWhatTheRuleChooses(t *testing.T) {
	eng, tok := tiny.Engine(t, "base"), tiny.Tokenizer(t)
	have := shelf{}
	var w lineage.Window
	var sets [][][]byte // of each miner
	for miner := byte(1); miner <= 3; miner++ {
		c := tiny.Challenge(t, miner)
		made, err := generate.Groups(t.Context(), eng, tok, c, []uint64{0, 1, 2})
		require.NoError(t, err)
		if miner == 2 {
			made[5].LogProbs[0] ^= 1 // group 1 of 4 rollouts each
		}
		b, err := batch.New(made)
		require.NoError(t, err)
		w.Challenge = c
		w.Batches = append(w.Batches, lineage.Batch{Miner: c.Miner, Name: fmt.Sprint("miner ", miner), Root: b.Root(), Groups: 3, Bytes: b.PayloadBytes()})
		have[string(b.Root())] = b
		sets = append(sets, b.Leaves)
	}
	k := w.Challenge.GroupSize
	sets[1] = append(append([][]byte{}, sets[1][:k]...), sets[1][2*k:]...)
	w.Challenge.Miner, w.Challenge.Groups = nil, 0
	collector := lineage.Collector{Fetcher: have, Tokenizer: tok, Parallel: 2, Log: slog.New(slog.DiscardHandler)}

	set, err := collector.Collect(t.Context(), eng, w)
	require.NoError(t, err)
	require.Equal(t, join(sets...), set.Leaves)
	require.Equal(t, 8, set.Groups)
	require.Len(t, set.Failed, 1)
	require.Equal(t, w.Batches[1].Miner, set.Failed[0].Miner)
	require.EqualValues(t, 5, set.Failed[0].Result.Leaf)
	require.EqualValues(t, 4, k, "the test's leaf is in group 1")

	left, err := collector.Chose(t.Context(), eng, w, set.Leaves)
	require.NoError(t, err)
	require.Zero(t, left)
	left, err = collector.Chose(t.Context(), eng, w, join(sets[0], sets[2]))
	require.NoError(t, err)
	require.Equal(t, 1, left)

	stranger := tiny.Challenge(t, 9)
	foreign, err := generate.Groups(t.Context(), eng, tok, stranger, []uint64{0})
	require.NoError(t, err)
	alien, err := batch.New(foreign)
	require.NoError(t, err)
	for name, lie := range map[string][][]byte{
		"a rollout left out":            join(sets[0][1:], sets[1], sets[2]),
		"a group left out":              join(sets[0][k:], sets[1], sets[2]),
		"the group that fails":          join(sets[0], have[string(w.Batches[1].Root)].Leaves, sets[2]),
		"miners in another order":       join(sets[1], sets[0], sets[2]),
		"a rollout twice":               join(sets[0], sets[1], sets[2], sets[2][:1]),
		"a miner who committed nothing": join(sets[0], sets[1], sets[2], alien.Leaves),
		"rubbish":                       {[]byte("rubbish")},
	} {
		_, err := collector.Chose(t.Context(), eng, w, lie)
		require.ErrorIs(t, err, lineage.ErrRollouts, name)
	}
	delete(have, string(w.Batches[0].Root))
	_, err = collector.Chose(t.Context(), eng, w, set.Leaves)
	require.ErrorIs(t, err, lineage.ErrUnavailable)
	require.True(t, strings.Contains(err.Error(), "1 of the 3"), err)
}

func join(parts ...[][]byte) (out [][]byte) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
