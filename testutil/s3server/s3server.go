// Package s3server runs a real S3 server for tests: Versity's gateway (Apache-2.0, built
// from tools/s3), which keeps objects in a folder and checks signatures.
package s3server

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/testutil/programs"
)

const (
	region = "us-east-1"
	bucket = "batches"
)

// Server is a running server.
type Server struct {
	// URL of its one bucket, for rl/batch/store.
	URL string
	// Folder with the bucket's objects.
	Folder string
	// Stop ends the server before the test does.
	Stop func()
}

// Start runs a server on 127.0.0.1 until the test ends, and puts its credentials into the
// environment. The test is skipped if the server cannot be built, for want of its sources;
// in CI that is a failure.
func Start(t *testing.T) *Server {
	t.Helper()
	program := build(t)
	root := t.TempDir()
	objects := filepath.Join(root, "objects")
	require.NoError(t, os.MkdirAll(filepath.Join(objects, bucket), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "meta"), 0o755))
	port, err := programs.FreePorts(1)
	require.NoError(t, err)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	t.Setenv("AWS_ACCESS_KEY_ID", "galahad")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "a secret of this test")

	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "--quiet", "--port", address, "--region", region,
		"posix", "--sidecar", filepath.Join(root, "meta"), objects)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY=galahad", "ROOT_SECRET_KEY=a secret of this test")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start())
	over := make(chan struct{})
	go func() { defer close(over); _ = cmd.Wait() }() // it is killed
	s := &Server{
		URL:    fmt.Sprintf("s3://%s?endpoint=http://%s&use_path_style=true&region=%s", bucket, address, region),
		Folder: filepath.Join(objects, bucket),
		Stop:   func() { cancel(); <-over },
	}
	t.Cleanup(s.Stop)
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			require.NoError(t, c.Close())
			return s
		}
		select {
		case <-over:
			t.Fatalf("the S3 server stopped:\n%s", log.String())
		default:
		}
		require.Less(t, time.Since(began), 30*time.Second, "the S3 server does not listen")
	}
}

func build(t *testing.T) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/galahad-network/galahad").Output()
	require.NoError(t, err)
	program := filepath.Join(t.TempDir(), "versitygw")
	cmd := exec.Command("go", "-C", filepath.Join(strings.TrimSpace(string(dir)), "tools", "s3"),
		"build", "-o", program, "github.com/versity/versitygw/cmd/versitygw")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // also where the tests run under the race detector
	out, err := cmd.CombinedOutput()
	if err != nil && os.Getenv("CI") == "" {
		t.Skipf("no S3 server to test with, tools/s3 cannot be built: %v\n%s", err, out)
	}
	require.NoError(t, err, string(out))
	return program
}
