package types

import "cosmossdk.io/collections"

const (
	// ModuleName names the module and its account, which holds all bonds and
	// unbonding entries.
	ModuleName = "registry"
	// StoreKey is the key of the module's store.
	StoreKey = ModuleName
)

// Prefixes of the module's store.
var (
	ParamsKey            = collections.NewPrefix(0)
	MinersKey            = collections.NewPrefix(1) // (run, miner) -> Miner
	MinersByOrderKey     = collections.NewPrefix(2) // (run, order) -> miner
	MinerCountsKey       = collections.NewPrefix(3) // run -> registered miners
	NextOrdersKey        = collections.NewPrefix(4) // run -> next registration's serial number
	LocksKey             = collections.NewPrefix(5) // (run, window, miner) -> Lock
	LocksByMinerKey      = collections.NewPrefix(6) // (run, miner, window)
	UnbondingsKey        = collections.NewPrefix(7) // id -> Unbonding
	UnbondingQueueKey    = collections.NewPrefix(8) // (completion in unix nanoseconds, id)
	UnbondingsByMinerKey = collections.NewPrefix(9) // (run, miner, id)
	NextUnbondingIDKey   = collections.NewPrefix(10)
	JailTermsKey         = collections.NewPrefix(11) // (run, miner) -> JailTerm of a miner that has left
	PricesKey            = collections.NewPrefix(12) // run -> RegistrationPrice
)
