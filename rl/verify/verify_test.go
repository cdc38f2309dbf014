package verify

import (
	"bytes"
	"crypto/sha256"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

const end = 2 // the arithmetic tokenizer's <eos>

func testTokenizer(t testing.TB) tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.Load(tokenizer.ArithmeticFile())
	require.NoError(t, err)
	return tok
}

func challenge(t testing.TB) Challenge {
	t.Helper()
	e, err := env.Lookup("arithmetic-3")
	require.NoError(t, err)
	ck := sha256.Sum256([]byte("checkpoint"))
	return Challenge{
		ChainID: "galahad-local-1", Run: 1, Window: 9, Opening: derive.Derive("galahad-local-1", "open", []byte("r")),
		Checkpoint: ck[:], Miner: bytes.Repeat([]byte{7}, 20), Groups: 3, GroupSize: 4,
		Mix:        []env.MixEntry{{Env: e.ID(), Digest: e.Digest(), Weight: 1}},
		Generation: Generation{TemperatureBits: math.Float32bits(1), TopPMillionths: 1_000_000, MaxNew: 12, EndTokens: []int32{end}},
		VocabSize:  32, ContextLength: 64,
	}
}

// honest answers the challenge as a model might: the right answer, a wrong one,
// or one that hits the length limit. Log-probabilities are not checked here.
func honest(t testing.TB, c Challenge) []batch.Rollout {
	t.Helper()
	tok := testTokenizer(t)
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
			ids = append(ids, end)
		}
		out = append(out, batch.Rollout{
			Run: c.Run, Window: c.Window, Checkpoint: c.Checkpoint, Miner: c.Miner, Group: i / c.GroupSize, Index: i % c.GroupSize,
			Env: a.Env.ID(), Prompt: a.Prompt, Completion: ids, LogProbs: make([]byte, 4*len(ids)), Finish: finish,
			Reward: env.Judge(a.Env, tok, a.Problem, ids, c.Generation.EndTokens),
		})
	}
	return out
}

func leavesOf(t testing.TB, rs []batch.Rollout) [][]byte {
	t.Helper()
	b, err := batch.New(rs)
	require.NoError(t, err)
	return b.Leaves
}

func run(t testing.TB, c Challenge, leaves [][]byte) (Result, []batch.Rollout) {
	t.Helper()
	return Batch(c, testTokenizer(t), batch.Batch{Leaves: leaves}.Root(), leaves)
}

func TestAnHonestBatchPasses(t *testing.T) {
	c := challenge(t)
	rs := honest(t, c)
	leaves := leavesOf(t, rs)
	res, got := run(t, c, leaves)
	require.Equal(t, Result{Code: OK}, res)
	require.Len(t, got, len(rs))
	rewarded := 0
	for i, r := range got {
		require.Equal(t, rs[i].Completion, r.Completion)
		if r.Reward > 0 {
			rewarded++
		}
		one, r2 := Leaf(c, testTokenizer(t), uint64(i), leaves[i])
		require.Equal(t, OK, one.Code)
		require.Equal(t, r, r2)
	}
	require.Equal(t, 6, rewarded)
}

// change applies f to rollout at and returns the batch's leaves.
func change(t *testing.T, c Challenge, at int, f func(*batch.Rollout)) [][]byte {
	t.Helper()
	rs := honest(t, c)
	f(&rs[at])
	return leavesOf(t, rs)
}

