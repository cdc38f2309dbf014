package localnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/galahad-network/galahad/testutil/adversary"
)

const (
	drawEvery = time.Second
	// curveWait is how long the end of a run with --windows waits for the learner's last evaluations.
	curveWait = 60 * time.Second
)

type startOptions struct {
	home, cheat, mix, report string
	windows                  uint64
	basePort, learners       int
	plain                    bool
}

// start makes or resumes the network in o.home and shows it until ctx ends or o.windows windows have settled.
func start(ctx context.Context, out io.Writer, o startOptions) error {
	cheats, err := parseCheats(o.cheat)
	if err != nil {
		return err
	}
	if o.learners < 1 || o.learners > maxLearners {
		return fmt.Errorf("--swarm %d: want 1 to %d learners", o.learners, maxLearners)
	}
	abs, err := filepath.Abs(o.home)
	if err != nil {
		return err
	}
	unlock, err := lockHome(abs)
	if err != nil {
		return err
	}
	defer unlock()
	n, err := openOrCreate(ctx, out, abs, o, cheats)
	if err != nil {
		return err
	}
	for _, p := range n.ports() {
		if err := portFree(p); err != nil {
			return err
		}
	}
	s, err := NewSupervisor(n)
	if err != nil {
		return err
	}
	src, err := newSource(n)
	if err != nil {
		return err
	}
	defer src.Close()
	w := &watcher{sup: s, src: src, out: out, o: o, report: Report{ChainID: n.ChainID, Cheats: n.Cheats}}
	if f, ok := out.(*os.File); ok && !o.plain {
		w.redraw = term.IsTerminal(int(f.Fd()))
	}
	err = s.Run(ctx, func(msg string) { fmt.Fprintln(out, msg) }, w.watch)
	fmt.Fprintln(out, "stopped; the state is in "+n.Home)
	return err
}

// parseCheats reads --cheat: kinds separated by commas, each at most once, or "none".
func parseCheats(list string) ([]string, error) {
	if list == "none" {
		return nil, nil
	}
	kinds := strings.Split(list, ",")
	for i, k := range kinds {
		if !slices.Contains(adversary.InExact(), k) {
			return nil, fmt.Errorf("--cheat %q: want none, or some of %s separated by commas", k, strings.Join(adversary.InExact(), ", "))
		}
		if slices.Contains(kinds[:i], k) {
			return nil, fmt.Errorf("--cheat names %q twice", k)
		}
	}
	return kinds, nil
}

