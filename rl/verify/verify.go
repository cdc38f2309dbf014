// Package verify runs the checks of a rollout that need no model. It is integer
// only and pure, so that graders, miners (before they commit) and the chain
// (evidence) run the same code.
//
//	1 bad_encoding  decodes, canonical, sizes within the run's bounds, as many proof
//	                bytes as the run asks for, log-probabilities finite
//	2 bad_binding   run, window, checkpoint, miner, group and index are those of
//	                the leaf's place in the committed batch; every place is filled
//	3 bad_prompt    environment and prompt are the group's, token for token, and so are
//	                the environment's replies in a completion of several turns,
//	                whose log-probabilities are +0 bits
//	4 bad_tokens    ids in the vocabulary; no more than L tokens
//	5 bad_finish    "end": the episode is over with the last token, an end token, and
//	                not before; "length": it is not, and L leaves no room for the next
//	                token and the reply that is due before it. Where there are no
//	                replies: exactly L tokens, none an end token
//	6 bad_reward    the environment's reward of the completion
//	7 duplicate     no two leaves are the same bytes. Check 2 already fails the
//	                second of two equal leaves, since each place has its own group
//	                and index; the check stays, as a second lock on that door
//
// L = min(max_new, context - prompt length). env.Read reads a completion. A leaf stops at its first failure,
// and the result of a batch is that of the first failing leaf.
//
// Checks 8 to 12 run the model: package replay.
package verify

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

// Generation is how a run samples; it is frozen into a window.
type Generation struct {
	TemperatureBits uint32  // f32 bits; 0 is greedy
	TopK            uint32  // 0 = off
	TopPMillionths  uint32  // 1000000 = off
	MaxNew          uint32  // completion tokens at most
	EndTokens       []int32 // a completion ends with the first of them
}

// Challenge is what a miner's batch of a window must answer to: everything in
// it is frozen on chain before the window opens, but for Groups, which the
// commitment states.
type Challenge struct {
	ChainID       string
	Run, Window   uint64
	Opening       derive.Seed // opening seed of the window
	Audit         derive.Seed // audit seed; zero until it is known. Only the work root and the lottery need it
	Checkpoint    []byte      // digest of the active checkpoint, 32 bytes
	Miner         []byte      // address, raw bytes
	Groups        uint64      // groups committed; indices 0..Groups-1
	GroupSize     uint64      // K, rollouts a group
	Mix           []env.MixEntry
	Generation    Generation
	VocabSize     int // of the model: token ids are 0..VocabSize-1
	ContextLength int // positions the model can hold
	// Tolerance is nil where a rollout must be what the exact engine computes, to the bit.
	Tolerance *Tolerance
}

// ProofBytes is the length of the proof that a completion of so many tokens carries.
func (c Challenge) ProofBytes(tokens int) int {
	if c.Tolerance == nil {
		return 0
	}
	return c.Tolerance.Proof.Bytes(tokens)
}

// Leaves is the number of leaves of a complete batch, Groups*GroupSize.
func (c Challenge) Leaves() uint64 { return c.Groups * c.GroupSize }

// Limit is L of a prompt: the most tokens a completion may have. It is 0 when
// the prompt fills the context.
func (c Challenge) Limit(promptLen int) int {
	return max(0, min(int(min(c.Generation.MaxNew, 1<<30)), c.ContextLength-promptLen))
}

// GroupSeed is the seed of one of the miner's groups.
func (c Challenge) GroupSeed(group uint64) derive.Seed {
	return derive.GroupSeed(c.ChainID, c.Run, c.Window, c.Opening, c.Checkpoint, c.Miner, group)
}

// SampleSeed is the seed of the sampling stream of a rollout.
func (c Challenge) SampleSeed(group, index uint64) derive.Seed {
	return derive.SampleSeed(c.ChainID, c.GroupSeed(group), index)
}

// Mandatory lists, ascending, the leaves that every grader must replay: all of
// the groups that derive.AuditGroups draws with probability ppm parts per million.
func (c Challenge) Mandatory(ppm uint64) []uint64 {
	var leaves []uint64
	for _, g := range derive.AuditGroups(c.ChainID, c.Audit, c.Miner, c.Groups, ppm) {
		for i := uint64(0); i < c.GroupSize; i++ {
			leaves = append(leaves, g*c.GroupSize+i)
		}
	}
	return leaves
}

// Assignment is what a group must answer.
type Assignment struct {
	Env     env.Environment
	Problem env.Problem
	Prompt  []int32
}

