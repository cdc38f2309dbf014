// Package daemon holds what the miner, the validator and the learner share as
// programs: settings, logs, retries, the journal, the HTTP server for /metrics
// and /status, and a fetcher that a hostile server cannot hurt. It knows nothing
// of the chain.
//
// # Settings
//
// A daemon embeds one commented TOML file. It is what `init` writes, it is the
// list of keys that exist, and it is their defaults. Over it come, in this
// order, the file in the home folder, environment variables
// (GALAHAD_MINER_CHAIN_KEY for chain.key) and flags (--chain.key). A key or a
// variable that overrides nothing is refused by name: it is misspelt.
//
// # Journal
//
// What a daemon must remember across kill -9 is written to a bbolt file, in one
// transaction that is on disk before the method returns, and always before the
// message that it is about is broadcast.
package daemon
