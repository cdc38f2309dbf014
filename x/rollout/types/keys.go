package types

import "cosmossdk.io/collections"

const (
	// ModuleName names the module.
	ModuleName = "rollout"
	// StoreKey is the key of the module's store.
	StoreKey = ModuleName
)

// Prefixes of the module's store.
var (
	ParamsKey      = collections.NewPrefix(0)
	CommitmentsKey = collections.NewPrefix(1) // (run, window, miner) -> Commitment
	EvidenceKey    = collections.NewPrefix(2) // (run, window, miner) -> Evidence
	AccusationsKey = collections.NewPrefix(3) // (run, id) -> Accusation
	JudgedKey      = collections.NewPrefix(4) // (run, judge window, id): index of the accusations
	AccusedKey     = collections.NewPrefix(5) // (run, window, miner, leaf) -> id: index of the accusations
	NextKey        = collections.NewPrefix(6) // id of the next accusation
)

// DigestLength is the length of a Merkle root and of the digests in a commitment.
const DigestLength = 32

// LocatorSchemes are the schemes of a batch's locator.
var LocatorSchemes = []string{"http", "https", "s3", "gs", "file"}
