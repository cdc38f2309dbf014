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
)
