package types

import errorsmod "cosmossdk.io/errors"

// Errors of the module. Codes are part of the protocol: never reuse one.
var (
	ErrCheckpointNotFound = errorsmod.Register(ModuleName, 2, "checkpoint not found")
	ErrNotLearner         = errorsmod.Register(ModuleName, 3, "only the run's learner may publish its checkpoints")
	ErrInvalidCheckpoint  = errorsmod.Register(ModuleName, 4, "invalid checkpoint")
	ErrWrongVersion       = errorsmod.Register(ModuleName, 5, "not the next version")
	ErrWrongParent        = errorsmod.Register(ModuleName, 6, "parent is not the head")
	ErrDigestUsed         = errorsmod.Register(ModuleName, 7, "digest was published before in this run")
	ErrWindowNotClosed    = errorsmod.Register(ModuleName, 8, "trained window is not closed")
	ErrStale              = errorsmod.Register(ModuleName, 9, "trained window is too stale for this update")
	ErrTooManyPending     = errorsmod.Register(ModuleName, 10, "too many checkpoints wait to become active")
	ErrInvalidParams      = errorsmod.Register(ModuleName, 11, "invalid policy parameters")
	ErrInvalidGenesis     = errorsmod.Register(ModuleName, 12, "invalid policy genesis")
	ErrInvalidAddress     = errorsmod.Register(ModuleName, 13, "invalid address")
	ErrNotGrader          = errorsmod.Register(ModuleName, 14, "not one of the graders that vote on this checkpoint")
	ErrAlreadyVoted       = errorsmod.Register(ModuleName, 15, "this grader has voted on this checkpoint")
	ErrNotPending         = errorsmod.Register(ModuleName, 16, "checkpoint is not pending")
	ErrNotActive          = errorsmod.Register(ModuleName, 17, "checkpoint is not the active one")
	ErrMismatch           = errorsmod.Register(ModuleName, 18, "not the published digest and state hash")
	ErrNoGraders          = errorsmod.Register(ModuleName, 19, "no window of the run has graders")
	ErrInvalidReason      = errorsmod.Register(ModuleName, 20, "invalid reason")
	ErrNoParent           = errorsmod.Register(ModuleName, 21, "the base model has no parent to return to")
	ErrFallenPolicy       = errorsmod.Register(ModuleName, 22, "trained window was sampled with a version that fell")
	ErrRunClosed          = errorsmod.Register(ModuleName, 23, "run is closed")
	ErrBaseExists         = errorsmod.Register(ModuleName, 24, "run has a base model")
	ErrProof              = errorsmod.Register(ModuleName, 25, "not signed with the secret of the step")
	ErrEvaluation         = errorsmod.Register(ModuleName, 26, "not measured as the run asks")
)