// NewAssignment adds a problem's prompt. Error: that of Environment.Prompt.
func NewAssignment(tok tokenizer.Tokenizer, e env.Environment, p env.Problem) (Assignment, error) {
	prompt, err := e.Prompt(tok, p)
	return Assignment{Env: e, Problem: p, Prompt: prompt}, err
}

// Assign derives a group's environment, problem and prompt. Errors: those of
// env.Assign and Environment.Prompt; they are the run's fault, not the miner's.
func (c Challenge) Assign(tok tokenizer.Tokenizer, group uint64) (Assignment, error) {
	e, p, err := env.Assign(c.Mix, c.GroupSeed(group))
	if err != nil {
		return Assignment{}, err
	}
	return NewAssignment(tok, e, p)
}

// Given returns, for each of a group's completions, the positions that its environment wrote; see env.Read. They are nil,
// and nothing is derived, where no environment of the run answers. Errors: those of Assign.
func (c Challenge) Given(tok tokenizer.Tokenizer, group uint64, completions ...[]int32) ([]env.Given, error) {
	out := make([]env.Given, len(completions))
	if !c.Answers() {
		return out, nil
	}
	a, err := c.Assign(tok, group)
	if err != nil {
		return nil, err
	}
	for i, completion := range completions {
		out[i] = env.Read(a.Env, tok, a.Problem, completion, c.Generation.EndTokens).Given
	}
	return out, nil
}

// Answers reports whether some environment of the run has several turns; one that is not known here may.
func (c Challenge) Answers() bool {
	return slices.ContainsFunc(c.Mix, func(m env.MixEntry) bool {
		e, err := env.Lookup(m.Env)
		return err != nil || isMultiTurn(e)
	})
}

// MaxLeafBytes bounds an encoded rollout of the run: at most 5 bytes for each
// token of a full context, 4 for its log-probability, its proof, and 1 KiB for the rest.
func (c Challenge) MaxLeafBytes() int {
	tokens := max(0, min(c.ContextLength, batch.MaxTokens))
	return min(batch.MaxLeafBytes, 1024+9*tokens+c.ProofBytes(tokens))
}

// Batch runs checks 1 to 7 on a whole batch. root is the committed Merkle root,
// leaves the bytes that were fetched. The decoded rollouts are returned, in leaf
// order, only with OK.
//
// Leaves that do not hash to root are Unavailable, not a failure: whoever served
// them, they are not what the miner committed. A batch whose root matches but
// which has another number of leaves than Groups*GroupSize is BadBinding at the
// first missing or surplus leaf. A challenge that cannot be evaluated, or a panic
// inside, is Undecided.
func Batch(c Challenge, tok tokenizer.Tokenizer, root []byte, leaves [][]byte) (res Result, rollouts []batch.Rollout) {
	defer func() {
		if p := recover(); p != nil {
			res, rollouts = undecided(fmt.Sprintf("panic in a check: %v", p)), nil
		}
	}()
	if err := c.check(tok); err != nil {
		return undecided(err.Error()), nil
	}
	if got := (batch.Batch{Leaves: leaves}).Root(); !bytes.Equal(got, root) {
		return Result{Code: Unavailable, Detail: fmt.Sprintf("the leaves have root %x, committed is %x", got, root)}, nil
	}
	want, have := c.Leaves(), uint64(len(leaves))
	seen := make(map[[32]byte]uint64, len(leaves))
	var a Assignment
	for i := uint64(0); i < min(want, have); i++ {
		if i%c.GroupSize == 0 {
			var err error
			if a, err = c.Assign(tok, i/c.GroupSize); err != nil {
				return undecided(err.Error()), nil
			}
		}
		r, res := c.leaf(tok, a, i, leaves[i])
		if res.Code == OK {
			res = checkDuplicate(seen, i, leaves[i])
		}
		if res.Code != OK {
			return res, nil
		}
		rollouts = append(rollouts, r)
	}
	if have != want {
		return Result{Code: BadBinding, Leaf: min(want, have), Value: clamp(have), Threshold: clamp(want),
			Detail: fmt.Sprintf("the batch has %d leaves, %d groups of %d need %d", have, c.Groups, c.GroupSize, want)}, nil
	}
	return Result{Code: OK}, rollouts
}

