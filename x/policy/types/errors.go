package types

import errorsmod "cosmossdk.io/errors"

// Errors of the module. Codes are part of the protocol: never reuse one.
var (
	ErrCheckpointNotFound = errorsmod.Register(ModuleName, 2, "checkpoint not found")
	ErrNotLearner         = errorsmod.Register(ModuleName, 3, "only the run's learner may publish its checkpoints")
	ErrInvalidCheckpoint  = errorsmod.Register(ModuleName, 4, "invalid checkpoint")
	ErrWrongVersion       = errorsmod.Register(ModuleName, 5, "not the next version")
	ErrWrongParent        = errorsmod.Register(ModuleName, 6, "parent is not the latest checkpoint")
	ErrDigestUsed         = errorsmod.Register(ModuleName, 7, "digest was published before in this run")
	ErrWindowNotClosed    = errorsmod.Register(ModuleName, 8, "trained window is not closed")
	ErrStale              = errorsmod.Register(ModuleName, 9, "trained window is too stale for this update")
	ErrTooManyPending     = errorsmod.Register(ModuleName, 10, "too many checkpoints wait to become active")
	ErrInvalidParams      = errorsmod.Register(ModuleName, 11, "invalid policy parameters")
	ErrInvalidGenesis     = errorsmod.Register(ModuleName, 12, "invalid policy genesis")
	ErrInvalidAddress     = errorsmod.Register(ModuleName, 13, "invalid address")
)
