// Package types holds the policy module's messages, state, parameters and errors.
package types

import "cosmossdk.io/collections"

const (
	// ModuleName is the module's name.
	ModuleName = "policy"
	// StoreKey is the name of the module's store.
	StoreKey = ModuleName
)

// Prefixes of the module's store.
var (
	ParamsKey      = collections.NewPrefix(0)
	CheckpointsKey = collections.NewPrefix(1)
	// DigestsKey indexes (run, digest), so that no digest is published twice in a run.
	DigestsKey = collections.NewPrefix(2)
	VotesKey   = collections.NewPrefix(3)
	// ActiveKey and HeadsKey point to versions, by run.
	ActiveKey = collections.NewPrefix(4)
	HeadsKey  = collections.NewPrefix(5)
	// PendingKey indexes the PENDING versions, DueKey those of them that a height activates.
	PendingKey = collections.NewPrefix(6)
	DueKey     = collections.NewPrefix(7)
	// PruneKey are the versions whose votes are being removed.
	PruneKey = collections.NewPrefix(9)
)

// Ballots of a checkpoint: one before it is active, one after.
const (
	// BallotReview takes attestations and rejections.
	BallotReview byte = 1
	// BallotRollback takes votes to return to the parent.
	BallotRollback byte = 2
)

// Ballot is the ballot that a vote is cast in; 0 for no kind of vote.
func (k VoteKind) Ballot() byte {
	switch k {
	case VoteKind_VOTE_KIND_ATTEST, VoteKind_VOTE_KIND_REJECT:
		return BallotReview
	case VoteKind_VOTE_KIND_ROLLBACK:
		return BallotRollback
	default:
		return 0
	}
}

// VoterKey is the last part of a vote's key: a ballot and a raw operator address.
func VoterKey(ballot byte, operator []byte) []byte {
	return append([]byte{ballot}, operator...)
}