// Each case is one lie in one leaf. Leaf 4 is a right answer, 5 a wrong one, 6
// one of 12 tokens without an end.
func TestEachLieGetsItsCode(t *testing.T) {
	c := challenge(t)
	ids := func(r *batch.Rollout, tokens ...int32) {
		r.Completion, r.LogProbs = tokens, make([]byte, 4*len(tokens))
	}
	repeat := func(id int32, n int) (out []int32) {
		for range n {
			out = append(out, id)
		}
		return out
	}
	for name, k := range map[string]struct {
		at   int
		lie  func(r *batch.Rollout)
		code Code
	}{
		"proof bytes":            {4, func(r *batch.Rollout) { r.Proof = []byte{0} }, BadEncoding},
		"larger than the run":    {4, func(r *batch.Rollout) { ids(r, repeat(5, 3000)...) }, BadEncoding},
		"run":                    {4, func(r *batch.Rollout) { r.Run++ }, BadBinding},
		"window":                 {4, func(r *batch.Rollout) { r.Window-- }, BadBinding},
		"checkpoint":             {4, func(r *batch.Rollout) { r.Checkpoint = make([]byte, 32) }, BadBinding},
		"miner":                  {4, func(r *batch.Rollout) { r.Miner = bytes.Repeat([]byte{8}, 20) }, BadBinding},
		"miner, longer":          {4, func(r *batch.Rollout) { r.Miner = bytes.Repeat([]byte{7}, 21) }, BadBinding},
		"group":                  {4, func(r *batch.Rollout) { r.Group++ }, BadBinding},
		"index":                  {4, func(r *batch.Rollout) { r.Index++ }, BadBinding},
		"environment":            {4, func(r *batch.Rollout) { r.Env = "arithmetic-2" }, BadPrompt},
		"easier prompt":          {4, func(r *batch.Rollout) { r.Prompt = []int32{1, 4, 13, 4, 16} }, BadPrompt},
		"no prompt":              {4, func(r *batch.Rollout) { r.Prompt = nil }, BadPrompt},
		"longer prompt":          {4, func(r *batch.Rollout) { r.Prompt = append(r.Prompt, 3) }, BadPrompt},
		"too long":               {6, func(r *batch.Rollout) { ids(r, repeat(5, 13)...) }, BadTokens},
		"token above the range":  {4, func(r *batch.Rollout) { r.Completion[0] = 32 }, BadTokens},
		"negative token":         {4, func(r *batch.Rollout) { r.Completion[0] = -1 }, BadTokens},
		"no completion":          {4, func(r *batch.Rollout) { ids(r) }, BadFinish},
		"end without end token":  {6, func(r *batch.Rollout) { r.Finish = batch.FinishEnd }, BadFinish},
		"length though it ended": {4, func(r *batch.Rollout) { r.Finish = batch.FinishLength }, BadFinish},
		"stopped early":          {6, func(r *batch.Rollout) { ids(r, repeat(5, 11)...) }, BadFinish},
		"padded after the end":   {4, func(r *batch.Rollout) { ids(r, append(r.Completion, 3)...) }, BadFinish},
		"end token twice":        {4, func(r *batch.Rollout) { ids(r, append(r.Completion, end)...) }, BadFinish},
		"end token at length":    {6, func(r *batch.Rollout) { r.Completion[11] = end }, BadFinish},
		"no such finish":         {4, func(r *batch.Rollout) { r.Finish = "stop" }, BadFinish},
		"forged reward":          {5, func(r *batch.Rollout) { r.Reward = env.FullReward }, BadReward},
		"reward given away":      {4, func(r *batch.Rollout) { r.Reward = 0 }, BadReward},
		"reward above one":       {4, func(r *batch.Rollout) { r.Reward = math.MaxUint32 }, BadReward},
		"reward at the limit":    {6, func(r *batch.Rollout) { r.Reward = 1 }, BadReward},
	} {
		leaves := change(t, c, k.at, k.lie)
		res, rs := run(t, c, leaves)
		require.Equal(t, k.code, res.Code, "%s: %s", name, res)
		require.Equal(t, uint64(k.at), res.Leaf, name)
		require.NotEmpty(t, res.Detail, name)
		require.Nil(t, rs, name)
		one, _ := Leaf(c, testTokenizer(t), uint64(k.at), leaves[k.at])
		require.Equal(t, res, one, name)
	}
}

func TestUndecodableLeaf(t *testing.T) {
	c := challenge(t)
	for _, junk := range [][]byte{nil, {0xff}, []byte("junk")} {
		leaves := leavesOf(t, honest(t, c))
		leaves[7] = junk
		res, _ := run(t, c, leaves)
		require.Equal(t, BadEncoding, res.Code)
		require.Equal(t, uint64(7), res.Leaf)
	}
}

// A group's indices are all there, once: a missing, a surplus, a repeated or a
// swapped leaf breaks the binding.
func TestEveryPlaceIsFilledOnce(t *testing.T) {
	c := challenge(t)
	full := leavesOf(t, honest(t, c))
	for name, k := range map[string]struct {
		leaves [][]byte
		leaf   uint64
	}{
		"empty":      {nil, 0},
		"missing":    {full[:11], 11},
		"surplus":    {append(append([][]byte{}, full...), full[0]), 12},
		"skipped":    {append(append([][]byte{}, full[:4]...), full[8:]...), 4},
		"repeated":   {append(append(append([][]byte{}, full[:5]...), full[4]), full[6:]...), 5},
		"first only": {full[:1], 1},
	} {
		res, _ := run(t, c, k.leaves)
		require.Equal(t, BadBinding, res.Code, name)
		require.Equal(t, k.leaf, res.Leaf, name)
	}
}

func TestTheFirstFailureCounts(t *testing.T) {
	c := challenge(t)
	rs := honest(t, c)
	rs[9].Run++      // check 2 at leaf 9
	rs[5].Reward = 7 // check 6 at leaf 5: the lower leaf wins
	rs[5].Prompt = nil
	res, _ := run(t, c, leavesOf(t, rs)) // check 3 before check 6
	require.Equal(t, BadPrompt, res.Code)
	require.Equal(t, uint64(5), res.Leaf)
}

func TestDuplicateLeaves(t *testing.T) {
	seen := map[[32]byte]uint64{}
	require.Equal(t, OK, checkDuplicate(seen, 0, []byte("a")).Code)
	require.Equal(t, OK, checkDuplicate(seen, 1, []byte("b")).Code)
	res := checkDuplicate(seen, 2, []byte("a"))
	require.Equal(t, Duplicate, res.Code)
	require.Equal(t, uint64(2), res.Leaf)
}

