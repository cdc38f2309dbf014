package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// progress is a line that is written again and again: a bar, a text, and when it will be over. On what is no terminal it
// writes a plain line now and then instead.
type progress struct {
	out      io.Writer
	terminal bool
	total    int
	start    time.Time
	last     time.Time
}

func newProgress(out io.Writer, terminal bool, total int) *progress {
	return &progress{out: out, terminal: terminal, total: total, start: time.Now()}
}

// at shows that done of the total are done. The estimate assumes that the rest is as fast as what is done.
func (p *progress) at(done int, text string) {
	pause := 10 * time.Second
	if p.terminal {
		pause = 100 * time.Millisecond
	}
	if done < p.total && time.Since(p.last) < pause {
		return
	}
	p.last = time.Now()
	used := time.Since(p.start)
	left := time.Duration(0)
	if done > 0 {
		left = time.Duration(float64(used) / float64(done) * float64(p.total-done))
	}
	line := fmt.Sprintf("%d/%d  %s  %s, %s left", done, p.total, text, used.Round(time.Second), left.Round(time.Second))
	if !p.terminal {
		fmt.Fprintln(p.out, line)
		return
	}
	const width = 24
	filled := width * done / max(1, p.total)
	fmt.Fprintf(p.out, "\r\x1b[K[%s%s] %s", strings.Repeat("█", filled), strings.Repeat("░", width-filled), line)
	if done >= p.total {
		fmt.Fprintln(p.out)
	}
}

// isTerminal reports whether a file is a terminal that a line can be rewritten on.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
