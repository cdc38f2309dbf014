package types

import (
	"bytes"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/x/internal/locator"
)

// DefaultGenesis has no commitments.
func DefaultGenesis() *GenesisState {
	return &GenesisState{Params: DefaultParams(), NextAccusation: 1}
}

// Validate returns an error that names the first entry which is malformed or out of order.
func (g GenesisState) Validate() error {
	if err := g.Params.Validate(); err != nil {
		return err
	}
	if g.NextAccusation == 0 {
		return ErrInvalidGenesis.Wrap("next_accusation is 0, ids begin with 1")
	}
	var previous []byte
	for i, c := range g.Commitments {
		addr, err := sdk.AccAddressFromBech32(c.Miner)
		if err != nil {
			return ErrInvalidGenesis.Wrapf("commitments[%d]: miner: %s", i, err)
		}
		key := bytes.Join([][]byte{sdk.Uint64ToBigEndian(c.Run), sdk.Uint64ToBigEndian(c.Window), addr}, nil)
		if i > 0 && bytes.Compare(previous, key) >= 0 {
			return ErrInvalidGenesis.Wrapf("commitments[%d]: not ascending by (run, window, miner)", i)
		}
		previous = key
		for _, digest := range [][]byte{c.CheckpointDigest, c.ConformanceDigest, c.Root} {
			if len(digest) != DigestLength {
				return ErrInvalidGenesis.Wrapf("commitments[%d]: a digest of %d bytes", i, len(digest))
			}
		}
		if c.Groups == 0 || c.Bytes == 0 || c.Height < 0 {
			return ErrInvalidGenesis.Wrapf("commitments[%d]: no groups, no bytes or a negative height", i)
		}
		if err := locator.Check(c.Locator, locator.MaxLength, LocatorSchemes...); err != nil {
			return ErrInvalidGenesis.Wrapf("commitments[%d]: locator: %s", i, err)
		}
	}
	if err := g.validateEvidences(); err != nil {
		return err
	}
	return g.validateAccusations()
}

func (g GenesisState) validateEvidences() error {
	var previous []byte
	for i, e := range g.Evidences {
		miner, err := sdk.AccAddressFromBech32(e.Miner)
		if err != nil {
			return ErrInvalidGenesis.Wrapf("evidences[%d]: miner: %s", i, err)
		}
		if _, err := sdk.AccAddressFromBech32(e.Submitter); err != nil {
			return ErrInvalidGenesis.Wrapf("evidences[%d]: submitter: %s", i, err)
		}
		key := bytes.Join([][]byte{sdk.Uint64ToBigEndian(e.Run), sdk.Uint64ToBigEndian(e.Window), miner}, nil)
		if i > 0 && bytes.Compare(previous, key) >= 0 {
			return ErrInvalidGenesis.Wrapf("evidences[%d]: not ascending by (run, window, miner)", i)
		}
		previous = key
		if code := verify.Code(e.Code); !code.Hard() {
			return ErrInvalidGenesis.Wrapf("evidences[%d]: %s is no hard failure", i, code)
		}
		if e.Height < 0 || e.Burned.IsNil() || e.Burned.IsNegative() {
			return ErrInvalidGenesis.Wrapf("evidences[%d]: a negative height or amount", i)
		}
	}
	return nil
}

func (g GenesisState) validateAccusations() error {
	ids := make(map[uint64]bool, len(g.Accusations))
	leaves := make(map[string]bool, len(g.Accusations))
	for i, a := range g.Accusations {
		miner, err := sdk.AccAddressFromBech32(a.Miner)
		if err != nil {
			return ErrInvalidGenesis.Wrapf("accusations[%d]: miner: %s", i, err)
		}
		if _, err := sdk.AccAddressFromBech32(a.Accuser); err != nil {
			return ErrInvalidGenesis.Wrapf("accusations[%d]: accuser: %s", i, err)
		}
		if i > 0 {
			if p := g.Accusations[i-1]; a.Run < p.Run || a.Run == p.Run && a.Id <= p.Id {
				return ErrInvalidGenesis.Wrapf("accusations[%d]: not ascending by (run, id)", i)
			}
		}
		if a.Id == 0 || a.Id >= g.NextAccusation || ids[a.Id] {
			return ErrInvalidGenesis.Wrapf("accusations[%d]: id %d is taken or not within [1, %d)", i, a.Id, g.NextAccusation)
		}
		ids[a.Id] = true
		if a.Status < AccusationPending || a.Status > AccusationReturned {
			return ErrInvalidGenesis.Wrapf("accusations[%d]: status %d", i, a.Status)
		}
		if a.Height < 0 || a.Deposit.IsNil() || !a.Deposit.IsPositive() {
			return ErrInvalidGenesis.Wrapf("accusations[%d]: a negative height or no deposit", i)
		}
		if a.Status == AccusationReturned {
			continue // its leaf may be accused again
		}
		leaf := string(bytes.Join([][]byte{
			sdk.Uint64ToBigEndian(a.Run), sdk.Uint64ToBigEndian(a.Window), sdk.Uint64ToBigEndian(a.Leaf), miner,
		}, nil))
		if leaves[leaf] {
			return ErrInvalidGenesis.Wrapf("accusations[%d]: its leaf is accused twice", i)
		}
		leaves[leaf] = true
	}
	return nil
}
