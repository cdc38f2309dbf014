// Package kernel is the arithmetic of the exact engine: matrix products,
// reductions, exp and log, and the loops over vectors that a transformer and its
// gradient need. docs/numerics.md fixes every bit of every operation; the
// implementations here (portable Go, and assembly for vector units) differ in
// speed alone.
//
//	kernel.go      the interface, and the choice of an implementation
//	arithmetic.go  one rounding without hardware, and the check of the processor's mode
//	math.go        exp and log; reduce.go: reductions
//	packed.go      the layout of weights
//	go*.go         the portable implementation, which is the reference of all others
//	rows.go        operations over many rows, for kernels without their own
//	*_amd64.go     AVX2 and AVX-512; tools/asm writes the assembly
//	*_arm64.go     NEON
package kernel

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Kernel is one implementation of the arithmetic. All give the same bits, but
// that a NaN may be any NaN. Slices that are written have the length of the
// result; operands must be at least as long. A destination may be the same slice
// as an operand, but must not overlap one otherwise. Implementations have no
// state: they are safe for concurrent use.
type Kernel interface {
	// Name is what Env calls it.
	Name() string

	// Mul computes C[m,n] = A[m,k]·B[k,n], or C += A·B where add is set: one
	// chain for each output, k ascending. Element (i, t) of A is a[i*row+t*step],
	// so that A may be a transpose; rows of B and C are ldb and ldc apart.
	Mul(c []float32, ldc int, a []float32, row, step int, b []float32, ldb int, m, n, k int, add bool)
	// MulPacked is Mul for the columns from..to of a packed B, whose K is k;
	// from is a multiple of Panel, and to one as well or b.N. Column from of B
	// is column 0 of c.
	MulPacked(c []float32, ldc int, a []float32, row, step int, b *Packed, from, to, m int, add bool)

	// Dot returns the sum of a[i]*b[i] over a, each added with one rounding, in
	// the order of a reduction. Sum returns the sum of a likewise.
	Dot(a, b []float32) float32
	Sum(a []float32) float32
	// Max returns the largest element, -Inf without any: the first of equals
	// (which tells -0 from +0), and no NaN.
	Max(a []float32) float32
	// Finite says that no element is infinite or NaN.
	Finite(a []float32) bool

	// Exp sets dst[i] = exp(x[i] - sub).
	Exp(dst, x []float32, sub float32)
	// Add sets dst = a + b, Scale sets dst = x*s, Div dst = x/s,
	// Product dst = a*b, ScaleProduct dst = (x*s)*w; each operation rounds.
	Add(dst, a, b []float32)
	Scale(dst, x []float32, s float32)
	Div(dst, x []float32, s float32)
	Product(dst, a, b []float32)
	ScaleProduct(dst, x []float32, s float32, w []float32)
	// AddScaleProduct sets dst[i] = fma(a[i], x[i]*s, dst[i]).
	AddScaleProduct(dst, a, x []float32, s float32)

	// Softmax turns scores into probabilities in place: times scale, minus the
	// maximum, exp, divided by the sum.
	Softmax(x []float32, scale float32)
	// SoftmaxBack sets d[i] = (p[i]*(d[i]-dot))*scale.
	SoftmaxBack(d, p []float32, dot, scale float32)
	// Rotate turns the pairs (lo[i], hi[i]) by the angles of cos and sin, in
	// place; RotateBack turns them the other way.
	Rotate(lo, hi, cos, sin []float32)
	RotateBack(lo, hi, cos, sin []float32)
	// SwiGLU sets dst = silu(gate)*up. SwiGLUBack sets its derivatives.
	SwiGLU(dst, gate, up []float32)
	SwiGLUBack(dgate, dup, dact, gate, up []float32)
	// NormBack adds the derivative through RMSNorm: dx[i] += s*(g[i] - n[i]*mean).
	NormBack(dx, g, n []float32, s, mean float32)
	// AdamW updates weights and both moments in place by the gradient, and says
	// whether all three stayed finite.
	AdamW(w, m, v, grad []float32, step *AdamWStep) bool

	// The operations below are those above over many rows in one call, which
	// for short rows costs a fraction of the calls.

	// NormRows is RMSNorm of len(inv) rows of len(weight) elements:
	// inv = 1/sqrt(Dot(x, x)/h + eps), y = (x*inv)*weight.
	NormRows(y, inv, x, weight []float32, eps float32)
	// NormBackRows adds the derivative of NormRows: with g = dy*weight and
	// n = x*inv, NormBack(dx, g, n, inv, Dot(g, n)/h) for each row.
	NormBackRows(dx, dy, x, inv, weight []float32)
	// SoftmaxRows is Softmax of rows that are stride apart; row i has n + i*grow
	// elements.
	SoftmaxRows(x []float32, stride, rows, n, grow int, scale float32)
	// SoftmaxBackRows is SoftmaxBack with dot = Dot(p, d) of such rows.
	SoftmaxBackRows(d []float32, strideD int, p []float32, strideP, rows, n, grow int, scale float32)
	// RotateHeads is Rotate of heads side by side, each 2*len(cos) elements of
	// which the first half is lo and the second hi; x holds whole heads.
	RotateHeads(x, cos, sin []float32)
	RotateHeadsBack(x, cos, sin []float32)
	// SwiGLURows is SwiGLU of rows of n elements; a row of gateUp holds the gate
	// and then up. SwiGLUBackRows is SwiGLUBack in the same layout.
	SwiGLURows(dst, gateUp []float32, n int)
	SwiGLUBackRows(dgateUp, dact, gateUp []float32, n int)
	// Weigh sets z = logits/t (logits, if t is 0) and e = exp(z - top), top being
	// Max(z), and returns top and Sum(e). If some z is not finite, ok is false and
	// the rest undefined.
	Weigh(z, e, logits []float32, t float32) (top, sum float32, ok bool)
}

// AdamWStep is what one optimizer step has in common for all elements of a
// tensor; docs/numerics.md, section 6.
type AdamWStep struct {
	Scale                    float32 // of the gradient: clipping
	Beta1, Beta2             float32
	Rest1, Rest2             float32 // 1 - beta
	Correction1, Correction2 float32 // 1 - beta^steps
	LR, Eps                  float32
	Decay                    float32 // lr * weight decay, 0 for vectors
}

// Env is the environment variable that forces an implementation by its name.
const Env = "GALAHAD_KERNEL"

// ErrUnknown is wrapped by an error that names a kernel this machine has not got.
var ErrUnknown = errors.New("unknown kernel")

// available lists what this processor can run, the best first.
var available = append(native(), Go())

// Default is the kernel that Env names, or the best one for this processor; it
// is chosen once, when the program starts. The error is ErrUnknown.
func Default() (Kernel, error) { return chosen, errChosen }

var chosen, errChosen = choose(os.Getenv(Env))

func choose(name string) (Kernel, error) {
	if name == "" {
		return available[0], nil
	}
	k, err := Named(name)
	if err != nil {
		return Go(), fmt.Errorf("%s=%q: %w", Env, name, err)
	}
	return k, nil
}

// Named returns the kernel of that name. The error is ErrUnknown, and lists what
// this machine has.
func Named(name string) (Kernel, error) {
	for _, k := range available {
		if k.Name() == name {
			return k, nil
		}
	}
	return nil, fmt.Errorf("%w %q; this machine has %s", ErrUnknown, name, strings.Join(Names(), ", "))
}

// Names lists the kernels that this processor can run, the best first.
func Names() []string {
	names := make([]string, len(available))
	for i, k := range available {
		names[i] = k.Name()
	}
	return names
}
