package keeper

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/consensus"
	"github.com/galahad-network/galahad/x/settlement/types"
	"github.com/galahad-network/galahad/x/settlement/yuma"
)

// scores is what package yuma made of a window.
type scores struct {
	yuma.Payout
	// order has, for each of the sheet's graders, its place among the Payout's.
	order []int
}

// miner returns the consensus weight and the incentive of the i-th frozen miner.
func (s scores) miner(i int) (weight uint32, incentive uint64) {
	return uint32(s.Consensus[i]), uint64(s.Incentive[i])
}

func (s scores) dividend(grader int) yuma.Fixed { return s.Dividends[s.order[grader]] }
func (s scores) trust(grader int) yuma.Fixed    { return s.ValidatorTrust[s.order[grader]] }

// weigh makes the rows of the graders whose reveal counts into incentives, dividends
// and new bonds. Graders go by descending stake, then by address; miners by address.
func (k *Keeper) weigh(ctx context.Context, params types.Params, w challengetypes.Window, s *sheet, tally consensus.Output) (scores, error) {
	out := scores{order: make([]int, len(s.graders))}
	miners := make([]sdk.AccAddress, 0, len(s.frozen))
	for _, m := range s.frozen {
		miners = append(miners, m.Raw)
	}
	table, err := k.bondTable(ctx, w.Run)
	if err != nil {
		return out, err
	}
	ranks := make([]int, len(s.graders))
	for i := range ranks {
		ranks[i] = i
	}
	slices.SortFunc(ranks, func(a, b int) int {
		if c := s.stakes[b].Cmp(&s.stakes[a]); c != 0 {
			return c
		}
		return bytes.Compare(s.graders[a], s.graders[b])
	})
	committed := positions(miners, func(i int) []byte { return s.miners[i].Address }, len(s.miners))
	remembered := positions(miners, func(i int) []byte { return table.columns[i].Miner }, len(table.columns))
	graders := make([]yuma.Grader, 0, len(ranks))
	for place, g := range ranks {
		out.order[g] = place
		x := yuma.Grader{Stake: s.stakes[g], Active: tally.Graders[g].Counts(), Bonds: table.entries(s.graders[g], remembered)}
		for m, weight := range tally.Weights[g] {
			if weight > 0 {
				x.Weights = append(x.Weights, yuma.Entry{To: uint16(committed[m]), Value: uint16(weight)})
			}
		}
		graders = append(graders, x)
	}
	if out.Payout, err = yuma.Window(graders, len(miners), params.Yuma()); err != nil {
		return out, err
	}
	return out, k.setBonds(ctx, params, w, table, s, out, miners, remembered)
}

// positions finds, for each of n ascending addresses, its index in the ascending list;
// -1 where it is not in it.
func positions(list []sdk.AccAddress, at func(int) []byte, n int) []int {
	out := make([]int, n)
	j := 0
	for i := range out {
		for j < len(list) && bytes.Compare(list[j], at(i)) < 0 {
			j++
		}
		out[i] = -1
		if j < len(list) && bytes.Equal(list[j], at(i)) {
			out[i] = j
		}
	}
	return out
}

// bondTable are a run's bonds: rows of graders over columns of miners, both with those
// that are in no frozen set just now.
type bondTable struct {
	columns []types.BondColumn
	rows    []types.BondRow
	graders []sdk.ValAddress // of rows, ascending
}

func (k *Keeper) bondTable(ctx context.Context, run uint64) (*bondTable, error) {
	columns, _, err := orZero(k.BondColumns.Get(ctx, run))
	if err != nil {
		return nil, err
	}
	it, err := k.BondRows.Iterate(ctx, collections.NewPrefixedPairRange[uint64, sdk.ValAddress](run))
	if err != nil {
		return nil, err
	}
	rows, err := it.KeyValues()
	if err != nil {
		return nil, err
	}
	t := &bondTable{columns: columns.Columns}
	for _, r := range rows {
		t.graders = append(t.graders, r.Key.K2())
		t.rows = append(t.rows, r.Value)
	}
	return t, nil
}

