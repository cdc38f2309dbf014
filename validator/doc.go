// Package validator grades a run: it checks the batches that miners committed and
// puts verdicts and weights on chain. It runs beside a validator's node.
//
// # One window
//
// As soon as COMMIT has ended, the commitments are final: their batches are
// fetched, from the miner or from another grader, their Merkle roots recomputed,
// and every rollout goes through the checks that need no model (rl/verify). When
// the beacon has drawn the audit, the mandatory groups are replayed with the
// frozen checkpoint (rl/verify/replay). The verdicts and the weights that follow
// from them, the work root and a fresh salt are written to the journal, and only
// then is their hash posted; they are revealed in REVEAL.
//
// A batch that cannot be had until a share of AUDIT has passed is unavailable. A
// check that could not be carried out in time is undecided: it speaks neither for
// nor against the miner. Batches that were fetched are served on, by root, so that
// a miner that serves only some graders gains nothing.
//
// The validator also relays the beacon: it brings the rounds that windows wait
// for to the chain. Graders take turns; a round that another one brought first is
// no error.
//
// # Checkpoints
//
// Every version that waits to become active is made again (package lineage): the
// rollout set is held against the miners' batches, the step is made from the parent's
// state, and digest and state hash are compared. The vote is in the journal before it
// is sent. What cannot be had is no vote, nor is a difference in a version of windows that
// another build judged: their conformance digest says so.
//
// # What survives a crash
//
// The journal holds one set of verdicts and one salt for each window and refuses
// another. A validator killed at any moment posts and reveals what it had
// decided, and asks the chain what arrived.
//
// # Files under the home folder
//
//	config.toml             settings, written by init
//	journal.db              verdicts and salts, votes, list of fetched batches (bbolt)
//	batches/<root>          fetched batches, until retention_windows have passed and no version can need them
//	checkpoints/<digest>/   checkpoints
//	replay/                 scratch of a replay
//	keyring-test/           keys of the test backend
package validator
