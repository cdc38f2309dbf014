package types

import (
	"fmt"

	sdkmath "cosmossdk.io/math"
)

// DescribeJail says whether a miner is jailed in a run that opens nextWindow next, and
// what it has to do to take part again. registered is false for a miner that has left
// with its term.
func DescribeJail(m Miner, registered bool, minBond sdkmath.Int, nextWindow uint64) JailState {
	s := JailState{
		Jailed: m.Jailed, UntilWindow: m.JailedUntilWindow, NextWindow: nextWindow, MissingBond: sdkmath.ZeroInt(),
	}
	if !m.Jailed {
		return s
	}
	if registered && m.Bond.LT(minBond) {
		s.MissingBond = minBond.Sub(m.Bond)
	}
	over := nextWindow >= m.JailedUntilWindow
	s.CanUnjail = registered && over && s.MissingBond.IsZero()
	if !registered {
		s.Advice = "register again: the jail term goes on where it stood. "
	}
	if s.MissingBond.IsPositive() {
		s.Advice += fmt.Sprintf("bond %sagal more: galahadd tx registry bond %d %s. ", s.MissingBond, m.Run, s.MissingBond)
	}
	if !over {
		s.Advice += fmt.Sprintf("wait until the run's next window is %d; it is %d. ", m.JailedUntilWindow, nextWindow)
	}
	s.Advice += fmt.Sprintf("then send: galahadd tx registry unjail %d", m.Run)
	if s.CanUnjail {
		s.Advice = fmt.Sprintf("the term is over; send: galahadd tx registry unjail %d", m.Run)
	}
	return s
}
