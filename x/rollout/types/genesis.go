package types

import (
	"bytes"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/internal/locator"
)

// DefaultGenesis has no commitments.
func DefaultGenesis() *GenesisState {
	return &GenesisState{Params: DefaultParams()}
}

// Validate returns an error that names the first entry which is malformed or out of order.
func (g GenesisState) Validate() error {
	if err := g.Params.Validate(); err != nil {
		return err
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
	return nil
}
