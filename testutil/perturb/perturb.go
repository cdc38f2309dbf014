// Package perturb makes engines that are not quite the exact one, for tests. Some
// stand in for honest work on foreign hardware or software, the last ones for
// cheats that serve a cheaper model:
//
//	float64    products and reductions summed in float64, rounded once
//	split-k    each product's k in 4 runs, their sums added as a tree, as a GPU
//	           shares out a long k
//	strided    each product's k in 8 interleaved sums, added as a tree, as a vector
//	           unit computes a dot product
//	bf16       activations rounded to bfloat16 after each operation, sums in
//	           float32, as common serving programs run
//	int8       matrices of the layers in 8 bits, one scale a row
//	int8-32    the same, one scale for 32 weights
//	int4-32    matrices of the layers in 4 bits, one scale for 32 weights
//	int4-128   the same, one scale for 128 weights
//
// The first four are kernels (see Kernel) that run the given model; the others
// run another model (see Quantize) exactly. All are deterministic: like the exact
// engine's, their bits do not depend on threads and batches. The perturbation is of
// the forward pass: the draw of a token from its logits is the exact one.
//
// How far they are from the exact engine on the shipped model, at the 4,082
// positions of a miner's window (go test ./testutil/perturb -run Near -v): the
// largest difference of a logit, the mean divergence in nats, how often the most
// likely token is the same, and how often the same uniform draws another token.
//
//	kind      logit    KL       same top-1  other draw
//	float64   1.5e-5   5.4e-14  1           0
//	split-k   1.9e-5   5.5e-14  1           0
//	strided   2.3e-5   5.2e-14  1           0
//	bf16      0.20     1.1e-5   0.9995      0.0010
//	int8      0.17     3.7e-6   1           0.0010
//	int8-32   0.14     2.0e-6   1           0.0007
//	int4-32   3.1      0.0018   0.9966      0.0098
//	int4-128  4.0      0.0032   0.9963      0.013
//
// So a good 8-bit model is nearer to the exact one than honest bfloat16
// activations are: no threshold on distance alone tells them apart.
package perturb

import (
	"errors"
	"fmt"
	"strings"

	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/kernel"
)

// Kinds of perturbation.
const (
	Float64  = "float64"
	SplitK   = "split-k"
	Strided  = "strided"
	BF16     = "bf16"
	Int8     = "int8"
	Int8By32 = "int8-32"
	Int4By32 = "int4-32"
	Int4     = "int4-128"
)

// ErrKind is wrapped by the error for a kind that does not exist.
var ErrKind = errors.New("perturb: no such kind")

// Kinds lists the kinds in the order of the package comment.
func Kinds() []string {
	return []string{Float64, SplitK, Strided, BF16, Int8, Int8By32, Int4By32, Int4}
}

// Engine returns an engine that runs m in the way of a kind. Error: ErrKind.
func Engine(kind string, m *engine.Model, threads int) (*engine.Engine, error) {
	k, err := Kernel(kind)
	if err != nil {
		return nil, err
	}
	if m, err = Quantize(kind, m); err != nil {
		return nil, err
	}
	return engine.New(m, engine.Options{Threads: threads, Kernel: k}), nil
}

// Kernel returns the arithmetic of a kind: the exact one where the kind changes
// the weights. Error: ErrKind.
func Kernel(kind string) (kernel.Kernel, error) {
	exact, err := kernel.Default()
	if err != nil {
		return nil, err
	}
	switch kind {
	case Float64:
		return float64Kernel{exact}, nil
	case SplitK:
		return reordered{Kernel: exact, name: kind, sums: 4, runs: true}, nil
	case Strided:
		return reordered{Kernel: exact, name: kind, sums: 8}, nil
	case BF16:
		return bf16Kernel{exact}, nil
	case Int8, Int8By32, Int4By32, Int4:
		return exact, nil
	}
	return nil, fmt.Errorf("%w as %q; there are %s", ErrKind, kind, strings.Join(Kinds(), ", "))
}

// Quantize returns the model of a kind: m itself where the kind changes the
// arithmetic. Error: ErrKind.
func Quantize(kind string, m *engine.Model) (*engine.Model, error) {
	if _, err := Kernel(kind); err != nil {
		return nil, err
	}
	switch kind {
	case Int8:
		return quantize(m, 127, 0)
	case Int8By32:
		return quantize(m, 127, 32)
	case Int4By32:
		return quantize(m, 7, 32)
	case Int4:
		return quantize(m, 7, 128)
	}
	return m, nil
}
