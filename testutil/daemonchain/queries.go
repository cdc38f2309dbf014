package daemonchain

import (
	"bytes"
	"context"
	"slices"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/client"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// The methods below are chain/client.Client's.

// ChainID is the client's.
func (c *Chain) ChainID() string { return ID }

// Height is the client's.
func (c *Chain) Height(context.Context) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.height, nil
}

// Run is the client's.
func (c *Chain) Run(context.Context, uint64) (challengetypes.Run, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.run, nil
}

// ChallengeParams is the client's.
func (c *Chain) ChallengeParams(context.Context) (challengetypes.Params, error) {
	return challengetypes.Params{BlockTime: BlockTime, Beacon: challengetypes.BeaconParams{Period: 1}}, nil
}

// PendingRounds is the client's.
func (c *Chain) PendingRounds(context.Context) ([]uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.pending), nil
}

func (c *Chain) status() challengetypes.WindowStatus {
	return challengetypes.WindowStatus{Window: c.window, Stage: challengetypes.StageAt(c.window, c.height), Height: c.height}
}

// Window is the client's.
func (c *Chain) Window(_ context.Context, _, window uint64) (challengetypes.WindowStatus, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o, ok := c.older[window]; ok {
		return challengetypes.WindowStatus{Window: o.Window, Stage: challengetypes.StageAt(o.Window, c.height), Height: c.height}, nil
	}
	return c.status(), nil
}

// OpenWindows is the client's.
func (c *Chain) OpenWindows(context.Context, uint64) ([]challengetypes.WindowStatus, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.window.Done() {
		return nil, nil
	}
	return []challengetypes.WindowStatus{c.status()}, nil
}

// WindowMiners is the client's.
func (c *Chain) WindowMiners(context.Context, uint64, uint64) ([]challengetypes.FrozenMiner, error) {
	return c.miners, nil
}

// WindowGraders is the client's.
func (c *Chain) WindowGraders(context.Context, uint64, uint64) ([]challengetypes.FrozenGrader, error) {
	return c.graders, nil
}

// Miner is the client's.
func (c *Chain) Miner(_ context.Context, _ uint64, a sdk.AccAddress) (registrytypes.QueryMinerResponse, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, ok := c.registered[a.String()]
	return registrytypes.QueryMinerResponse{Miner: m, Locked: sdkmath.ZeroInt()}, ok, nil
}

// RegistrationPrice is the client's.
func (c *Chain) RegistrationPrice(context.Context, uint64) (registrytypes.QueryPriceResponse, error) {
	return registrytypes.QueryPriceResponse{Price: Price}, nil
}

// Commitment is the client's.
func (c *Chain) Commitment(_ context.Context, _, window uint64, a sdk.AccAddress) (rollouttypes.Commitment, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o, ok := c.older[window]; ok {
		return o.Commitment, o.Commitment.Miner == a.String(), nil
	}
	k, ok := c.commitments[a.String()]
	return k, ok, nil
}

// Commitments is the client's.
func (c *Chain) Commitments(context.Context, uint64, uint64) (all []rollouttypes.Commitment, groups uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.commitments {
		all, groups = append(all, k), groups+uint64(k.Groups)
	}
	slices.SortFunc(all, func(a, b rollouttypes.Commitment) int { return bytes.Compare([]byte(a.Miner), []byte(b.Miner)) })
	return all, groups, nil
}

// Committed is the client's.
func (c *Chain) Committed(ctx context.Context, run, window uint64, commitEnd int64) (out client.Committed, err error) {
	if height, _ := c.Height(ctx); height < commitEnd-1 {
		return out, client.ErrBehind
	}
	if out.Commitments, out.Groups, err = c.Commitments(ctx, run, window); err != nil {
		return out, err
	}
	if out.Miners, err = c.WindowMiners(ctx, run, window); err != nil {
		return out, err
	}
	out.Accusations, err = c.Accusations(ctx, run, window)
	return out, err
}

// Audited is the client's.
func (c *Chain) Audited(ctx context.Context, run, window uint64, _ int64) (challengetypes.Window, error) {
	s, err := c.Window(ctx, run, window)
	return s.Window, err
}

// Evidence is the client's.
func (c *Chain) Evidence(_ context.Context, _, window uint64, a sdk.AccAddress) (rollouttypes.Evidence, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.evidence {
		if e.Window == window && e.Miner == a.String() {
			return rollouttypes.Evidence{Run: c.run.Id, Window: window, Miner: e.Miner, Leaf: e.LeafIndex, Submitter: e.Submitter}, true, nil
		}
	}
	return rollouttypes.Evidence{}, false, nil
}

// Accusations is the client's.
func (c *Chain) Accusations(context.Context, uint64, uint64) ([]rollouttypes.Accusation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.accusations), nil
}

// Tokenizer is the client's.
func (c *Chain) Tokenizer(context.Context, uint64) ([]byte, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tokenizer, c.tokenizer != nil, nil
}

// Checkpoint is the client's.
func (c *Chain) Checkpoint(context.Context, uint64, uint64) (policytypes.Checkpoint, bool, error) {
	return policytypes.Checkpoint{Run: c.run.Id, Digest: c.Policy.Digest, Locator: "mem://"}, true, nil
}

// ActiveCheckpoint is the client's.
func (c *Chain) ActiveCheckpoint(context.Context, uint64) (active, latest policytypes.Checkpoint, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	active = policytypes.Checkpoint{Run: c.run.Id, Digest: c.Policy.Digest, Locator: "mem://", TrainedWindows: c.trained}
	return active, active, nil
}

// Credits is the client's.
func (c *Chain) Credits(context.Context, uint64, sdk.AccAddress) (settlementtypes.QueryCreditsResponse, error) {
	return settlementtypes.QueryCreditsResponse{Claimable: sdkmath.ZeroInt(), Locked: sdkmath.ZeroInt()}, nil
}

// VerdictCommits is the client's.
func (c *Chain) VerdictCommits(context.Context, uint64, uint64) (all []settlementtypes.VerdictCommit, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.commits {
		all = append(all, k)
	}
	return all, nil
}

// VerdictReveals is the client's.
func (c *Chain) VerdictReveals(context.Context, uint64, uint64) (all []settlementtypes.VerdictReveal, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.reveals {
		all = append(all, r)
	}
	return all, nil
}

// RunTotals is the client's.
func (c *Chain) RunTotals(context.Context, uint64) (settlementtypes.RunTotals, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return settlementtypes.RunTotals{Run: c.run.Id, SettledWindows: c.settled}, nil
}

// Settle makes the window CLOSED and counts as settled all windows below count.
func (c *Chain) Settle(count uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.window.ClosedHeight, c.settled = c.height, count
	c.height++
}

// Train makes the active version one that was trained on the windows.
func (c *Chain) Train(windows ...uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trained = windows
}

// Forget makes a window the oldest that the chain has.
func (c *Chain) Forget(first uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run.FirstWindow = first
}
