// Package table prints query results as aligned tables for people. With
// --output json a command prints the response itself, whole.
//
// A module's query command is one call:
//
//	table.Command("miners RUN", "Miners of a run", cobra.ExactArgs(1),
//		func(ctx context.Context, conn grpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
//			res, err := types.NewQueryClient(conn).Miners(ctx, &types.QueryMinersRequest{...})
//			t := table.New("MINER", "BOND")
//			for _, m := range res.Miners {
//				t.Row(table.Addr(m.Address), table.GAL(m.Bond))
//			}
//			return res, t, err
//		})
package table

import (
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	sdkmath "cosmossdk.io/math"
)

// decimals of GAL in agal.
const decimals = 18

// Table is a header, rows, and lines above and below them. The zero value is not
// ready; use New.
type Table struct {
	title  []string
	header []string
	rows   [][]cell
	notes  []string
	full   bool
}

// cell is a formatted value; address is set instead of text until it is known
// how far the column's addresses can be shortened.
type cell struct {
	text    string
	address string
	right   bool
}

// Addr is an address or a digest's text, which a table shortens to as few
// characters as tell it from the others in the table.
type Addr string

// GAL is an amount in agal, shown in GAL.
type GAL = sdkmath.Int

// Digest is a hash, shown as the first bytes in hex.
type Digest []byte

// PPM are millionths, shown as a percentage.
type PPM uint64

// New returns a table with these column names.
func New(columns ...string) *Table { return &Table{header: columns} }

// Title adds a line above the table.
func (t *Table) Title(format string, args ...any) *Table {
	t.title = append(t.title, fmt.Sprintf(format, args...))
	return t
}

// Note adds a line below the table.
func (t *Table) Note(format string, args ...any) *Table {
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
	return t
}

// Full shows addresses whole.
func (t *Table) Full(full bool) *Table { t.full = full; return t }

// Row adds a row. Numbers and amounts are aligned to the right; nil is a dash.
func (t *Table) Row(values ...any) *Table {
	row := make([]cell, 0, len(values))
	for _, v := range values {
		row = append(row, format(v))
	}
	t.rows = append(t.rows, row)
	return t
}

func format(v any) cell {
	switch v := v.(type) {
	case nil:
		return cell{text: "-"}
	case Addr:
		if v == "" {
			return cell{text: "-"}
		}
		return cell{address: string(v)}
	case GAL:
		return cell{text: FormatGAL(v), right: true}
	case Digest:
		return cell{text: FormatDigest(v)}
	case PPM:
		return cell{text: FormatPPM(uint64(v)), right: true}
	case int, int32, int64, uint, uint32, uint64:
		return cell{text: fmt.Sprint(v), right: true}
	case string:
		if v == "" {
			return cell{text: "-"}
		}
		return cell{text: printable(v)}
	case fmt.Stringer:
		return cell{text: printable(v.String())}
	default:
		return cell{text: printable(fmt.Sprint(v))}
	}
}

// printable keeps what somebody else wrote from moving the cursor or breaking
// the table: an endpoint or a name is anybody's text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// Write prints the table.
func (t *Table) Write(w io.Writer) error {
	short := map[string]string{}
	if !t.full {
		short = shorten(t.addresses())
	}
	widths := make([]int, len(t.header))
	right := make([]bool, len(t.header))
	for i, h := range t.header {
		widths[i] = utf8.RuneCountInString(h)
	}
	text := make([][]string, len(t.rows))
	for r, row := range t.rows {
		for i, c := range row {
			s := c.text
			if c.address != "" {
				s = c.address
				if v, ok := short[s]; ok {
					s = v
				}
			}
			text[r] = append(text[r], s)
			if i < len(widths) {
				widths[i] = max(widths[i], utf8.RuneCountInString(s))
				right[i] = right[i] || c.right
			}
		}
	}
	var b strings.Builder
	for _, l := range t.title {
		b.WriteString(l + "\n")
	}
	if len(t.title) > 0 && len(t.header) > 0 {
		b.WriteString("\n")
	}
	if len(t.header) > 0 {
		line(&b, t.header, widths, right)
	}
	for _, row := range text {
		line(&b, row, widths, right)
	}
	if len(t.header) > 0 && len(t.rows) == 0 {
		b.WriteString("(none)\n")
	}
	if len(t.notes) > 0 && b.Len() > 0 {
		b.WriteString("\n")
	}
	for _, l := range t.notes {
		b.WriteString(l + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func line(b *strings.Builder, cells []string, widths []int, right []bool) {
	var l strings.Builder
	for i, c := range cells {
		if i > 0 {
			l.WriteString("  ")
		}
		if i >= len(widths) {
			l.WriteString(c)
			continue
		}
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
		if right[i] {
			l.WriteString(pad + c)
		} else {
			l.WriteString(c + pad)
		}
	}
	b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
}

func (t *Table) addresses() []string {
	var all []string
	for _, row := range t.rows {
		for _, c := range row {
			if c.address != "" {
				all = append(all, c.address)
			}
		}
	}
	return all
}

// FormatGAL shows agal in GAL: the whole amount where it has at most six
// decimals, else six decimals rounded down with a trailing "…".
func FormatGAL(agal sdkmath.Int) string {
	if agal.IsNil() {
		return "-"
	}
	sign := ""
	if agal.IsNegative() {
		sign, agal = "-", agal.Neg()
	}
	digits := agal.String()
	if len(digits) <= decimals {
		digits = strings.Repeat("0", decimals+1-len(digits)) + digits
	}
	whole, fraction := digits[:len(digits)-decimals], digits[len(digits)-decimals:]
	fraction = strings.TrimRight(fraction, "0")
	more := ""
	if len(fraction) > 6 {
		fraction, more = fraction[:6], "…"
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return sign + whole + fraction + more + " GAL"
}

// FormatPPM shows millionths as a percentage with as many decimals as it needs.
func FormatPPM(ppm uint64) string {
	whole, rest := ppm/10_000, ppm%10_000
	if rest == 0 {
		return strconv.FormatUint(whole, 10) + " %"
	}
	return fmt.Sprintf("%d.%s %%", whole, strings.TrimRight(fmt.Sprintf("%04d", rest), "0"))
}

// FormatDigest shows the first six bytes of a digest in hex.
func FormatDigest(d []byte) string {
	switch {
	case len(d) == 0:
		return "-"
	case len(d) <= 6:
		return hex.EncodeToString(d)
	default:
		return hex.EncodeToString(d[:6]) + "…"
	}
}
