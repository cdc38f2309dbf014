package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// stages tells, a line each, what takes longer than a second and how far it is.
type stages struct {
	out io.Writer

	mu    sync.Mutex
	name  string
	last  time.Time // of the last line, or of the stage's beginning
	timer *time.Timer
}

func newStages(out io.Writer) *stages { return &stages{out: out} }

// at notes that a stage goes on; total 0 is one whose length is not known.
func (s *stages) at(name string, done, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name != s.name {
		s.stop()
		s.name, s.last = name, time.Now()
		s.timer = time.AfterFunc(time.Second, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.name == name {
				fmt.Fprintln(s.out, name+" ...")
			}
		})
	}
	if total > 0 && time.Since(s.last) > 2*time.Second {
		s.last = time.Now()
		fmt.Fprintf(s.out, "%s: %d %%\n", name, 100*done/total)
	}
}

// end says that no stage goes on any more.
func (s *stages) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
}

func (s *stages) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.name = ""
}
