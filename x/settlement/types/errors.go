package types

import errorsmod "cosmossdk.io/errors"

// Errors of settlement. A code, once given, keeps its meaning for ever.
var (
	// ErrInvalidAddress is for an address that is no account or validator address of this chain.
	ErrInvalidAddress = errorsmod.Register(ModuleName, 2, "invalid address")
	// ErrInvalidParams is for parameters that do not make sense, alone or together.
	ErrInvalidParams = errorsmod.Register(ModuleName, 3, "invalid parameters")
	// ErrInvalidGenesis is for a genesis state that contradicts itself.
	ErrInvalidGenesis = errorsmod.Register(ModuleName, 4, "invalid genesis state")
	// ErrWrongStage is for a message outside of the stage that takes it.
	ErrWrongStage = errorsmod.Register(ModuleName, 5, "wrong stage")
	// ErrNotGrader is for an account that is no frozen grader of the window.
	ErrNotGrader = errorsmod.Register(ModuleName, 6, "not a grader of the window")
	// ErrInvalidHash is for a hash that is not 32 bytes.
	ErrInvalidHash = errorsmod.Register(ModuleName, 7, "invalid hash")
	// ErrAlreadyCommitted is for a grader's second hash in a window; the first one stays.
	ErrAlreadyCommitted = errorsmod.Register(ModuleName, 8, "verdicts already committed")
	// ErrNotCommitted is for a reveal without a hash.
	ErrNotCommitted = errorsmod.Register(ModuleName, 9, "no verdicts committed")
	// ErrAlreadyRevealed is for a grader's second reveal in a window.
	ErrAlreadyRevealed = errorsmod.Register(ModuleName, 10, "verdicts already revealed")
	// ErrInvalidSalt is for a salt that is not 32 bytes.
	ErrInvalidSalt = errorsmod.Register(ModuleName, 11, "invalid salt")
	// ErrWrongMiners is for verdicts that are not on exactly the committed miners, ascending by address.
	ErrWrongMiners = errorsmod.Register(ModuleName, 12, "verdicts are not on the committed miners")
	// ErrInvalidVerdict is for an unknown code, or a leaf that the code or the batch does not have.
	ErrInvalidVerdict = errorsmod.Register(ModuleName, 13, "invalid verdict")
	// ErrWrongWeights is for weights that are not those of the verdicts.
	ErrWrongWeights = errorsmod.Register(ModuleName, 14, "weights are not those of the verdicts")
	// ErrInvalidWork is for a verdict ok whose work root is not 32 bytes, and for any other verdict with one.
	ErrInvalidWork = errorsmod.Register(ModuleName, 15, "invalid work root")
	// ErrWrongConformance is for a conformance digest that is not the run's.
	ErrWrongConformance = errorsmod.Register(ModuleName, 16, "wrong conformance digest")
	// ErrHashMismatch is for a reveal that the posted hash does not commit to.
	ErrHashMismatch = errorsmod.Register(ModuleName, 17, "reveal does not match the hash")
	// ErrNothingToClaim is for a claim without an unlocked credit.
	ErrNothingToClaim = errorsmod.Register(ModuleName, 18, "nothing to claim")
	// ErrInvalidAmount is for an amount that is missing, negative or beyond 256 bits.
	ErrInvalidAmount = errorsmod.Register(ModuleName, 19, "invalid amount")
	// ErrNotSettled is for a query on a window that is not CLOSED or VOID.
	ErrNotSettled = errorsmod.Register(ModuleName, 20, "window is not settled")
	// ErrInvalidRequest is for a query without its fields or beyond its bounds.
	ErrInvalidRequest = errorsmod.Register(ModuleName, 21, "invalid request")
	// ErrBrokenInvariant is for a state that breaks one of the module's invariants.
	ErrBrokenInvariant = errorsmod.Register(ModuleName, 22, "broken invariant")
	// ErrInternal is for a step of settlement that stopped; the step's state is dropped.
	ErrInternal = errorsmod.Register(ModuleName, 23, "settlement step failed")
	// ErrWrongAccusations is for verdicts that are not on exactly the accusations which the window judges, ascending by id.
	ErrWrongAccusations = errorsmod.Register(ModuleName, 24, "verdicts are not on the judged accusations")
)
