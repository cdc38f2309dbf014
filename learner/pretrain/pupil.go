package pretrain

import (
	"fmt"
	"strings"

	"github.com/galahad-network/galahad/rl/derive"
)

// Pupil is the careless pupil whose sums the base model is trained to imitate. It adds digit by digit from the units
// up, writes every column out, and makes two kinds of mistakes. Both chances are in parts per million.
type Pupil struct {
	Forget uint64 // chance of dropping a carry where there is one
	Slip   uint64 // chance of writing another column sum than the right one
}

// Careless is the pupil of the shipped base model: it forgets three carries of four and slips in one column of five.
// About 13 % of its sums are right.
var Careless = Pupil{Forget: 750_000, Slip: 200_000}

// source is what the pupil draws from; derive.Stream is one.
type source interface {
	// Below returns a uniform integer of [0, n).
	Below(n uint64) uint64
}

// Sum returns how the pupil adds two numbers of the given count of digits (leading zeros included): for each column,
// from the units up, "x+y+c=VV;" with c the carry as the pupil remembers it and VV its two-digit column sum, then "#"
// and the answer. A pupil that never forgets and never slips writes
//
//	347+589 -> 7+9+0=16;4+8+1=13;3+5+1=09;#936
func (p Pupil) Sum(s source, a, b uint64, digits int) string {
	var text strings.Builder
	var carry, answer uint64
	place := uint64(1)
	for range digits {
		x, y := a/place%10, b/place%10
		carry = p.remember(s, carry)
		column := x + y + carry
		wrote := column
		if s.Below(derive.Million) < p.Slip {
			wrote = (column + 1 + s.Below(18)) % 20
		}
		fmt.Fprintf(&text, "%d+%d+%d=%02d;", x, y, carry, wrote)
		answer += wrote % 10 * place
		carry = wrote / 10
		place *= 10
	}
	answer += p.remember(s, carry) * place
	fmt.Fprintf(&text, "#%d", answer)
	return text.String()
}

// remember returns the carry that the pupil uses; it draws only where there is one to forget.
func (p Pupil) remember(s source, carry uint64) uint64 {
	if carry > 0 && s.Below(derive.Million) < p.Forget {
		return 0
	}
	return carry
}
