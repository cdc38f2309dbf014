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
)

// DigestLength is the length of a Merkle root and of the digests in a commitment.
const DigestLength = 32

// LocatorSchemes are the schemes of a batch's locator.
var LocatorSchemes = []string{"http", "https", "s3", "gs", "file"}