// row is a grader's row; false if it has none.
func (t *bondTable) row(grader sdk.ValAddress) (types.BondRow, bool) {
	i, ok := slices.BinarySearchFunc(t.graders, grader, func(a, b sdk.ValAddress) int { return bytes.Compare(a, b) })
	if !ok {
		return types.BondRow{}, false
	}
	return t.rows[i], true
}

// bond is a row's number in a column.
func bond(row types.BondRow, column int) uint16 {
	if len(row.Bonds) < 2*column+2 {
		return 0
	}
	return binary.BigEndian.Uint16(row.Bonds[2*column:])
}

// entries are a grader's bonds of the miners at these positions.
func (t *bondTable) entries(grader sdk.ValAddress, at []int) (entries []yuma.Entry) {
	row, ok := t.row(grader)
	if !ok {
		return nil
	}
	for c, to := range at {
		if v := bond(row, c); v > 0 && to >= 0 {
			entries = append(entries, yuma.Entry{To: uint16(to), Value: v})
		}
	}
	return entries
}

// setBonds stores the new bonds, one row a grader: those of frozen graders and miners as
// package yuma returned them, those of others as they were. Who was in no frozen set for
// more than bond_memory_windows settled windows in a row loses its column or row.
func (k *Keeper) setBonds(
	ctx context.Context, params types.Params, w challengetypes.Window, t *bondTable, s *sheet, out scores, miners []sdk.AccAddress, remembered []int,
) error {
	// next are the new columns: of each, its place among miners and in the old table.
	type place struct{ frozen, old int }
	var next []types.BondColumn
	var from []place
	old := 0
	keepAbsent := func(below []byte) {
		for ; old < len(t.columns) && (below == nil || bytes.Compare(t.columns[old].Miner, below) < 0); old++ {
			if c := t.columns[old]; remembered[old] < 0 && c.Absent < params.BondMemoryWindows {
				c.Absent++
				next, from = append(next, c), append(from, place{-1, old})
			}
		}
	}
	for i, addr := range miners {
		keepAbsent(addr)
		at := place{i, -1}
		if old < len(t.columns) && bytes.Equal(t.columns[old].Miner, addr) {
			at.old = old
			old++
		}
		next, from = append(next, types.BondColumn{Miner: addr}), append(from, at)
	}
	keepAbsent(nil)

	rewrite := func(row types.BondRow, fresh []uint16) types.BondRow {
		bonds := make([]byte, 0, 2*len(from))
		for _, p := range from {
			var v uint16
			switch {
			case fresh != nil && p.frozen >= 0:
				v = fresh[p.frozen]
			case p.old >= 0:
				v = bond(row, p.old)
			}
			bonds = binary.BigEndian.AppendUint16(bonds, v)
		}
		row.Bonds = bonds
		return row
	}
	fresh := make([]uint16, len(miners))
	for g, grader := range s.graders {
		row, _ := t.row(grader)
		operator, err := k.operators.BytesToString(grader)
		if err != nil {
			return err
		}
		row.Run, row.Grader, row.Absent = w.Run, operator, 0
		clear(fresh)
		for _, e := range out.Bonds[out.order[g]] {
			fresh[e.To] = e.Value
		}
		if err := k.BondRows.Set(ctx, collections.Join(w.Run, grader), rewrite(row, fresh)); err != nil {
			return err
		}
	}
	for i, grader := range t.graders {
		if _, frozen := slices.BinarySearchFunc(s.graders, grader, func(a, b sdk.ValAddress) int { return bytes.Compare(a, b) }); frozen {
			continue
		}
		key, row := collections.Join(w.Run, grader), t.rows[i]
		if row.Absent >= params.BondMemoryWindows {
			if err := k.BondRows.Remove(ctx, key); err != nil {
				return err
			}
			continue
		}
		row.Absent++
		if err := k.BondRows.Set(ctx, key, rewrite(row, nil)); err != nil {
			return err
		}
	}
	return k.BondColumns.Set(ctx, w.Run, types.BondColumns{Run: w.Run, Window: w.Id, Columns: next})
}
