package types

import (
	"bytes"
	"encoding/binary"
	"fmt"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

// DefaultGenesis has no history.
func DefaultGenesis() *GenesisState {
	return &GenesisState{Params: DefaultParams()}
}

// Validate returns an ErrInvalidGenesis that names the first entry which is
// malformed, out of order, or contradicts another one.
func (g GenesisState) Validate() error {
	if err := g.Params.Validate(); err != nil {
		return err
	}
	for _, check := range []func() error{
		g.validateVerdicts, g.validateMinerResults, g.validateGraderResults, g.validateWindows, g.validateCredits,
		g.validateDuties, g.validateBonds, g.validatePenalties, g.validateFrozen,
	} {
		if err := check(); err != nil {
			return ErrInvalidGenesis.Wrap(err.Error())
		}
	}
	return nil
}

// ascending reports keys that are not strictly ascending.
type ascending struct{ last []byte }

func (a *ascending) next(key []byte) error {
	if a.last != nil && bytes.Compare(a.last, key) >= 0 {
		return fmt.Errorf("not ascending by key, or twice")
	}
	a.last = key
	return nil
}

// genesisKey is the order of the store: integers big-endian; an address before another
// part is preceded by its length.
func genesisKey(parts ...any) []byte {
	var key []byte
	for i, p := range parts {
		switch p := p.(type) {
		case uint64:
			key = binary.BigEndian.AppendUint64(key, p)
		case []byte:
			if i < len(parts)-1 {
				key = binary.AppendUvarint(key, uint64(len(p)))
			}
			key = append(key, p...)
		}
	}
	return key
}

func account(bech32 string) ([]byte, error)  { return sdk.AccAddressFromBech32(bech32) }
func operator(bech32 string) ([]byte, error) { return sdk.ValAddressFromBech32(bech32) }

func (g GenesisState) validateVerdicts() error {
	var order ascending
	committed := make(map[string]bool, len(g.Commits))
	for i, c := range g.Commits {
		addr, err := operator(c.Grader)
		if err != nil {
			return fmt.Errorf("commits[%d]: %w", i, err)
		}
		key := genesisKey(c.Run, c.Window, addr)
		if err := order.next(key); err != nil {
			return fmt.Errorf("commits[%d]: %w", i, err)
		}
		if len(c.Hash) != HashSize {
			return fmt.Errorf("commits[%d]: hash of %d bytes", i, len(c.Hash))
		}
		committed[string(key)] = true
	}
	order = ascending{}
	for i, r := range g.Reveals {
		addr, err := operator(r.Grader)
		if err != nil {
			return fmt.Errorf("reveals[%d]: %w", i, err)
		}
		key := genesisKey(r.Run, r.Window, addr)
		if err := order.next(key); err != nil {
			return fmt.Errorf("reveals[%d]: %w", i, err)
		}
		if !committed[string(key)] {
			return fmt.Errorf("reveals[%d]: no hash was committed", i)
		}
	}
	return nil
}

func (g GenesisState) validateMinerResults() error {
	var order ascending
	for i, r := range g.MinerResults {
		addr, err := account(r.Miner)
		if err == nil {
			err = order.next(genesisKey(r.Run, r.Window, addr))
		}
		if err == nil {
			err = notNegative(r.Paid, r.Slashed, r.Withheld, r.Voided)
		}
		if err != nil {
			return fmt.Errorf("miner_results[%d]: %w", i, err)
		}
	}
	return nil
}

func (g GenesisState) validateGraderResults() error {
	var order ascending
	for i, r := range g.GraderResults {
		addr, err := operator(r.Grader)
		if err == nil {
			err = order.next(genesisKey(r.Run, r.Window, addr))
		}
		if err == nil {
			err = notNegative(r.Stake, r.Paid, r.Withheld)
		}
		if err != nil {
			return fmt.Errorf("grader_results[%d]: %w", i, err)
		}
	}
	return nil
}

func (g GenesisState) validateWindows() error {
	var order ascending
	for i, r := range g.WindowResults {
		err := order.next(genesisKey(r.Run, r.Window))
		if err == nil {
			err = r.Balanced()
		}
		if err != nil {
			return fmt.Errorf("window_results[%d]: %w", i, err)
		}
	}
	order = ascending{}
	for i, c := range g.Cursors {
		err := order.next(genesisKey(c.Run, c.Window))
		if err == nil {
			_, err = c.Unspent()
		}
		if err != nil {
			return fmt.Errorf("cursors[%d]: %w", i, err)
		}
	}
	order = ascending{}
	for i, t := range g.Totals {
		err := order.next(genesisKey(t.Run))
		if err == nil {
			err = t.Balanced()
		}
		if err == nil && max(t.ReleasedWindows, t.UnlockedWindows) > t.SettledWindows {
			err = fmt.Errorf("%d windows released, %d unlocked, %d settled", t.ReleasedWindows, t.UnlockedWindows, t.SettledWindows)
		}
		if err != nil {
			return fmt.Errorf("totals[%d]: %w", i, err)
		}
	}
	return nil
}

func (g GenesisState) validateCredits() error {
	var order ascending
	for i, c := range g.Credits {
		addr, err := account(c.Miner)
		if err == nil {
			err = order.next(genesisKey(c.Run, addr, c.Window))
		}
		if err == nil {
			err = notNegative(c.Amount)
		}
		if err == nil && !c.Amount.IsPositive() {
			err = fmt.Errorf("amount not positive")
		}
		if err != nil {
			return fmt.Errorf("credits[%d]: %w", i, err)
		}
	}
	return nil
}

func (g GenesisState) validateDuties() error {
	var order ascending
	for i, d := range g.MinerDuties {
		addr, err := account(d.Miner)
		if err == nil {
			err = order.next(genesisKey(d.Run, addr))
		}
		if err == nil {
			err = ascendingWindows(d.Missed)
		}
		if err == nil {
			err = ascendingWindows(d.Failed)
		}
		if err != nil {
			return fmt.Errorf("miner_duties[%d]: %w", i, err)
		}
	}
	order = ascending{}
	for i, d := range g.GraderDuties {
		addr, err := operator(d.Grader)
		if err == nil {
			err = order.next(genesisKey(d.Run, addr))
		}
		if err == nil {
			err = ascendingWindows(d.Missed)
		}
		if err != nil {
			return fmt.Errorf("grader_duties[%d]: %w", i, err)
		}
	}
	return nil
}

func (g GenesisState) validateBonds() error {
	var order ascending
	columns := make(map[uint64]int, len(g.BondColumns))
	for i, c := range g.BondColumns {
		err := order.next(genesisKey(c.Run))
		var miners ascending
		for _, m := range c.Columns {
			if err == nil {
				err = miners.next(m.Miner)
			}
		}
		if err != nil {
			return fmt.Errorf("bond_columns[%d]: %w", i, err)
		}
		columns[c.Run] = len(c.Columns)
	}
	order = ascending{}
	for i, r := range g.BondRows {
		addr, err := operator(r.Grader)
		if err == nil {
			err = order.next(genesisKey(r.Run, addr))
		}
		if err == nil && len(r.Bonds) != 2*columns[r.Run] {
			err = fmt.Errorf("%d bytes on %d columns", len(r.Bonds), columns[r.Run])
		}
		if err != nil {
			return fmt.Errorf("bond_rows[%d]: %w", i, err)
		}
	}
	order = ascending{}
	for i, s := range g.MinerScores {
		addr, err := account(s.Miner)
		if err == nil {
			err = order.next(genesisKey(s.Run, addr))
		}
		if err != nil {
			return fmt.Errorf("miner_scores[%d]: %w", i, err)
		}
	}
	return nil
}

func (g GenesisState) validatePenalties() error {
	var order ascending
	for i, m := range g.SlashMarkers {
		addr, err := account(m.Miner)
		if err == nil {
			err = order.next(genesisKey(m.Run, addr))
		}
		if err == nil && m.FromWindow > m.ToWindow {
			err = fmt.Errorf("windows [%d, %d)", m.FromWindow, m.ToWindow)
		}
		if err != nil {
			return fmt.Errorf("slash_markers[%d]: %w", i, err)
		}
	}
	order = ascending{}
	for i, r := range g.SlashRecords {
		addr, err := account(r.Miner)
		if err == nil {
			err = order.next(genesisKey(r.Run, r.Window, addr, uint64(r.Source)))
		}
		if err == nil {
			err = notNegative(r.Burned, r.Voided)
		}
		if err != nil {
			return fmt.Errorf("slash_records[%d]: %w", i, err)
		}
	}
	return nil
}

// validateFrozen checks what windows in settlement or before it have frozen.
func (g GenesisState) validateFrozen() error {
	var order ascending
	settling := make(map[string]bool, len(g.Cursors))
	for _, c := range g.Cursors {
		settling[string(genesisKey(c.Run, c.Window))] = true
	}
	for i, p := range g.TallyPages {
		err := order.next(genesisKey(p.Run, p.Window, p.Page))
		if err == nil && !settling[string(genesisKey(p.Run, p.Window))] {
			err = fmt.Errorf("window %d of run %d is not in settlement", p.Window, p.Run)
		}
		if err != nil {
			return fmt.Errorf("tally_pages[%d]: %w", i, err)
		}
	}
	order = ascending{}
	for i, r := range g.Rosters {
		err := order.next(genesisKey(r.Run, r.Window))
		var miners ascending
		for _, m := range r.Miners {
			if err == nil {
				err = miners.next(m.Address)
			}
		}
		if err != nil {
			return fmt.Errorf("rosters[%d]: %w", i, err)
		}
	}
	return nil
}

func ascendingWindows(windows []uint64) error {
	for i := 1; i < len(windows); i++ {
		if windows[i-1] >= windows[i] {
			return fmt.Errorf("missed windows are not ascending")
		}
	}
	return nil
}

func notNegative(amounts ...sdkmath.Int) error {
	for _, a := range amounts {
		if a.IsNil() || a.IsNegative() {
			return fmt.Errorf("missing or negative amount")
		}
	}
	return nil
}
