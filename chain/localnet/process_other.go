//go:build !linux

package localnet

import (
	"os/exec"
	"syscall"
)

// childAttr puts a child into its own process group, so that a terminal's Ctrl-C reaches the supervisor alone.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// startChild starts cmd and returns the function that waits for it.
func startChild(cmd *exec.Cmd) (wait func() error, err error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return cmd.Wait, nil
}
