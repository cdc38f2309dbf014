// Package yuma is the score consensus: from what graders say about miners it derives
// what each miner and each grader earns. It is pure and deterministic: integers only
// (I32F32 with products of 128 bits), no state, no clock, no randomness.
//
// Window settles one window of a run; Epoch is one epoch of a network whose nodes both
// judge and are judged, as the upstream network has it, bit for bit. Both play the same
// game: the consensus of a column is a stake-weighted median, weights above it are cut,
// columns earn by what is left, rows by the bonds that their weights buy over time.
// The README is the specification.
package yuma
