// Package programs builds the four programs for tests that run them as processes of their own.
package programs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
)

const module = "github.com/galahad-network/galahad/"

// Galahadd is the node's package, for BuildTagged.
const Galahadd = module + "chain/cmd/galahadd"

// All are the packages of the four programs.
var All = []string{
	Galahadd,
	module + "miner/cmd/galahad-miner",
	module + "validator/cmd/galahad-validator",
	module + "learner/cmd/galahad-learner",
}

// Build builds all programs into dir, as `make build` does. The working directory must be in this module.
func Build(ctx context.Context, dir string) error { return BuildTagged(ctx, dir, "", All...) }

// BuildTagged builds some packages with build tags into dir.
func BuildTagged(ctx context.Context, dir, tags string, packages ...string) error {
	args := append([]string{"build", "-tags", tags, "-o", dir + string(filepath.Separator)}, packages...)
	if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("go %v: %w\n%s", args, err, out)
	}
	return nil
}

// FreePorts finds the first of n ports in a row on 127.0.0.1 that nobody listens on.
func FreePorts(n int) (int, error) {
	for range 50 {
		base := 20000 + rand.IntN(12000) // below the ports that the system gives out by itself
		if free(base, n) {
			return base, nil
		}
	}
	return 0, fmt.Errorf("no %d free ports in a row were found", n)
}

func free(base, n int) bool {
	for p := base; p < base+n; p++ {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err != nil {
			return false
		}
		if l.Close() != nil {
			return false
		}
	}
	return true
}
