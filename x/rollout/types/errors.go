package types

import errorsmod "cosmossdk.io/errors"

// Errors of the rollout module. A code, once given, keeps its meaning for ever.
var (
	// ErrInvalidAddress is for an address that is no account address of this chain.
	ErrInvalidAddress = errorsmod.Register(ModuleName, 2, "invalid address")
	// ErrNotCommitStage is for a commitment before or after COMMIT of its window.
	ErrNotCommitStage = errorsmod.Register(ModuleName, 3, "window does not take commitments")
	// ErrNotFrozen is for an account that is not among the window's miners.
	ErrNotFrozen = errorsmod.Register(ModuleName, 4, "not a miner of this window")
	// ErrJailed is for a miner that was jailed since the window froze.
	ErrJailed = errorsmod.Register(ModuleName, 5, "miner is jailed")
	// ErrInvalidDigest is for a digest or root that is not 32 bytes.
	ErrInvalidDigest = errorsmod.Register(ModuleName, 6, "invalid digest")
	// ErrWrongCheckpoint is for a checkpoint other than the window's.
	ErrWrongCheckpoint = errorsmod.Register(ModuleName, 7, "wrong checkpoint")
	// ErrWrongConformance is for a conformance digest other than the window's.
	ErrWrongConformance = errorsmod.Register(ModuleName, 8, "wrong conformance digest")
	// ErrInvalidGroups is for no groups, or more than the miner declared.
	ErrInvalidGroups = errorsmod.Register(ModuleName, 9, "invalid number of groups")
	// ErrShrinks is for fewer groups than the commitment it would replace.
	ErrShrinks = errorsmod.Register(ModuleName, 10, "a commitment may only grow")
	// ErrInvalidSize is for an empty batch or one above max_batch_bytes.
	ErrInvalidSize = errorsmod.Register(ModuleName, 11, "invalid batch size")
	// ErrInvalidLocator is for a locator that is no URL of an allowed scheme and length.
	ErrInvalidLocator = errorsmod.Register(ModuleName, 12, "invalid locator")
	// ErrInvalidParams is for parameters out of bounds.
	ErrInvalidParams = errorsmod.Register(ModuleName, 13, "invalid parameters")
	// ErrInvalidGenesis is for a genesis state that contradicts itself.
	ErrInvalidGenesis = errorsmod.Register(ModuleName, 14, "invalid genesis state")
	// ErrNotFound is for a query for a commitment that does not exist.
	ErrNotFound = errorsmod.Register(ModuleName, 15, "no such commitment")
	// ErrInvalidRequest is for a query without its fields.
	ErrInvalidRequest = errorsmod.Register(ModuleName, 16, "invalid request")
	// ErrOverflow is for a bond too large to compute.
	ErrOverflow = errorsmod.Register(ModuleName, 17, "amount too large")
)