// Leaf runs checks 1 to 6 on one leaf, number index of the batch. The caller has
// checked its Merkle path (batch.VerifyProof). The rollout is returned with OK.
func Leaf(c Challenge, tok tokenizer.Tokenizer, index uint64, leaf []byte) (res Result, r batch.Rollout) {
	defer func() {
		if p := recover(); p != nil {
			res, r = undecided(fmt.Sprintf("panic in a check: %v", p)), batch.Rollout{}
		}
	}()
	if err := c.check(tok); err != nil {
		return undecided(err.Error()), r
	}
	if index >= c.Leaves() {
		return undecided(fmt.Sprintf("leaf %d of %d", index, c.Leaves())), r
	}
	a, err := c.Assign(tok, index/c.GroupSize)
	if err != nil {
		return undecided(err.Error()), r
	}
	r, res = c.leaf(tok, a, index, leaf)
	return res, r
}

// check refuses a challenge that no batch could answer.
func (c Challenge) check(tok tokenizer.Tokenizer) error {
	if tok == nil {
		return fmt.Errorf("challenge without a tokenizer")
	}
	return c.checkBounds()
}

// checkBounds is check but for the tokenizer.
func (c Challenge) checkBounds() error {
	switch {
	case c.Groups == 0 || c.GroupSize == 0 || c.Groups > 1<<32 || c.GroupSize > 1<<20:
		return fmt.Errorf("challenge of %d groups of %d", c.Groups, c.GroupSize)
	case c.VocabSize < 1 || c.ContextLength < 1:
		return fmt.Errorf("challenge with vocabulary %d and context %d", c.VocabSize, c.ContextLength)
	case len(c.Generation.EndTokens) == 0:
		return fmt.Errorf("challenge without end tokens")
	}
	return nil
}

// leaf runs checks 1 to 6; a is the assignment of the leaf's group.
func (c Challenge) leaf(tok tokenizer.Tokenizer, a Assignment, i uint64, leaf []byte) (batch.Rollout, Result) {
	r, res := c.checkEncoding(i, leaf)
	if res.Code != OK {
		return r, res
	}
	if res := c.checkBinding(i, r); res.Code != OK {
		return batch.Rollout{}, res
	}
	if res := checkPrompt(a, i, r); res.Code != OK {
		return batch.Rollout{}, res
	}
	limit, tr := c.Limit(len(a.Prompt)), env.Read(a.Env, tok, a.Problem, r.Completion, c.Generation.EndTokens)
	for _, check := range [...]func() Result{
		func() Result { return checkReplies(tr, i, r) },
		func() Result { return c.checkTokens(limit, i, r) },
		func() Result { return checkFinish(tr, limit, i, r) },
		func() Result { return checkReward(tr.Reward(a.Env, a.Problem), i, r) },
	} {
		if res := check(); res.Code != OK {
			return batch.Rollout{}, res
		}
	}
	return r, Result{Code: OK}
}

func (c Challenge) checkEncoding(i uint64, leaf []byte) (batch.Rollout, Result) {
	if limit := c.MaxLeafBytes(); len(leaf) > limit {
		return batch.Rollout{}, Result{Code: BadEncoding, Leaf: i, Value: int64(len(leaf)), Threshold: int64(limit), Detail: "leaf too large"}
	}
	r, err := batch.Decode(leaf)
	if err != nil {
		return batch.Rollout{}, Result{Code: BadEncoding, Leaf: i, Detail: err.Error()}
	}
	if want := c.ProofBytes(len(r.Completion)); len(r.Proof) != want {
		return batch.Rollout{}, Result{Code: BadEncoding, Leaf: i, Value: int64(len(r.Proof)), Threshold: int64(want),
			Detail: fmt.Sprintf("the proof has %d bytes, want %d", len(r.Proof), want)}
	}
	return r, Result{Code: OK}
}

func (c Challenge) checkBinding(i uint64, r batch.Rollout) Result {
	bad := func(what string, value, want uint64) Result {
		return Result{Code: BadBinding, Leaf: i, Value: clamp(value), Threshold: clamp(want),
			Detail: fmt.Sprintf("%s is %d, want %d", what, value, want)}
	}
	group, index := i/c.GroupSize, i%c.GroupSize
	switch {
	case r.Run != c.Run:
		return bad("run", r.Run, c.Run)
	case r.Window != c.Window:
		return bad("window", r.Window, c.Window)
	case !bytes.Equal(r.Checkpoint, c.Checkpoint):
		return Result{Code: BadBinding, Leaf: i, Detail: fmt.Sprintf("checkpoint is %x, want %x", r.Checkpoint, c.Checkpoint)}
	case !bytes.Equal(r.Miner, c.Miner):
		return Result{Code: BadBinding, Leaf: i, Detail: fmt.Sprintf("miner is %x, want %x", r.Miner, c.Miner)}
	case r.Group != group:
		return bad("group", r.Group, group)
	case r.Index != index:
		return bad("index", r.Index, index)
	}
	return Result{Code: OK}
}

