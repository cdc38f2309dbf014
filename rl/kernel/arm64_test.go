package kernel

import (
	"testing"

	"github.com/galahad-network/galahad/testutil/emulated"
)

// notEmulated are the tests that an emulator cannot pass: one starts its own
// binary, one measures memory, of which the emulator has its own.
const notEmulated = "^(TestKernelByName|TestLargeOperandsAreGivenBack)$"

// TestKernelsOnARM64 runs this package's tests on an emulated arm64, with each of
// its kernels as the default.
func TestKernelsOnARM64(t *testing.T) {
	run := emulated.ARM64(t)
	for _, name := range []string{"go", "neon"} {
		t.Run(name, func(t *testing.T) { run(t, Env+"="+name, "-test.short", "-test.skip", notEmulated) })
	}
}
