package kernel

import (
	"testing"

	"github.com/galahad-network/galahad/testutil/emulated"
)

// notEmulated are the tests that an emulator cannot pass: one starts its own
// binary, one measures memory, of which the emulator has its own.
const notEmulated = "^(TestKernelByName|TestLargeOperandsAreGivenBack)$"

// TestKernelsOnARM64 runs this package's tests, which are of every kernel that a
// processor has, on an emulated arm64.
func TestKernelsOnARM64(t *testing.T) {
	emulated.ARM64(t)(t, Env+"=neon", "-test.short", "-test.skip", notEmulated)
}
