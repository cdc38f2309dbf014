package verify

import (
	"fmt"
	"slices"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

// Evidence is the rule by which the chain convicts a miner over one leaf, number
// index of its batch: checks 1 to 6, as far as the chain can run them. The caller has
// checked the leaf's Merkle path (batch.VerifyProof).
//
// With the run's tokenizer it is Leaf. Without one (tok is nil), or where the
// assignment cannot be derived, because an environment is not built in, it runs what is
// left:
//
//	1 bad_encoding, 2 bad_binding  in full
//	3 bad_prompt                   the environment's id alone, where it is built in
//	4 bad_tokens, 5 bad_finish     against the limit of the leaf's own prompt; of an
//	                               environment that has several turns, or is not built
//	                               in and might, only what holds whatever it replies
//	6 bad_reward                   not at all
//
// So a hard failure is always one that Leaf finds, too: if the leaf's prompt is the
// assigned one, so is its limit, and if it is not, that is the failure. The code may
// then be of a later check than Leaf's. OK says only that nothing was found.
//
// Undecided is for a challenge that cannot be evaluated, for an index that the batch
// does not have, and for a panic inside. It never counts against the miner.
func Evidence(c Challenge, tok tokenizer.Tokenizer, index uint64, leaf []byte) (res Result) {
	defer func() {
		if p := recover(); p != nil {
			res = undecided(fmt.Sprintf("panic in a check: %v", p))
		}
	}()
	if err := c.checkBounds(); err != nil {
		return undecided(err.Error())
	}
	if index >= c.Leaves() {
		return undecided(fmt.Sprintf("leaf %d of %d", index, c.Leaves()))
	}
	if tok != nil {
		if a, err := c.Assign(tok, index/c.GroupSize); err == nil {
			_, res := c.leaf(tok, a, index, leaf)
			return res
		}
	}
	return c.evidenceWithoutPrompt(index, leaf)
}

// evidenceWithoutPrompt runs what of checks 1 to 5 needs no prompt.
func (c Challenge) evidenceWithoutPrompt(i uint64, leaf []byte) Result {
	r, res := c.checkEncoding(i, leaf)
	if res.Code != OK {
		return res
	}
	if res := c.checkBinding(i, r); res.Code != OK {
		return res
	}
	e, _, err := env.Assign(c.Mix, c.GroupSeed(i/c.GroupSize))
	if err == nil && r.Env != e.ID() {
		return badEnvironment(i, r.Env, e.ID())
	}
	limit := c.Limit(len(r.Prompt))
	if res := c.checkTokens(limit, i, r); res.Code != OK {
		return res
	}
	return c.finishWithoutReplies(err != nil || isMultiTurn(e), limit, i, r)
}

func isMultiTurn(e env.Environment) bool {
	_, ok := e.(env.MultiTurn)
	return ok
}

// finishWithoutReplies is check 5 where replies cannot be derived. Of several turns, each but the last ends with an end
// token, too, and so does a completion in which the reply that is due has no room.
func (c Challenge) finishWithoutReplies(several bool, limit int, i uint64, r batch.Rollout) Result {
	n := len(r.Completion)
	isEnd := func(id int32) bool { return slices.Contains(c.Generation.EndTokens, id) }
	first, last := slices.IndexFunc(r.Completion, isEnd), n > 0 && isEnd(r.Completion[n-1])
	switch {
	case r.Finish == batch.FinishEnd && last && (several || first == n-1):
		return Result{Code: OK}
	case r.Finish == batch.FinishLength && first < 0 && n == limit:
		return Result{Code: OK}
	case r.Finish == batch.FinishLength && several && (n == limit || last):
		return Result{Code: OK}
	}
	return badFinish(limit, first, i, r)
}
