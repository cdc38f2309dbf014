// Package miner answers a run's challenges with rollouts.
//
// # One window
//
// When COMMIT of a window opens and the miner is among its frozen miners, it gets
// the frozen checkpoint, generates its declared groups in order, checks them with
// the graders' own code, writes the batch to disk and its commitment to the
// journal, and only then broadcasts it. It plans with its measured speed, of sampling
// and of what comes before a commitment: what is ready when COMMIT is about to end is
// committed, and a commitment that is already on chain grows when more groups are
// ready. The one at half time is checked, packed and sent while sampling goes on. After
// COMMIT the miner serves the batch; before, nobody gets a byte of it.
//
// A miner may have several runs, with one key, journal and server. They take turns at
// sampling, a quarter of a window's groups at a time, so that each knows its speed.
//
// # What survives a crash
//
// Generation is a pure function of checkpoint and challenge, so a miner killed at
// any moment makes the same bytes again; and what it had written to the journal
// it does not even make again. The journal holds one root for each number of
// groups of a window and refuses another. Whether a broadcast commitment arrived
// is asked of the chain, never guessed.
//
// # Files under the home folder
//
//	config.toml             settings, written by init
//	journal.db              commitments (bbolt)
//	batches/<root>          batch files, until retention_windows have passed and no version can need them
//	checkpoints/<digest>/   checkpoints
//	keyring-test/           keys of the test backend
package miner
