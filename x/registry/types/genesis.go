package types

import (
	"bytes"
	"cmp"
	"time"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/internal/locator"
)

// DefaultGenesis has no miners.
func DefaultGenesis() *GenesisState {
	return &GenesisState{Params: DefaultParams()}
}

// minerKey identifies a miner within the genesis state.
type minerKey struct {
	run  uint64
	addr string // raw bytes
}

// Validate returns an ErrInvalidGenesis that names the first entry which is
// malformed, out of order, or contradicts another one.
func (g GenesisState) Validate() error {
	if err := g.Params.Validate(); err != nil {
		return err
	}
	next, err := g.validateCounters()
	if err != nil {
		return err
	}
	// stake is what a miner's locks can be taken from: its bond and its entries.
	stake, err := g.validateMiners(next)
	if err != nil {
		return err
	}
	if err := g.validateUnbondings(stake); err != nil {
		return err
	}
	if err := g.validateLocks(stake); err != nil {
		return err
	}
	if err := g.validateJailTerms(); err != nil {
		return err
	}
	return g.validatePrices()
}

func (g GenesisState) validateCounters() (map[uint64]uint64, error) {
	next := make(map[uint64]uint64, len(g.NextOrders))
	for i, c := range g.NextOrders {
		if i > 0 && g.NextOrders[i-1].Run >= c.Run {
			return nil, ErrInvalidGenesis.Wrapf("next_orders[%d]: not ascending by run", i)
		}
		next[c.Run] = c.Next
	}
	return next, nil
}

func (g GenesisState) validateMiners(next map[uint64]uint64) (map[minerKey]sdkmath.Int, error) {
	stake := make(map[minerKey]sdkmath.Int, len(g.Miners))
	orders := make(map[[2]uint64]bool, len(g.Miners))
	var previous minerKey
	for i, m := range g.Miners {
		addr, err := sdk.AccAddressFromBech32(m.Address)
		if err != nil {
			return nil, ErrInvalidGenesis.Wrapf("miners[%d]: address: %s", i, err)
		}
		key := minerKey{m.Run, string(addr)}
		if i > 0 && cmp.Or(cmp.Compare(previous.run, key.run), cmp.Compare(previous.addr, key.addr)) >= 0 {
			return nil, ErrInvalidGenesis.Wrapf("miners[%d]: not ascending by (run, address)", i)
		}
		previous = key
		if m.Bond.IsNil() || m.Bond.IsNegative() {
			return nil, ErrInvalidGenesis.Wrapf("miners[%d]: negative bond", i)
		}
		if err := locator.Check(m.Endpoint, locator.MaxLength, EndpointSchemes...); err != nil {
			return nil, ErrInvalidGenesis.Wrapf("miners[%d]: endpoint: %s", i, err)
		}
		if err := CheckMetadata(m.Metadata, MaxMetadataLength); err != nil {
			return nil, ErrInvalidGenesis.Wrapf("miners[%d]: %s", i, err)
		}
		if m.Order >= next[m.Run] || orders[[2]uint64{m.Run, m.Order}] {
			return nil, ErrInvalidGenesis.Wrapf("miners[%d]: order %d is taken or not below the run's next order", i, m.Order)
		}
		orders[[2]uint64{m.Run, m.Order}] = true
		stake[key] = m.Bond
	}
	return stake, nil
}

