// Package traffic loads a network with transactions and measures what becomes of them: how many get into blocks, how
// soon, how many fail, and whether the windows of the run that others mine in go on as if nothing were.
//
// The load are coins sent among accounts that only exist for it and, in a run of their own beside the network's, bonds
// and commitments. That run has an emission share of 0 and nobody grades it, so all its windows are VOID: whatever the
// load commits to, it can neither earn nor lose anything.
package traffic
