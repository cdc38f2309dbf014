package types

import errorsmod "cosmossdk.io/errors"

// Errors of the registry. A code, once given, keeps its meaning for ever.
var (
	// ErrInvalidAddress is for an address that is no account address of this chain.
	ErrInvalidAddress = errorsmod.Register(ModuleName, 2, "invalid address")
	// ErrInvalidAmount is for an amount that is missing, not positive, or too large to add up.
	ErrInvalidAmount = errorsmod.Register(ModuleName, 3, "invalid amount")
	// ErrInvalidEndpoint is for an endpoint that is not an absolute http(s) URL of allowed length.
	ErrInvalidEndpoint = errorsmod.Register(ModuleName, 4, "invalid endpoint")
	// ErrInvalidGroups is for declared groups outside 1..max_groups of the run.
	ErrInvalidGroups = errorsmod.Register(ModuleName, 5, "invalid number of declared groups")
	// ErrInvalidParams is for parameters that do not make sense, alone or together.
	ErrInvalidParams = errorsmod.Register(ModuleName, 6, "invalid parameters")
	// ErrInvalidGenesis is for a genesis state that contradicts itself.
	ErrInvalidGenesis = errorsmod.Register(ModuleName, 7, "invalid genesis state")
	// ErrAlreadyRegistered is for an account that is a miner of the run already.
	ErrAlreadyRegistered = errorsmod.Register(ModuleName, 8, "already registered")
	// ErrNotRegistered is for an account that is no miner of the run.
	ErrNotRegistered = errorsmod.Register(ModuleName, 9, "not registered")
	// ErrRunFull is for a run that has max_miners miners, all of them immune from eviction.
	ErrRunFull = errorsmod.Register(ModuleName, 10, "run has no place for another miner")
	// ErrInsufficientBond is for a bond that would be below min_bond and not zero.
	ErrInsufficientBond = errorsmod.Register(ModuleName, 11, "bond below the minimum")
	// ErrInsufficientFreeBond is for a lock or an unbonding beyond the bond that no lock claims.
	ErrInsufficientFreeBond = errorsmod.Register(ModuleName, 12, "not enough free bond")
	// ErrTooManyUnbondings is for a miner with max_unbonding_entries entries under way.
	ErrTooManyUnbondings = errorsmod.Register(ModuleName, 13, "too many unbonding entries")
	// ErrMinerBusy is for a miner that wants to leave while a window still counts on it.
	ErrMinerBusy = errorsmod.Register(ModuleName, 14, "miner still answers for a window")
	// ErrJailed is for what a jailed miner may not do.
	ErrJailed = errorsmod.Register(ModuleName, 15, "miner is jailed")
	// ErrLockShrinks is for a lock below what the window has locked already.
	ErrLockShrinks = errorsmod.Register(ModuleName, 16, "a lock may only grow")
	// ErrLockSlashed is for growing a lock that was slashed.
	ErrLockSlashed = errorsmod.Register(ModuleName, 17, "lock was slashed")
	// ErrInvalidRate is for a slashing rate above 1000000 millionths.
	ErrInvalidRate = errorsmod.Register(ModuleName, 18, "invalid slashing rate")
	// ErrInvalidRequest is for a query without its fields.
	ErrInvalidRequest = errorsmod.Register(ModuleName, 19, "invalid request")
	// ErrBrokenInvariant is for a state that breaks one of the module's invariants.
	ErrBrokenInvariant = errorsmod.Register(ModuleName, 20, "broken invariant")
	// ErrPriceAboveLimit is for a registration whose price is above the message's limit_price.
	ErrPriceAboveLimit = errorsmod.Register(ModuleName, 21, "price above the limit")
	// ErrInvalidMetadata is for metadata that is too long or not printable ASCII.
	ErrInvalidMetadata = errorsmod.Register(ModuleName, 22, "invalid metadata")
	// ErrNotJailed is for unjailing a miner that is not jailed.
	ErrNotJailed = errorsmod.Register(ModuleName, 23, "not jailed")
	// ErrRunClosed is for joining a run that opens no window any more.
	ErrRunClosed = errorsmod.Register(ModuleName, 24, "run is closed")
)
