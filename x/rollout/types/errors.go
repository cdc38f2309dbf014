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
	// ErrNotSealed is for evidence before COMMIT of its window has ended.
	ErrNotSealed = errorsmod.Register(ModuleName, 18, "window still takes commitments")
	// ErrReleased is for evidence or an accusation after the bond of the window was released.
	ErrReleased = errorsmod.Register(ModuleName, 19, "the bond of the window is not locked any more")
	// ErrAlreadyProven is for a miner against which a failure in the window was proven before.
	ErrAlreadyProven = errorsmod.Register(ModuleName, 20, "a failure of this miner in the window is proven already")
	// ErrInvalidProof is for a Merkle path that does not lead from the leaf to the committed root.
	ErrInvalidProof = errorsmod.Register(ModuleName, 21, "invalid Merkle path")
	// ErrInvalidLeaf is for a leaf that the commitment does not have, or that is too large to be submitted.
	ErrInvalidLeaf = errorsmod.Register(ModuleName, 22, "invalid leaf")
	// ErrNotProven is for a leaf that passes the checks that the chain can run.
	ErrNotProven = errorsmod.Register(ModuleName, 23, "evidence proves no failure")
	// ErrUndecided is for a leaf that the chain cannot judge, through no fault of the miner.
	ErrUndecided = errorsmod.Register(ModuleName, 24, "evidence cannot be decided")
	// ErrNotClosed is for an accusation before its window is CLOSED.
	ErrNotClosed = errorsmod.Register(ModuleName, 25, "window is not closed")
	// ErrAlreadyAccused is for a leaf that was accused before.
	ErrAlreadyAccused = errorsmod.Register(ModuleName, 26, "leaf was accused already")
	// ErrTooManyAccusations is for one more accusation than a window judges.
	ErrTooManyAccusations = errorsmod.Register(ModuleName, 27, "too many accusations")
	// ErrAccusationNotFound is for an accusation that does not exist.
	ErrAccusationNotFound = errorsmod.Register(ModuleName, 28, "no such accusation")
	// ErrNotPending is for an accusation that was resolved already.
	ErrNotPending = errorsmod.Register(ModuleName, 29, "accusation is not pending")
	// ErrEvidenceNotFound is for a query for evidence that was not given.
	ErrEvidenceNotFound = errorsmod.Register(ModuleName, 30, "no such evidence")
	// ErrNotAccuser is for a deposit of somebody else.
	ErrNotAccuser = errorsmod.Register(ModuleName, 31, "not the accuser")
	// ErrStillJudged is for a deposit whose accusation can still be judged.
	ErrStillJudged = errorsmod.Register(ModuleName, 32, "accusation can still be judged")
)
