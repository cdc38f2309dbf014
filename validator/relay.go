package validator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/beacon"
	"github.com/galahad-network/galahad/chain/daemon"
	scheme "github.com/galahad-network/galahad/x/challenge/beacon"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// Beacons fetches verified rounds; *beacon.Client has it.
type Beacons interface {
	Round(ctx context.Context, round uint64) (beacon.Beacon, error)
}

var _ Beacons = (*beacon.Client)(nil)

// relay brings the rounds that windows wait for to the chain.
func (v *Validator) relay(ctx context.Context) error {
	if !v.config.Beacon.Relay {
		return nil
	}
	var params challengetypes.Params
	err := daemon.Retry(ctx, v.log, daemon.DefaultBackoff, "read the beacon's parameters", func(ctx context.Context) (err error) {
		params, err = v.chain.ChallengeParams(ctx)
		return err
	})
	if err != nil {
		return err
	}
	beacons := v.beacons
	if beacons == nil {
		if beacons, err = beacon.NewClient(params.Beacon, v.config.Beacon.URLs); err != nil {
			return fmt.Errorf("beacon.urls: %w", err)
		}
	}
	var last string // error that was logged last
	for {
		err := v.relayPending(ctx, params.Beacon, beacons)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			last = ""
		case err.Error() != last:
			last = err.Error()
			v.log.Warn("beacon round not relayed yet; trying again", "error", err)
		}
		if err := daemon.Sleep(ctx, v.config.Chain.PollInterval); err != nil {
			return err
		}
	}
}

// relayPending submits the pending rounds that are public and whose turn it is.
func (v *Validator) relayPending(ctx context.Context, p challengetypes.BeaconParams, beacons Beacons) error {
	rounds, err := v.chain.PendingRounds(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, round := range rounds {
		at, ok := scheme.RoundTime(round, p.GenesisTime, p.Period)
		if !ok {
			continue
		}
		turn := time.Unix(at, 0).Add(time.Duration(v.place(round)) * v.config.Beacon.Stagger)
		if time.Now().Before(turn) {
			continue
		}
		if err := v.submit(ctx, beacons, round); err != nil {
			failed = append(failed, fmt.Errorf("round %d: %w", round, err))
		}
	}
	return errors.Join(failed...)
}

// submit brings one round to the chain. It is no error if another one was faster.
func (v *Validator) submit(ctx context.Context, beacons Beacons, round uint64) error {
	fetch, cancel := context.WithTimeout(ctx, v.config.Beacon.Timeout)
	b, err := beacons.Round(fetch, round)
	cancel()
	if errors.Is(err, beacon.ErrNotYet) {
		return nil // this machine's clock is a little ahead
	}
	if err != nil {
		return err
	}
	_, err = v.sender.Tx(ctx, &challengetypes.MsgSubmitBeacon{
		Submitter: v.sender.Address().String(), Round: round, Signature: b.Signature,
	})
	if err == nil {
		v.metrics.rounds.Inc()
		v.log.Info("beacon round relayed", "round", round)
		return nil
	}
	if pending, again := v.chain.PendingRounds(ctx); again == nil && !slices.Contains(pending, round) {
		v.log.Debug("another grader relayed the beacon round first", "round", round)
		return nil
	}
	return err
}

// place is this grader's turn for a round, from 0: the graders of the newest
// window ordered by a hash, so that the work is shared and nobody's absence costs
// more than one turn. A relay that is no grader comes last.
func (v *Validator) place(round uint64) int {
	v.mu.Lock()
	graders := v.graders
	v.mu.Unlock()
	own := rank(round, v.operator)
	place := 0
	for _, g := range graders {
		if !bytes.Equal(g, v.operator) && bytes.Compare(rank(round, g), own) < 0 {
			place++
		}
	}
	if !slices.ContainsFunc(graders, func(g sdk.ValAddress) bool { return bytes.Equal(g, v.operator) }) {
		return len(graders)
	}
	return place
}

func rank(round uint64, grader []byte) []byte {
	h := sha256.Sum256(append(binary.BigEndian.AppendUint64(nil, round), grader...))
	return h[:]
}
