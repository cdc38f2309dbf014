package program

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// The steps and verdicts of all programs that the tests know are pinned, for every machine and every version of the interpreter:
// whoever changes them raises the rule in Version.
func TestGoldenSteps(t *testing.T) {
	h := sha256.New()
	note := func(name, source string) {
		passed, steps, err := run(t, source, "True", "f(3) == 3")
		fmt.Fprintf(h, "%q %d %d %t\n", name, passed, steps, err == nil)
	}
	for _, c := range python {
		note(c.test, c.source)
	}
	for _, name := range slices.Sorted(maps.Keys(attacks)) {
		note(name, attacks[name].source)
	}
	for _, name := range slices.Sorted(maps.Keys(dear)) {
		note(name, dearProgram(dear[name]))
	}
	require.Equal(t, "53701e5c6b74c24809f2807b3ea30763af3d1f239f887172acc48e8690a305d2", hex.EncodeToString(h.Sum(nil)))
}