func (g GenesisState) validateUnbondings(stake map[minerKey]sdkmath.Int) error {
	for i, u := range g.Unbondings {
		addr, err := sdk.AccAddressFromBech32(u.Miner)
		if err != nil {
			return ErrInvalidGenesis.Wrapf("unbondings[%d]: miner: %s", i, err)
		}
		if i > 0 && g.Unbondings[i-1].Id >= u.Id || u.Id >= g.NextUnbondingId {
			return ErrInvalidGenesis.Wrapf("unbondings[%d]: ids not ascending or not below next_unbonding_id", i)
		}
		if u.Amount.IsNil() || !u.Amount.IsPositive() {
			return ErrInvalidGenesis.Wrapf("unbondings[%d]: amount not positive", i)
		}
		// The queue's key is the time in nanoseconds, which an int64 holds for these years only.
		if y := u.CompletionTime.UTC().Year(); y < time.Unix(0, 0).UTC().Year() || y > 2261 {
			return ErrInvalidGenesis.Wrapf("unbondings[%d]: completion time in year %d", i, y)
		}
		key := minerKey{u.Run, string(addr)}
		held, ok := stake[key]
		if !ok { // a miner that has left
			held = sdkmath.ZeroInt()
		}
		if stake[key], err = held.SafeAdd(u.Amount); err != nil {
			return ErrInvalidGenesis.Wrapf("unbondings[%d]: %s", i, err)
		}
	}
	return nil
}

func (g GenesisState) validateLocks(stake map[minerKey]sdkmath.Int) error {
	var previous []byte
	for i, l := range g.Locks {
		addr, err := sdk.AccAddressFromBech32(l.Miner)
		if err != nil {
			return ErrInvalidGenesis.Wrapf("locks[%d]: miner: %s", i, err)
		}
		key := bytes.Join([][]byte{sdk.Uint64ToBigEndian(l.Run), sdk.Uint64ToBigEndian(l.Window), addr}, nil)
		if i > 0 && bytes.Compare(previous, key) >= 0 {
			return ErrInvalidGenesis.Wrapf("locks[%d]: not ascending by (run, window, miner)", i)
		}
		previous = key
		if l.Amount.IsNil() || !l.Amount.IsPositive() || l.SlashedPpm > MillionPPM {
			return ErrInvalidGenesis.Wrapf("locks[%d]: amount not positive, or slashed by more than all of it", i)
		}
		exposed, err := l.Exposed()
		if err != nil {
			return ErrInvalidGenesis.Wrapf("locks[%d]: %s", i, err)
		}
		held, ok := stake[minerKey{l.Run, string(addr)}]
		if !ok { // evicted, and slashed to the last coin
			held = sdkmath.ZeroInt()
		}
		if held.LT(exposed) {
			return ErrInvalidGenesis.Wrapf("locks[%d]: the miner's locks exceed its bond and unbonding entries", i)
		}
		stake[minerKey{l.Run, string(addr)}] = held.Sub(exposed)
	}
	return nil
}

func (g GenesisState) validateJailTerms() error {
	registered := make(map[minerKey]bool, len(g.Miners))
	for _, m := range g.Miners {
		addr, err := sdk.AccAddressFromBech32(m.Address)
		if err != nil {
			return ErrInvalidGenesis.Wrap(err.Error())
		}
		registered[minerKey{m.Run, string(addr)}] = true
	}
	var previous minerKey
	for i, term := range g.JailTerms {
		addr, err := sdk.AccAddressFromBech32(term.Miner)
		if err != nil {
			return ErrInvalidGenesis.Wrapf("jail_terms[%d]: miner: %s", i, err)
		}
		key := minerKey{term.Run, string(addr)}
		if i > 0 && cmp.Or(cmp.Compare(previous.run, key.run), cmp.Compare(previous.addr, key.addr)) >= 0 {
			return ErrInvalidGenesis.Wrapf("jail_terms[%d]: not ascending by (run, miner)", i)
		}
		previous = key
		if registered[key] {
			return ErrInvalidGenesis.Wrapf("jail_terms[%d]: the miner is registered and has its term there", i)
		}
	}
	return nil
}

func (g GenesisState) validatePrices() error {
	for i, p := range g.Prices {
		if i > 0 && g.Prices[i-1].Run >= p.Run {
			return ErrInvalidGenesis.Wrapf("prices[%d]: not ascending by run", i)
		}
		if p.Price.IsNil() || p.Price.IsNegative() || p.Price.GT(MaxPrice()) || p.Height < 0 {
			return ErrInvalidGenesis.Wrapf("prices[%d]: price not within [0, 2^128), or a height below 0", i)
		}
	}
	return nil
}
