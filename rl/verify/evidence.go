package verify

import (
	"fmt"

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
//	4 bad_tokens, 5 bad_finish     against the limit of the leaf's own prompt
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
	if e, _, err := env.Assign(c.Mix, c.GroupSeed(i/c.GroupSize)); err == nil && r.Env != e.ID() {
		return badEnvironment(i, r.Env, e.ID())
	}
	limit := c.Limit(len(r.Prompt))
	if res := c.checkTokens(limit, i, r); res.Code != OK {
		return res
	}
	return c.checkFinish(limit, i, r)
}
