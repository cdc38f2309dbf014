package validator

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"text/tabwriter"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
)

// maxOffline bounds a batch that `verify` reads.
const maxOffline = 1 << 30

// Claim is what a batch has to answer to: a window and the commitment of its
// miner. As a file it lets a batch be verified without a node.
type Claim struct {
	ChainID    string                  `json:"chain_id"`
	Window     challengetypes.Window   `json:"window"`
	Commitment rollouttypes.Commitment `json:"commitment"`
}

// Save writes the claim as JSON.
func (c Claim) Save(file string) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return daemon.WriteFile(file, append(text, '\n'), 0o644)
}

// LoadClaim reads what Save wrote.
func LoadClaim(file string) (Claim, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Claim{}, err
	}
	var c Claim
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Claim{}, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// ReadBatch reads a batch file from a path or an http URL and holds it against the
// root that it states, or that the URL ends with.
func ReadBatch(ctx context.Context, fetcher *daemon.Fetcher, source string) (batch.Batch, error) {
	var r io.ReadCloser
	var err error
	remote := strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://")
	if remote {
		r, err = fetcher.Get(ctx, source, maxOffline)
	} else {
		r, err = os.Open(source)
	}
	if err != nil {
		return batch.Batch{}, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxOffline))
	if err != nil {
		return batch.Batch{}, err
	}
	root, err := hex.DecodeString(path.Base(source)) // as miners and graders name it
	if err != nil || len(root) != batch.DigestBytes {
		return batch.Batch{}, fmt.Errorf("%s: the name must be the batch's root, 64 hexadecimal digits", source)
	}
	b, err := batch.ReadFile(bytes.NewReader(data), root, batch.Limits{FileBytes: maxOffline, PayloadBytes: maxOffline, Leaves: maxOffline / 64})
	if err != nil {
		return batch.Batch{}, fmt.Errorf("%s: %w", source, err)
	}
	return b, nil
}

// FindClaim asks the chain what a batch has to answer to: its first leaf says
// which window and miner it is of.
func FindClaim(ctx context.Context, c *client.Client, b batch.Batch) (Claim, error) {
	if len(b.Leaves) == 0 {
		return Claim{}, errors.New("the batch is empty")
	}
	first, err := batch.Decode(b.Leaves[0])
	if err != nil {
		return Claim{}, fmt.Errorf("leaf 0: %w", err)
	}
	w, err := c.Window(ctx, first.Run, first.Window)
	if err != nil {
		return Claim{}, err
	}
	commitment, ok, err := c.Commitment(ctx, first.Run, first.Window, first.Miner)
	if err != nil {
		return Claim{}, err
	}
	if !ok {
		return Claim{}, fmt.Errorf("%w: a commitment of %s to window %d of run %d", client.ErrNotFound, sdk.AccAddress(first.Miner), first.Window, first.Run)
	}
	return Claim{ChainID: c.ChainID(), Window: w.Window, Commitment: commitment}, nil
}

// Verification is what VerifyBatch found, and what it cost.
type Verification struct {
	Run       uint64  `json:"run"`
	Window    uint64  `json:"window"`
	Miner     string  `json:"miner"`
	Groups    uint32  `json:"groups"`
	Rollouts  int     `json:"rollouts"`
	Tokens    int     `json:"tokens"` // of the completions; 0 where a check that needs no model failed
	Code      string  `json:"code"`
	Leaf      uint64  `json:"leaf"`
	Value     int64   `json:"value"`     // that the failed check measured
	Threshold int64   `json:"threshold"` // and its bound
	Detail    string  `json:"detail,omitempty"`
	ModelFree float64 `json:"seconds_without_model"`
	Replay    float64 `json:"seconds_replay"`
	groupSize uint64
}

// OK reports whether the batch passed everything.
func (v Verification) OK() bool { return v.Code == verify.OK.String() }

// Print writes the verification as a table.
func (v Verification) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { _, _ = fmt.Fprintf(t, name+"\t"+format+"\n", args...) } // Flush tells
	row("batch", "window %d of run %d, miner %s", v.Window, v.Run, v.Miner)
	row("content", "%d groups, %d rollouts, %d tokens", v.Groups, v.Rollouts, v.Tokens)
	row("verdict", "%s", v.Code)
	if code, known := verify.ParseCode(v.Code); known && code.Hard() {
		row("leaf", "%d: rollout %d of group %d", v.Leaf, v.Leaf%v.groupSize, v.Leaf/v.groupSize)
		row("measured", "%d", v.Value)
		row("bound", "%d", v.Threshold)
	}
	if v.Detail != "" {
		row("because", "%s", v.Detail)
	}
	row("cost", "%.3f s without the model, %.3f s of replay", v.ModelFree, v.Replay)
	return t.Flush()
}

// VerifyBatch runs all checks on a batch and replays every group of it, which is
// more than graders do.
func VerifyBatch(ctx context.Context, c Claim, policy *checkpoints.Policy, b batch.Batch) (Verification, error) {
	out := Verification{
		Run: c.Window.Run, Window: c.Window.Id, Miner: c.Commitment.Miner, Groups: c.Commitment.Groups, Rollouts: len(b.Leaves),
		groupSize: uint64(max(1, c.Window.Params.GroupSize)),
	}
	miner, err := sdk.AccAddressFromBech32(c.Commitment.Miner)
	if err != nil {
		return out, fmt.Errorf("miner %q: %w", c.Commitment.Miner, err)
	}
	challenge, err := c.Window.Challenge(c.ChainID, miner, uint64(c.Commitment.Groups))
	if err != nil {
		return out, err
	}
	began := time.Now()
	res, rollouts := verify.Batch(challenge, policy.Tokenizer, c.Commitment.Root, b.Leaves)
	out.ModelFree = time.Since(began).Seconds()
	if res.Code == verify.OK {
		all := make([]uint64, len(rollouts))
		for i, r := range rollouts {
			all[i] = uint64(i)
			out.Tokens += len(r.Completion)
		}
		began = time.Now()
		if res, _, err = replay.Check(ctx, policy.Engine, policy.Tokenizer, challenge, rollouts, all); err != nil {
			return out, err
		}
		out.Replay = time.Since(began).Seconds()
	}
	out.Code, out.Leaf, out.Value, out.Threshold, out.Detail = res.Code.String(), res.Leaf, res.Value, res.Threshold, res.Detail
	return out, nil
}