// openOrCreate resumes the network in home, or makes one. A network half made by a crash has no network.json and
// is made anew.
func openOrCreate(ctx context.Context, out io.Writer, home string, o startOptions, cheats []string) (*Network, error) {
	n, err := Load(home)
	if err == nil {
		fmt.Fprintf(out, "resuming the network in %s\n", home)
		if !slices.Equal(cheats, n.Cheats) {
			fmt.Fprintf(out, "it was made with --cheat %s, and keeps that; `galahadd localnet reset` removes it\n", strings.Join(n.Cheats, ","))
		}
		return n, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	fmt.Fprintf(out, "making a network in %s\n", home)
	entries, err := os.ReadDir(home)
	if err != nil {
		return nil, err
	}
	n = newNetwork(home, o.basePort, o.learners, cheats)
	for _, e := range entries {
		if e.Name() == lockFile {
			continue
		}
		if !slices.Contains(n.files(), e.Name()) {
			return nil, fmt.Errorf("%s holds %q, which is not a local network's: choose another --home", home, e.Name())
		}
		if err := os.RemoveAll(filepath.Join(home, e.Name())); err != nil {
			return nil, err
		}
	}
	g := defaultGenesis
	g.mix = o.mix
	return n, n.create(ctx, g)
}

// watcher shows the network and keeps the report.
type watcher struct {
	sup    *Supervisor
	src    *source
	out    io.Writer
	o      startOptions
	redraw bool
	report Report

	first   uint64 // windows that had settled before this start
	counted bool
	shown   string // last line of plain output
}

// watch polls until ctx ends (no error: somebody stopped it) or the wanted number of windows has settled.
func (w *watcher) watch(ctx context.Context) error {
	tick := time.NewTicker(drawEvery)
	defer tick.Stop()
	for {
		snap, err := w.src.Snapshot(ctx)
		if ctx.Err() != nil {
			return w.finish(context.WithoutCancel(ctx), snap, false)
		}
		if err == nil {
			if !w.counted {
				w.first, w.counted = snap.Settled, true
			}
			if err = w.record(ctx, snap); err == nil && w.o.windows > 0 && snap.Settled-w.first >= w.o.windows {
				return w.finish(ctx, snap, true)
			}
		}
		w.show(snap, err)
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// record adds the windows that have settled since the last poll to the report.
func (w *watcher) record(ctx context.Context, snap Snapshot) error {
	for next := w.first + uint64(len(w.report.Windows)); next < snap.Settled; next++ {
		if w.o.windows > 0 && uint64(len(w.report.Windows)) == w.o.windows {
			return nil
		}
		o, err := w.src.Window(ctx, next)
		if err != nil {
			return err
		}
		w.report.Windows = append(w.report.Windows, o.Report)
		if !w.redraw {
			fmt.Fprintln(w.out, windowLine(o))
		}
		if err := w.write(snap.Curve); err != nil {
			return err
		}
	}
	return nil
}

func (w *watcher) write(curve []Accuracy) error {
	if w.o.report == "" {
		return nil
	}
	if err := writeJSON(w.o.report, w.report.withCurve(curve)); err != nil {
		return fmt.Errorf("write --report: %w", err)
	}
	return nil
}

// finish writes the report for the last time. After a full run it waits a while for the learner to have evaluated
// the checkpoints that the windows used.
func (w *watcher) finish(ctx context.Context, snap Snapshot, full bool) error {
	if full && len(w.report.Windows) > 0 {
		last := w.report.Windows[len(w.report.Windows)-1].Checkpoint
		// Without that evaluation the report says null for these windows, which is no failure of the run.
		_ = waitFor(ctx, curveWait, "the learner's evaluations", func(ctx context.Context) error {
			curve, err := w.src.Curve(ctx)
			if err != nil {
				return err
			}
			snap.Curve = curve
			if len(curve) == 0 || curve[len(curve)-1].Version < last {
				return fmt.Errorf("checkpoint %d is not evaluated", last)
			}
			return nil
		})
		w.show(snap, nil)
		if !w.redraw {
			Draw(w.out, snap)
		}
		fmt.Fprintf(w.out, "\n%d windows settled, stopping\n", len(w.report.Windows))
	}
	return w.write(snap.Curve)
}

// show redraws the table, or prints what is new where the output is not a terminal.
func (w *watcher) show(snap Snapshot, err error) {
	for _, st := range w.sup.Statuses() {
		if st.PID == 0 && st.Restarts > 0 { // one that never ran is about to be started
			snap.Down = append(snap.Down, fmt.Sprintf("%s is down (%v); restarting it, see `galahadd localnet logs %s`", st.Name, st.LastErr, st.Name))
		}
	}
	if err != nil {
		snap.Down = append(snap.Down, "cannot read the chain: "+err.Error())
	}
	if w.redraw {
		fmt.Fprint(w.out, "\x1b[H\x1b[2J")
		Draw(w.out, snap)
		fmt.Fprintf(w.out, "\nstate in %s   logs: galahadd localnet logs NAME   Ctrl-C stops\n", w.src.net.Home)
		return
	}
	if line := stageLine(snap); line != w.shown {
		w.shown = line
		fmt.Fprintln(w.out, line)
	}
}

// stageLine is where the open windows stand, and what is down.
func stageLine(s Snapshot) string {
	var parts []string
	for _, o := range s.Open {
		parts = append(parts, fmt.Sprintf("window %d %s (%d committed, %d verdicts, %d reveals)", o.ID, o.Stage, len(o.Committed), o.Verdicts, o.Reveals))
	}
	return strings.Join(append(parts, s.Down...), "; ")
}

// windowLine sums a settled window up.
func windowLine(o windowOutcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, "settled window %d on v%d: %s", o.ID, o.Report.Checkpoint, outcome(o.SettledWindow))
	for _, m := range o.Report.Miners {
		fmt.Fprintf(&b, "; %s %s", m.Name, m.Code)
		if m.Weight > 0 {
			fmt.Fprintf(&b, " %.1f %%", 100*m.Incentive)
		}
	}
	return b.String()
}
