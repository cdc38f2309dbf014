package keeper

import (
	"bytes"
	"context"
	"crypto/sha256"
	"math/bits"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/rollout/types"
)

// minerKey is the key of what a miner has in a window.
func minerKey(run, window uint64, miner sdk.AccAddress) collections.Triple[uint64, uint64, sdk.AccAddress] {
	return collections.Join3(run, window, miner)
}

// lockedCommitment returns a commitment whose bond is still locked, so that the miner
// can be made to answer for it. Errors: ErrNotFound, ErrReleased.
func (k *Keeper) lockedCommitment(ctx context.Context, run, window uint64, miner sdk.AccAddress) (types.Commitment, error) {
	c, ok, err := k.Commitment(ctx, run, window, miner)
	if err != nil {
		return c, err
	}
	if !ok {
		return c, types.ErrNotFound.Wrapf("of %s to window %d of run %d", miner, window, run)
	}
	_, locked, err := k.registry.GetLock(ctx, run, window, miner)
	if err != nil {
		return c, err
	}
	if !locked {
		return c, types.ErrReleased.Wrapf("window %d of run %d", window, run)
	}
	return c, nil
}

// chargeEvidence charges for a message before anything of it is looked at.
func chargeEvidence(ctx context.Context, params types.Params, msg *types.MsgSubmitEvidence) error {
	meter := sdk.UnwrapSDKContext(ctx).GasMeter()
	meter.ConsumeGas(params.GasPerEvidence, "evidence")
	size := uint64(len(msg.Leaf)) + uint64(len(msg.Proof.LeafHash))
	for _, aunt := range msg.Proof.Aunts {
		size += uint64(len(aunt)) // of a message that was decoded, so it fits
	}
	gas, err := gasOf(size, params.GasPerEvidenceByte)
	if err != nil {
		return err
	}
	meter.ConsumeGas(gas, "bytes of evidence")
	if len(msg.Leaf) > batch.MaxLeafBytes {
		return types.ErrInvalidLeaf.Wrapf("%d bytes, limit %d", len(msg.Leaf), batch.MaxLeafBytes)
	}
	return nil
}

// gasPerStep is charged for a step that a reward may take: about the time that other gas stands for.
const gasPerStep = 3

// rewardSteps is the most steps that a reward of one of the environments takes, whichever the group has: that is known only
// after it is derived.
func rewardSteps(mix []challengetypes.EnvironmentWeight) (most uint64) {
	for _, e := range mix {
		most = max(most, env.Steps(e.Id))
	}
	return most
}

// gasOf is n times price. Error: ErrOverflow.
func gasOf(n, price uint64) (uint64, error) {
	hi, gas := bits.Mul64(n, price)
	if hi != 0 {
		return 0, types.ErrOverflow.Wrapf("gas of %d at %d each", n, price)
	}
	return gas, nil
}

// decide returns the code of the hard failure that the message proves. Errors:
// ErrInvalidLeaf, ErrInvalidProof, ErrUndecided, ErrNotProven.
func (k *Keeper) decide(
	ctx context.Context,
	params types.Params,
	window challengetypes.Window,
	commitment types.Commitment,
	miner sdk.AccAddress,
	msg *types.MsgSubmitEvidence,
) (verify.Code, error) {
	// At most 2^32 groups of 2^32: the product fits.
	total := uint64(commitment.Groups) * uint64(window.Params.GroupSize)
	if msg.LeafIndex >= total {
		return 0, types.ErrInvalidLeaf.Wrapf("leaf %d of %d", msg.LeafIndex, total)
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	if sdkCtx.ExecMode() != sdk.ExecModeSimulate {
		if err := checkProof(commitment.Root, total, msg); err != nil {
			return 0, err
		}
	}
	tok, err := k.runTokenizer(sdkCtx, params, window)
	if err != nil {
		return 0, err
	}
	sdkCtx.GasMeter().ConsumeGas(params.GasPerAssignment, "assignment of a group")
	gas, err := gasOf(rewardSteps(window.Params.Mix), gasPerStep)
	if err != nil {
		return 0, err
	}
	sdkCtx.GasMeter().ConsumeGas(gas, "a reward")
	if sdkCtx.ExecMode() == sdk.ExecModeSimulate {
		return verify.BadEncoding, nil // what a conviction costs does not depend on the code
	}
	challenge, err := window.Challenge(sdkCtx.ChainID(), miner, uint64(commitment.Groups))
	if err != nil {
		return 0, types.ErrUndecided.Wrap(err.Error())
	}
	switch res := verify.Evidence(challenge, tok, msg.LeafIndex, msg.Leaf); {
	case res.Code == verify.OK:
		return 0, types.ErrNotProven.Wrapf("leaf %d passes what the chain can check", msg.LeafIndex)
	case !res.Code.Hard():
		return 0, types.ErrUndecided.Wrap(res.String())
	default:
		return res.Code, nil
	}
}

// checkProof checks that the leaf lies at its place under the committed root. total is
// the chain's, for a path verifies under several totals.
func checkProof(root []byte, total uint64, msg *types.MsgSubmitEvidence) error {
	h := sha256.New()
	h.Write([]byte{0}) // the prefix of a leaf
	h.Write(msg.Leaf)
	if sum := h.Sum(nil); !bytes.Equal(sum, msg.Proof.LeafHash) {
		return types.ErrInvalidProof.Wrapf("leaf_hash is %x, that of the leaf is %x", msg.Proof.LeafHash[:min(len(msg.Proof.LeafHash), len(sum))], sum)
	}
	path := batch.Proof{Total: msg.Proof.Total, Index: msg.Proof.Index, Aunts: msg.Proof.Aunts}
	if err := batch.VerifyProof(root, total, msg.LeafIndex, msg.Leaf, path); err != nil {
		return types.ErrInvalidProof.Wrap(err.Error())
	}
	return nil
}

// runTokenizer is the tokenizer that the window's rollouts are made with, or nil if the
// run registered none, or another since. Parsing it is charged for before; a simulation
// leaves it out.
func (k *Keeper) runTokenizer(ctx sdk.Context, params types.Params, window challengetypes.Window) (tokenizer.Tokenizer, error) {
	file, ok, err := k.challenge.Tokenizer(ctx, window.Run)
	if err != nil || !ok {
		return nil, err
	}
	gas, err := gasOf(uint64(len(file)), params.GasPerTokenizerByte)
	if err != nil {
		return nil, err
	}
	ctx.GasMeter().ConsumeGas(gas, "tokenizer")
	if ctx.ExecMode() == sdk.ExecModeSimulate {
		return nil, nil
	}
	if digest := sha256.Sum256(file); !bytes.Equal(digest[:], window.Params.TokenizerDigest) {
		return nil, nil
	}
	tok, err := tokenizer.Load(file)
	if err != nil {
		return nil, nil // not a character file: the checks that need none are left
	}
	return tok, nil
}
