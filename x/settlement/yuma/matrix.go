package yuma

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Entry is one stored number of a sparse row: of a weight or a bond, in 65535ths.
type Entry struct {
	To    uint16 // the column: a uid, or the index of a miner
	Value uint16
}

// cell is an entry at work. A weight of 0 that was given stays a cell of 0.
type cell struct {
	to uint16
	v  Fixed
}

// matrix holds sparse rows, each sorted by column.
type matrix [][]cell

// newMatrix sorts rows by column and converts their values. It fails with ErrColumn for
// a column that does not exist and with ErrDuplicate for one given twice.
func newMatrix(rows [][]Entry, columns int, value func(uint16) Fixed) (matrix, error) {
	m := make(matrix, len(rows))
	for i, row := range rows {
		out, sorted := make([]cell, len(row)), true
		for k, e := range row {
			if int(e.To) >= columns {
				return nil, fmt.Errorf("%w: row %d, column %d of %d", ErrColumn, i, e.To, columns)
			}
			out[k] = cell{e.To, value(e.Value)}
			sorted = sorted && (k == 0 || row[k-1].To < e.To)
		}
		if !sorted {
			slices.SortFunc(out, func(a, b cell) int { return cmp.Compare(a.to, b.to) })
			for k := 1; k < len(out); k++ {
				if out[k].to == out[k-1].to {
					return nil, fmt.Errorf("%w: row %d, column %d", ErrDuplicate, i, out[k].to)
				}
			}
		}
		m[i] = out
	}
	return m, nil
}

// each visits all cells, row by row.
func (m matrix) each(visit func(row int, c cell)) {
	for i, row := range m {
		for _, c := range row {
			visit(i, c)
		}
	}
}

// filter drops the cells that keep refuses, in place.
func (m matrix) filter(keep func(row int, c cell) bool) {
	for i, row := range m {
		m[i] = slices.DeleteFunc(row, func(c cell) bool { return !keep(i, c) })
	}
}

// normalizeRows divides each row by its sum; a row of zeros stays.
func (m matrix) normalizeRows() {
	for _, row := range m {
		if total := rowSum(row); total > 0 {
			for k := range row {
				row[k].v = row[k].v.Div(total)
			}
		}
	}
}

// normalizeColumns divides each column by its sum; a column of zeros stays.
func (m matrix) normalizeColumns(columns int) {
	m.divideColumns(m.columnSums(columns))
}

func (m matrix) columnSums(columns int) []Fixed {
	total := make([]Fixed, columns)
	for _, row := range m {
		for _, c := range row {
			total[c.to] += c.v
		}
	}
	return total
}

// upscaleColumns divides each column by its largest value, which becomes 1.
func (m matrix) upscaleColumns(columns int) {
	largest := make([]Fixed, columns)
	for _, row := range m {
		for _, c := range row {
			largest[c.to] = max(largest[c.to], c.v)
		}
	}
	m.divideColumns(largest)
}

func (m matrix) divideColumns(by []Fixed) {
	for _, row := range m {
		for k, c := range row {
			if by[c.to] != 0 {
				row[k].v = c.v.Div(by[c.to])
			}
		}
	}
}

// times is the product of m and a column vector: one number a row.
func (m matrix) times(v []Fixed) []Fixed {
	out := make([]Fixed, len(m))
	for i, row := range m {
		for _, c := range row {
			out[i] += c.v.Mul(v[c.to])
		}
	}
	return out
}

// weigh is the product of a row vector and m: one number a column.
func (m matrix) weigh(v []Fixed, columns int) []Fixed {
	out := make([]Fixed, columns)
	for i, row := range m {
		for _, c := range row {
			out[c.to] += v[i].Mul(c.v)
		}
	}
	return out
}

// entries are the rows as they are stored, floor(v*65535); zeros are left out unless
// keepZeros.
func (m matrix) entries(keepZeros bool) [][]Entry {
	out := make([][]Entry, len(m))
	for i, row := range m {
		if len(row) > 0 {
			out[i] = make([]Entry, 0, len(row))
		}
		for _, c := range row {
			if e := (Entry{c.to, c.v.U16()}); e.Value > 0 || keepZeros {
				out[i] = append(out[i], e)
			}
		}
	}
	return out
}

// merge walks over the columns of two sorted rows, either of which may lack a column
// (has says whether a lists it), and keeps what f returns where it is above 0.
func merge(a, b []cell, f func(to uint16, x, y Fixed, has bool) Fixed) []cell {
	out := make([]cell, 0, max(len(a), len(b)))
	for len(a)+len(b) > 0 {
		to := uint16(math.MaxUint16)
		if len(a) > 0 {
			to = a[0].to
		}
		if len(b) > 0 {
			to = min(to, b[0].to)
		}
		var x, y Fixed
		has := len(a) > 0 && a[0].to == to
		if has {
			x, a = a[0].v, a[1:]
		}
		if len(b) > 0 && b[0].to == to {
			y, b = b[0].v, b[1:]
		}
		if v := f(to, x, y, has); v > 0 {
			out = append(out, cell{to, v})
		}
	}
	return out
}

func rowSum(row []cell) (total Fixed) {
	for _, c := range row {
		total += c.v
	}
	return total
}
