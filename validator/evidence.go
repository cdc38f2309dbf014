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

	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
)

// owe writes down what the audit found without the model, before the decision is: whatever
// becomes of this process, somebody will prove it.
func (j *job) owe() error {
	if !j.v.config.Audit.Evidence {
		return nil
	}
	for _, s := range j.subjects {
		if !s.guilty {
			continue
		}
		if err := j.v.journal.owe(owed{Window: j.window.Id, Miner: s.commitment.Miner, Leaf: s.result.Leaf}); err != nil {
			return err
		}
	}
	return nil
}

// proveOwed proves in the background what is owed, also by earlier lives: a grader's own
// duty in the window comes first.
func (v *Validator) proveOwed() {
	if !v.config.Audit.Evidence {
		return
	}
	all, err := v.journal.owed()
	if err != nil {
		v.log.Error("cannot read what evidence is owed", "error", err)
	}
	for _, o := range all {
		if _, busy := v.proving.LoadOrStore(o, true); busy {
			continue
		}
		v.later.Go(func() {
			defer v.proving.Delete(o)
			v.prove(v.life, o)
		})
	}
}

// prove puts the proof of a failure that needs no model on chain, which slashes the
// miner at once. It is owed until the chain has a proof of the miner and the window, by
// whomever, or refuses it. What fails here costs the miner nothing less: the verdicts say
// the same.
func (v *Validator) prove(ctx context.Context, o owed) {
	log := v.log.With("window", o.Window, "miner", o.Miner, "leaf", o.Leaf)
	sent, err := v.pay(ctx, o)
	switch {
	case ctx.Err() != nil:
		return
	case errors.Is(err, errNoProof):
		log.Debug("no evidence for the chain", "reason", err)
	case errors.Is(err, errLater):
		log.Warn("evidence not sent; it will be with the next window", "error", err)
		return
	case err != nil:
		log.Warn("evidence not accepted", "error", err)
	case !sent:
		log.Debug("another one was faster with the evidence")
	default:
		v.metrics.evidence.Inc()
		log.Info("evidence submitted: the miner is slashed")
	}
	if err := v.journal.paid(o); err != nil {
		log.Error("evidence is settled, but not in the journal", "error", err)
	}
}

var (
	// errNoProof says why there is nothing to send.
	errNoProof = errors.New("not provable on chain")
	// errLater says why it cannot be sent now.
	errLater = errors.New("not now")
)

// pay sends a proof in its turn unless one is there: graders take turns, and one proof
// for a miner and a window is enough. Errors: errNoProof, errLater, the chain's refusal.
func (v *Validator) pay(ctx context.Context, o owed) (sent bool, err error) {
	miner, err := sdk.AccAddressFromBech32(o.Miner)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errNoProof, err)
	}
	msg, err := v.evidence(ctx, o, miner)
	if err != nil {
		return false, err
	}
	turn := time.Duration(v.place(evidenceRank(o.Window, miner))) * v.config.Beacon.Stagger
	if err := daemon.Sleep(ctx, turn); err != nil {
		return false, err
	}
	if _, there, err := v.chain.Evidence(ctx, v.config.Run, o.Window, miner); err != nil || there {
		return false, later(err)
	}
	// Not by the operator inside an authz execution: anyone may submit it, and the fee
	// comes back to who signs.
	if _, err = v.sender.Tx(ctx, msg); err == nil {
		return true, nil
	}
	if _, there, again := v.chain.Evidence(ctx, v.config.Run, o.Window, miner); again == nil && there {
		return false, nil
	}
	// Not found is the account that pays.
	if errors.Is(err, client.ErrUnreachable) || errors.Is(err, client.ErrExpired) || errors.Is(err, client.ErrNotFound) {
		err = later(err)
	}
	return false, err
}

func later(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errLater, err)
}

// evidence builds the message, if the chain will come to the same conclusion. Errors:
// errNoProof, errLater.
func (v *Validator) evidence(ctx context.Context, o owed, miner sdk.AccAddress) (*rollouttypes.MsgSubmitEvidence, error) {
	status, err := v.chain.Window(ctx, v.config.Run, o.Window)
	if errors.Is(err, client.ErrNotFound) {
		return nil, fmt.Errorf("%w: the window is gone", errNoProof)
	}
	if err != nil {
		return nil, later(err)
	}
	w := status.Window
	c, ok, err := v.chain.Commitment(ctx, w.Run, w.Id, miner)
	if err != nil {
		return nil, later(err)
	}
	if !ok {
		return nil, fmt.Errorf("%w: the commitment is gone", errNoProof)
	}
	b, err := v.store.Get(ctx, c.Root, limits(w, c))
	if err != nil { // the disk was full
		if b, err = v.batches.Fetch(ctx, c.Locator, c.Root, limits(w, c)); err != nil {
			return nil, later(err)
		}
	}
	challenge, err := w.Challenge(v.chain.ChainID(), miner, uint64(c.Groups))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoProof, err)
	}
	if uint64(len(b.Leaves)) != challenge.Leaves() || o.Leaf >= challenge.Leaves() {
		return nil, fmt.Errorf("%w: the batch has %d leaves of %d", errNoProof, len(b.Leaves), challenge.Leaves())
	}
	leaf := b.Leaves[o.Leaf]
	if len(leaf) > batch.MaxLeafBytes {
		return nil, fmt.Errorf("%w: a leaf of %d bytes", errNoProof, len(leaf))
	}
	var tok tokenizer.Tokenizer
	if v.tokenizerOnChain(ctx, w) {
		policy, err := v.policyOf(ctx, w)
		if err != nil {
			return nil, later(err)
		}
		tok = policy.Tokenizer
	}
	if res := verify.Evidence(challenge, tok, o.Leaf, leaf); !res.Code.Hard() {
		return nil, fmt.Errorf("%w: to the chain the leaf is %s", errNoProof, res)
	}
	proof, err := b.Proof(o.Leaf)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoProof, err)
	}
	hash := sha256.Sum256(append([]byte{0}, leaf...)) // the prefix of a leaf
	return &rollouttypes.MsgSubmitEvidence{
		Submitter: v.sender.Address().String(), Run: w.Run, Window: w.Id, Miner: c.Miner, LeafIndex: o.Leaf, Leaf: leaf,
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
