package localnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	// stopGrace is how long a process may take to end after SIGTERM.
	stopGrace = 20 * time.Second
	// restartDelay and maxRestartDelay bound the wait before a process that ended by itself is started again.
	restartDelay    = 500 * time.Millisecond
	maxRestartDelay = 15 * time.Second
	// healthyAfter is how long a process must run before its next end counts as its first.
	healthyAfter = 30 * time.Second
)

// Process is one supervised program. It is started again whenever it ends, until its context is cancelled.
type Process struct {
	Name string
	Path string
	Args []string
	Env  []string
	// Log is the file that stdout and stderr are appended to.
	Log string

	mu       sync.Mutex
	cmd      *exec.Cmd
	ended    chan struct{} // closed when cmd has ended
	held     chan struct{} // not nil while the process must stay down; closed to let it start
	restarts int
	lastErr  error
}

// Status is a process as the table shows it.
type Status struct {
	Name     string
	PID      int // 0 while it is down
	Restarts int
	LastErr  error
}

// Status returns the process's present state.
func (p *Process) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Status{Name: p.Name, Restarts: p.restarts, LastErr: p.lastErr}
	if p.cmd != nil && p.cmd.Process != nil {
		s.PID = p.cmd.Process.Pid
	}
	return s
}

// Kill ends the process at once with SIGKILL, as a crash would; Run starts it again.
func (p *Process) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.cmd.Process == nil {
		return fmt.Errorf("%s is not running", p.Name)
	}
	return p.cmd.Process.Kill()
}

// Hold ends the process with the signal and keeps it down until Release. It returns when the process has ended; one
// that does not heed the signal is killed after a while.
func (p *Process) Hold(ctx context.Context, sig syscall.Signal) error {
	p.mu.Lock()
	if p.held == nil {
		p.held = make(chan struct{})
	}
	cmd, ended := p.cmd, p.ended
	if cmd != nil {
		_ = cmd.Process.Signal(sig) // it may have ended by itself
	}
	p.mu.Unlock()
	if cmd == nil {
		return nil
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop %s: %w", p.Name, context.Cause(ctx))
	case <-time.After(stopGrace):
	}
	_ = cmd.Process.Kill()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("kill %s: %w", p.Name, context.Cause(ctx))
	}
}

// Release lets a held process start again, from another program if path is not empty.
func (p *Process) Release(path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if path != "" {
		p.Path = path
	}
	if p.held != nil {
		close(p.held)
		p.held = nil
	}
}

// holding is closed when the process may start; nil says that it may now.
func (p *Process) holding() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

// Run keeps the process alive until ctx is cancelled, then stops it and returns. The only error is one that no
// restart can mend: the binary or the log file cannot be opened.
func (p *Process) Run(ctx context.Context) error {
	if _, err := os.Stat(p.Path); err != nil {
		return fmt.Errorf("%s: program %s is missing, build it with `make build`: %w", p.Name, p.Path, err)
	}
	if err := os.MkdirAll(filepath.Dir(p.Log), 0o755); err != nil {
		return fmt.Errorf("%s: create log folder: %w", p.Name, err)
	}
	delay := restartDelay
	for ctx.Err() == nil {
		began := time.Now()
		err := p.runOnce(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errLog) {
			return err
		}
		if held := p.holding(); held != nil {
			select {
			case <-ctx.Done():
			case <-held:
			}
			delay = restartDelay
			continue
		}
		if time.Since(began) > healthyAfter {
			delay = restartDelay
		}
		p.mu.Lock()
		p.restarts++
		p.lastErr = err
		p.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
		delay = min(2*delay, maxRestartDelay)
	}
	return nil
}

var errLog = errors.New("log file")

// runOnce starts the program and waits for its end, stopping it when ctx is cancelled.
func (p *Process) runOnce(ctx context.Context) error {
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", p.Name, errLog, err)
	}
	defer log.Close()

	cmd, wait, err := p.begin(log)
	if cmd == nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- wait() }()
	select {
	case err = <-done:
	case <-ctx.Done():
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err = <-done:
		case <-time.After(stopGrace):
			_ = cmd.Process.Kill()
			err = <-done
		}
	}
	p.mu.Lock()
	p.cmd = nil
	close(p.ended)
	p.mu.Unlock()
	if err == nil {
		err = errors.New("exited with status 0")
	}
	return err
}

// begin starts the program, unless it is held: then there is no command. It holds the lock, so that who asks for an
// end either sees the program or keeps it from starting.
func (p *Process) begin(log *os.File) (cmd *exec.Cmd, wait func() error, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held != nil {
		return nil, nil, nil
	}
	cmd = exec.Command(p.Path, p.Args...)
	cmd.Env = append(os.Environ(), p.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = childAttr()
	if wait, err = startChild(cmd); err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", p.Path, err)
	}
	p.cmd, p.ended = cmd, make(chan struct{})
	return cmd, wait, nil
}
