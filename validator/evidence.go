package validator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
)

// proveAll proves what the audit found without the model, in the background: a grader's
// own duty in the window comes first.
func (v *Validator) proveAll(j *job) {
	if j == nil || !v.config.Audit.Evidence {
		return
	}
	for _, s := range j.subjects {
		if len(s.guilty.Leaves) > 0 {
			v.later.Go(func() {
				v.prove(v.life, j.window, s.commitment, s.address, s.result, s.guilty, j.policy.Tokenizer)
			})
		}
	}
}

// prove puts the proof of a failure that needs no model on chain, which slashes the
// miner at once. One proof for a miner and a window is enough: graders take turns, and
// whoever finds one there leaves it at that. What fails here costs the miner nothing
// less: the verdicts say the same.
func (v *Validator) prove(
	ctx context.Context, w challengetypes.Window, c rollouttypes.Commitment, miner sdk.AccAddress,
	res verify.Result, b batch.Batch, tok tokenizer.Tokenizer,
) {
	log := v.log.With("window", w.Id, "miner", c.Miner, "leaf", res.Leaf, "code", res.Code.String())
	msg, err := v.evidence(ctx, w, c, miner, b, tok, res.Leaf)
	if err != nil {
		log.Debug("no evidence for the chain", "reason", err)
		return
	}
	turn := time.Duration(v.place(evidenceRank(w.Id, miner))) * v.config.Beacon.Stagger
	if daemon.Sleep(ctx, turn) != nil {
		return
	}
	if _, there, err := v.chain.Evidence(ctx, w.Run, w.Id, miner); err != nil || there {
		log.Debug("evidence not sent", "there", there, "error", err)
		return
	}
	// Not by the operator inside an authz execution: anyone may submit it, and the fee
	// comes back to who signs.
	if _, err := v.sender.Tx(ctx, msg); err != nil {
		if _, there, again := v.chain.Evidence(ctx, w.Run, w.Id, miner); again == nil && there {
			log.Debug("another one was faster with the evidence")
			return
		}
		log.Warn("evidence not accepted", "error", err)
		return
	}
	v.metrics.evidence.Inc()
	log.Info("evidence submitted: the miner is slashed")
}

// errNoProof says why there is nothing to send.
var errNoProof = errors.New("not provable on chain")

// evidence builds the message, if the chain will come to the same conclusion.
func (v *Validator) evidence(
	ctx context.Context, w challengetypes.Window, c rollouttypes.Commitment, miner sdk.AccAddress,
	b batch.Batch, tok tokenizer.Tokenizer, leaf uint64,
) (*rollouttypes.MsgSubmitEvidence, error) {
	challenge, err := w.Challenge(v.chain.ChainID(), miner, uint64(c.Groups))
	if err != nil {
		return nil, err
	}
	if uint64(len(b.Leaves)) != challenge.Leaves() || leaf >= challenge.Leaves() {
		return nil, fmt.Errorf("%w: the batch has %d leaves of %d", errNoProof, len(b.Leaves), challenge.Leaves())
	}
	if len(b.Leaves[leaf]) > batch.MaxLeafBytes {
		return nil, fmt.Errorf("%w: a leaf of %d bytes", errNoProof, len(b.Leaves[leaf]))
	}
	if !v.tokenizerOnChain(ctx, w) {
		tok = nil
	}
	if res := verify.Evidence(challenge, tok, leaf, b.Leaves[leaf]); !res.Code.Hard() {
		return nil, fmt.Errorf("%w: to the chain the leaf is %s", errNoProof, res)
	}
	proof, err := b.Proof(leaf)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(append([]byte{0}, b.Leaves[leaf]...)) // the prefix of a leaf
	return &rollouttypes.MsgSubmitEvidence{
		Submitter: v.sender.Address().String(), Run: w.Run, Window: w.Id, Miner: c.Miner,
		LeafIndex: leaf, Leaf: b.Leaves[leaf],
		Proof: rollouttypes.MerkleProof{Total: proof.Total, Index: proof.Index, LeafHash: hash[:], Aunts: proof.Aunts},
	}, nil
}

// tokenizerOnChain reports whether the chain has the tokenizer of a window, so that it
// can judge prompts and rewards, too. In doubt it has not, and is shown less.
func (v *Validator) tokenizerOnChain(ctx context.Context, w challengetypes.Window) bool {
	file, ok, err := v.chain.Tokenizer(ctx, w.Run)
	digest := sha256.Sum256(file)
	return err == nil && ok && bytes.Equal(digest[:], w.Params.TokenizerDigest)
}

// evidenceRank numbers the turns of graders for one miner of a window.
func evidenceRank(window uint64, miner []byte) uint64 {
	h := sha256.Sum256([]byte(strings.Join([]string{"evidence", string(binary.BigEndian.AppendUint64(nil, window)), string(miner)}, "/")))
	return binary.BigEndian.Uint64(h[:8])
}
