// Package learner turns settled, verified rollouts into the next checkpoint of a run's policy.
//
// # One step
//
// When a window has settled, the learner fetches the batch of every miner whose verdict is ok, recomputes its Merkle
// root and runs every check of rl/verify and rl/verify/replay on every rollout (graders replay a sample; the learner
// replays all). A group with a failing rollout is left out, and its miner is accused on chain. What remains goes into the
// buffer. A step takes up to as many windows as the run's recipe says, and waits for further ones while there is too little
// to learn from; choose has the rule. The windows' rollouts, ordered by (window, miner, group), are the rollout set of one
// GRPO step (rl/grpo). The step is a pure function of the parent state, that set and the recipe; the state hash chains
// all of them (package lineage, which is also how others make the step again).
//
// A learner that is behind goes to the newest settled windows. Windows whose conformance digest (rl/conformance) this build does not
// compute are not judged, of its run or of others: their miners are honest by another build.
//
// # What survives a crash
//
// The journal holds four kinds of facts, each written after the files that it speaks of are on disk: the windows to gather
// and those gathered, the plan of the next step (its rollout set is spooled to a file), the steps made, and which of them
// the chain has. A learner killed at any moment therefore repeats the same step on the same rollouts and arrives at the same bytes, and publishing asks the
// chain first whether a version is already there.
//
// # Files under the home folder
//
//	config.toml                     settings, written by init
//	journal.db                      the journal (bbolt)
//	spool/window-<id>.rollouts      a window in the buffer
//	spool/<version>.rollouts        the rollout set of a step that is decided
//	checkpoints/<digest>/           the published checkpoint with its state and rollout set, served over HTTP
//
// The chain is reached through the Chain interface alone, so everything here can be tested without a node.
package learner
