package types

import errorsmod "cosmossdk.io/errors"

// Errors of the module. Codes are part of the protocol: never reuse one.
var (
	ErrRunNotFound      = errorsmod.Register(ModuleName, 2, "run not found")
	ErrWindowNotFound   = errorsmod.Register(ModuleName, 3, "window not found")
	ErrWindowDone       = errorsmod.Register(ModuleName, 4, "window is already closed or void")
	ErrWrongStage       = errorsmod.Register(ModuleName, 5, "window is in another stage")
	ErrRoundNotPending  = errorsmod.Register(ModuleName, 6, "no window waits for this beacon round")
	ErrRoundDone        = errorsmod.Register(ModuleName, 7, "beacon round was already submitted")
	ErrInvalidSignature = errorsmod.Register(ModuleName, 8, "invalid beacon signature")
	ErrInvalidParams    = errorsmod.Register(ModuleName, 9, "invalid challenge parameters")
	ErrInvalidRun       = errorsmod.Register(ModuleName, 10, "invalid run")
	ErrInvalidGenesis   = errorsmod.Register(ModuleName, 11, "invalid challenge genesis")
	ErrBeaconNotFound   = errorsmod.Register(ModuleName, 12, "beacon round not found")
	ErrInvalidAddress   = errorsmod.Register(ModuleName, 13, "invalid address")
	ErrNotWired         = errorsmod.Register(ModuleName, 14, "challenge keeper has no sources")
	ErrUnauthorized     = errorsmod.Register(ModuleName, 15, "only the run's owner or governance may do this")
	ErrRunStatus        = errorsmod.Register(ModuleName, 16, "run has another status")
	ErrTooManyRuns      = errorsmod.Register(ModuleName, 17, "too many live runs")
	ErrDeposit          = errorsmod.Register(ModuleName, 18, "deposit is too small")
	ErrTokenizer        = errorsmod.Register(ModuleName, 19, "invalid tokenizer file")
	ErrTokenizerMissing = errorsmod.Register(ModuleName, 20, "run has no tokenizer file on the chain")
	ErrEmissionShares   = errorsmod.Register(ModuleName, 21, "emission shares sum to more than the whole")
	ErrInvalidReason    = errorsmod.Register(ModuleName, 22, "invalid reason")
	ErrNotAssigned      = errorsmod.Register(ModuleName, 23, "miner has no groups in this window")
)
