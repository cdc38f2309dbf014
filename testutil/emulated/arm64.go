// Package emulated runs tests on a processor that is not this machine's: bits
// must be the same on all.
package emulated

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// ARM64 builds the tests of the package in the working directory for arm64. The
// function that it returns runs them under qemu's user mode emulation, with one
// more setting in the environment and with flags of the test binary, logs what
// they print, and fails its t if they fail. Tests that start their own binary
// cannot pass there. ARM64 skips t where this machine is arm64 itself, with
// -short, and where qemu-aarch64 or the go tool is missing.
func ARM64(t *testing.T) (run func(t *testing.T, setting string, flags ...string)) {
	t.Helper()
	if runtime.GOARCH == "arm64" {
		t.Skip("this machine is arm64: the tests are their own check")
	}
	if testing.Short() {
		t.Skip("-short")
	}
	qemu, err := exec.LookPath("qemu-aarch64")
	if err != nil {
		if qemu, err = exec.LookPath("qemu-aarch64-static"); err != nil {
			t.Skip("qemu-aarch64 is not installed (scripts/qemu.sh): arm64 is not checked here")
		}
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go tool to cross-build with")
	}
	binary := filepath.Join(t.TempDir(), "arm64.test")
	output(t, goTool, "test", "-c", "-o", binary, ".")
	noteSources(t, output(t, goTool, "list", "-deps", "-f", "{{with .Module}}{{if .Main}}{{$.Dir}}{{end}}{{end}}", "."))
	return func(t *testing.T, setting string, flags ...string) {
		t.Helper()
		cmd := exec.Command(qemu, append([]string{binary, "-test.v"}, flags...)...)
		cmd.Env = append(os.Environ(), setting)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("under %s: %v\n%s", qemu, err, out)
		}
		t.Logf("%s", out)
	}
}

// output runs the go tool for arm64.
func output(t *testing.T, goTool string, args ...string) string {
	t.Helper()
	cmd := exec.Command(goTool, args...)
	cmd.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
	var problem strings.Builder
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s for arm64: %v\n%s", args[0], err, problem.String())
	}
	return string(out)
}

// noteSources looks at all files of the folders, one a line: go test takes its
// cached result only while files that a test looked at are the same, and files
// for arm64 are no part of the test that runs here.
func noteSources(t *testing.T, folders string) {
	t.Helper()
	for _, dir := range strings.Fields(folders) {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if _, err := os.Stat(filepath.Join(dir, f.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
}
