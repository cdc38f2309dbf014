// Package uint256 is what of github.com/holiman/uint256 the samples use.
package uint256

type Int [4]uint64

func NewInt(x uint64) *Int                             { return &Int{x} }
func (z *Int) Add(x, y *Int) *Int                      { return z }
func (z *Int) Div(x, y *Int) *Int                      { return z }
func (z *Int) AddOverflow(x, y *Int) (r *Int, ov bool) { return z, false }
func (z *Int) IsZero() bool                            { return false }