// Bytes of another root are not the miner's: whoever serves them must not get it
// slashed.
func TestLeavesOfAnotherRootAreUnavailable(t *testing.T) {
	c := challenge(t)
	leaves := leavesOf(t, honest(t, c))
	root := batch.Batch{Leaves: leaves}.Root()
	leaves[0] = []byte("junk")
	res, _ := Batch(c, testTokenizer(t), root, leaves)
	require.Equal(t, Unavailable, res.Code)
	require.False(t, res.Code.Hard())
}

func TestABrokenChallengeIsUndecided(t *testing.T) {
	good := challenge(t)
	leaves := leavesOf(t, honest(t, good))
	for name, f := range map[string]func(*Challenge){
		"no mix":        func(c *Challenge) { c.Mix = nil },
		"other digest":  func(c *Challenge) { c.Mix = []env.MixEntry{{Env: "arithmetic-3", Weight: 1}} },
		"no groups":     func(c *Challenge) { c.Groups = 0 },
		"no group size": func(c *Challenge) { c.GroupSize = 0 },
		"overflow":      func(c *Challenge) { c.Groups, c.GroupSize = math.MaxUint64, math.MaxUint64 },
		"no vocabulary": func(c *Challenge) { c.VocabSize = 0 },
		"no context":    func(c *Challenge) { c.ContextLength = -1 },
		"no end tokens": func(c *Challenge) { c.Generation.EndTokens = nil },
	} {
		c := good
		f(&c)
		res, _ := run(t, c, leaves)
		require.Equal(t, Undecided, res.Code, name)
	}
	res, _ := Batch(good, nil, batch.Batch{Leaves: leaves}.Root(), leaves)
	require.Equal(t, Undecided, res.Code)
	res, _ = Leaf(good, testTokenizer(t), good.Leaves(), leaves[0])
	require.Equal(t, Undecided, res.Code)
}

// panicking is a tokenizer with a bug.
type panicking struct{ tokenizer.Tokenizer }

func (panicking) Encode(string) ([]int32, error) { panic("bug") }

func TestAPanicInsideIsUndecided(t *testing.T) {
	c := challenge(t)
	leaves := leavesOf(t, honest(t, c))
	tok := panicking{testTokenizer(t)}
	res, _ := Batch(c, tok, batch.Batch{Leaves: leaves}.Root(), leaves)
	require.Equal(t, Undecided, res.Code)
	res, _ = Leaf(c, tok, 0, leaves[0])
	require.Equal(t, Undecided, res.Code)
}

func TestLimitIsTheShorterOfMaxNewAndContext(t *testing.T) {
	c := challenge(t)
	for _, k := range []struct{ maxNew, context, prompt, want int }{
		{12, 64, 9, 12}, {12, 20, 9, 11}, {12, 21, 9, 12}, {12, 9, 9, 0}, {12, 8, 9, 0}, {math.MaxUint32, 64, 9, 55},
	} {
		c.Generation.MaxNew, c.ContextLength = uint32(k.maxNew), k.context
		require.Equal(t, k.want, c.Limit(k.prompt), "%+v", k)
	}
}

func TestCodes(t *testing.T) {
	for c := Unspecified; c <= Undecided; c++ {
		got, ok := ParseCode(c.String())
		require.True(t, ok)
		require.Equal(t, c, got)
		require.Equal(t, c >= 2 && c <= 13, c.Hard())
		require.Equal(t, c >= 14, c.Abstains())
	}
	require.Equal(t, "bad_sample", BadSample.String())
	require.Equal(t, uint32(9), uint32(BadSample))
	require.Equal(t, "code_16", Code(16).String())
	require.False(t, Code(16).Known() || Code(16).Hard() || Code(math.MaxUint32).Known())
	_, ok := ParseCode("fine")
	require.False(t, ok)
}

func FuzzLeaf(f *testing.F) {
	c := challenge(f)
	tok := testTokenizer(f)
	for i, leaf := range leavesOf(f, honest(f, c)) {
		f.Add(uint64(i), leaf)
	}
	want := leavesOf(f, honest(f, c))
	f.Fuzz(func(t *testing.T, i uint64, leaf []byte) {
		res, r := c.fuzzLeaf(tok, i%c.Leaves(), leaf)
		if !res.Code.Known() || res.Code == Unspecified || res.Code.Abstains() {
			t.Fatalf("code %s", res.Code)
		}
		if res.Code == OK && !bytes.Equal(leaf, want[i%c.Leaves()]) {
			if again, err := r.Encode(); err != nil || !bytes.Equal(again, leaf) {
				t.Fatalf("accepted bytes that are not canonical: %x", leaf)
			}
		}
	})
}

// fuzzLeaf is Leaf without its recover, so that a panic is seen.
func (c Challenge) fuzzLeaf(tok tokenizer.Tokenizer, i uint64, leaf []byte) (Result, batch.Rollout) {
	a, err := c.Assign(tok, i/c.GroupSize)
	if err != nil {
		return undecided(err.Error()), batch.Rollout{}
	}
	r, res := c.leaf(tok, a, i, leaf)
	return res, r
}
