package localnet

import (
	"os/exec"
	"runtime"
	"syscall"
)

// childAttr puts a child into its own process group, so that a terminal's Ctrl-C reaches the supervisor alone,
// and has the kernel end it should the supervisor die without stopping it.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// startChild starts cmd and returns the function that waits for it. The death signal follows the thread that
// started the child, so that thread is kept until the child has ended.
func startChild(cmd *exec.Cmd) (wait func() error, err error) {
	started := make(chan error)
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return func() error { return <-ended }, nil
}