func checkPrompt(a Assignment, i uint64, r batch.Rollout) Result {
	if r.Env != a.Env.ID() {
		return badEnvironment(i, r.Env, a.Env.ID())
	}
	if slices.Equal(r.Prompt, a.Prompt) {
		return Result{Code: OK}
	}
	at := 0 // the first token that differs, or the end of the shorter one
	for at < min(len(r.Prompt), len(a.Prompt)) && r.Prompt[at] == a.Prompt[at] {
		at++
	}
	return Result{Code: BadPrompt, Leaf: i, Value: int64(at), Threshold: int64(len(a.Prompt)),
		Detail: fmt.Sprintf("prompt differs from the assigned one at token %d", at)}
}

func badEnvironment(i uint64, got, want string) Result {
	return Result{Code: BadPrompt, Leaf: i, Detail: fmt.Sprintf("environment is %q, want %q", got, want)}
}

func (c Challenge) checkTokens(limit int, i uint64, r batch.Rollout) Result {
	if n := len(r.Completion); n > limit {
		return Result{Code: BadTokens, Leaf: i, Value: int64(n), Threshold: int64(limit), Detail: "completion too long"}
	}
	for t, id := range r.Completion {
		if id < 0 || int64(id) >= int64(c.VocabSize) {
			return Result{Code: BadTokens, Leaf: i, Value: int64(id), Threshold: int64(c.VocabSize),
				Detail: fmt.Sprintf("token %d is not in the vocabulary", t)}
		}
	}
	return Result{Code: OK}
}

// checkReplies is the exact-prefix check: what the policy is said to have answered is what the environment says.
func checkReplies(tr env.Transcript, i uint64, r batch.Rollout) Result {
	if tr.Wrong >= 0 {
		return Result{Code: BadPrompt, Leaf: i, Value: int64(tr.Wrong), Threshold: int64(len(r.Completion)),
			Detail: fmt.Sprintf("token %d of the completion is not what the environment replies", tr.Wrong)}
	}
	bits := r.LogProbBits()
	for _, run := range tr.Given {
		for t := run[0]; t < run[1]; t++ {
			if bits[t] != 0 {
				return Result{Code: BadPrompt, Leaf: i, Value: int64(t), Threshold: int64(len(r.Completion)),
					Detail: fmt.Sprintf("log-probability of token %d has bits %#08x, but nothing was drawn there", t, bits[t])}
			}
		}
	}
	return Result{Code: OK}
}

func checkFinish(tr env.Transcript, limit int, i uint64, r batch.Rollout) Result {
	if r.Finish == batch.FinishEnd && tr.Ended() || r.Finish == batch.FinishLength && tr.Full(limit) {
		return Result{Code: OK}
	}
	return badFinish(limit, tr.End, i, r)
}

func badFinish(limit, end int, i uint64, r batch.Rollout) Result {
	return Result{Code: BadFinish, Leaf: i, Value: int64(len(r.Completion)), Threshold: int64(limit),
		Detail: fmt.Sprintf("finish %q with %d tokens of at most %d, over at token %d", r.Finish, len(r.Completion), limit, end)}
}

func checkReward(want uint32, i uint64, r batch.Rollout) Result {
	if r.Reward == want {
		return Result{Code: OK}
	}
	return Result{Code: BadReward, Leaf: i, Value: int64(r.Reward), Threshold: int64(want),
		Detail: fmt.Sprintf("reward is %d millionths, the environment gives %d", r.Reward, want)}
}

// checkDuplicate is check 7; seen maps the hash of a leaf to its number.
func checkDuplicate(seen map[[32]byte]uint64, i uint64, leaf []byte) Result {
	h := sha256.Sum256(leaf)
	if first, ok := seen[h]; ok {
		return Result{Code: Duplicate, Leaf: i, Value: clamp(first), Threshold: clamp(i), Detail: fmt.Sprintf("the same bytes as leaf %d", first)}
	}
	seen[h] = i
	return Result{Code: OK}
}

func undecided(detail string) Result { return Result{Code: Undecided, Detail: detail} }

// clamp brings an unsigned number into Result's signed fields.
func clamp(x uint64) int64 { return int64(min(x, 1<<63-1)) }
