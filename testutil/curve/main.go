// Command curve measures how a policy learns, and draws it: docs/curve.svg and docs/curve.csv.
//
//   - Through the network: local networks of real processes, with pipelined windows, three honest miners and a cheat, whose
//     checkpoints are measured afterwards on held-out problems. It needs the programs in build/.
//   - In one process, on other seeds: the same miners, but the cheat claims the opposite of every reward; once with the
//     checks that graders and learner run, and once without.
//
// What is there already is not made again, so that a run which was stopped goes on.
package main

import (
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/galahad-network/galahad/learner/evaluate"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/testutil/programs"
)

type options struct {
	runs, windows, every, problems, loop int
	work, programs, out                  string
}

// Kinds of a series.
const (
	network    = "network"
	verified   = "verified"
	unverified = "unverified"
)

// point is one measured checkpoint of a series.
type point struct {
	kind      string
	run       int
	version   int // updates so far: each consumed one window
	rollouts  int // trained on so far, those of dropped groups among them
	staleness int // versions between the one that sampled and the one that was updated; -1: none
	delta     float64
	accuracy  float64 // sampled at temperature 1
	low, high float64 // 95 %
	n         int
}

func main() {
	var o options
	flag.IntVar(&o.runs, "runs", 3, "networks, and seeds of the loop")
	flag.IntVar(&o.windows, "windows", 100, "settled windows of each network")
	flag.IntVar(&o.loop, "loop", 100, "windows of each loop in one process; 0: none")
	flag.IntVar(&o.every, "every", 4, "versions from one measurement to the next")
	flag.IntVar(&o.problems, "n", 1024, "held-out problems for each measurement")
	flag.StringVar(&o.work, "work", ".curve", "folder for the networks' state")
	flag.StringVar(&o.programs, "programs", "build", "folder of the programs")
	flag.StringVar(&o.out, "out", "docs", "folder for curve.csv and curve.svg")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

var began = time.Now()

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%7.1f s  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
}

func run(ctx context.Context, o options) error {
	var all []point
	for i := 1; i <= o.runs; i++ {
		home := filepath.Join(o.work, fmt.Sprintf("run-%d", i))
		if err := play(ctx, o, home); err != nil {
			return fmt.Errorf("network %d: %w", i, err)
		}
		points, err := read(ctx, o, home, i)
		if err != nil {
			return fmt.Errorf("network %d: %w", i, err)
		}
		all = append(all, points...)
	}
	if o.loop > 0 {
		for _, kind := range []string{verified, unverified} {
			for seed := 1; seed <= o.runs; seed++ {
				points, err := simulate(ctx, o, kind, seed)
				if err != nil {
					return fmt.Errorf("%s loop, seed %d: %w", kind, seed, err)
				}
				all = append(all, points...)
			}
		}
	}
	if err := write(filepath.Join(o.out, "curve.csv"), all); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.out, "curve.svg"), draw(all), 0o644)
}

// play runs a network until it has settled its windows, unless it has.
func play(ctx context.Context, o options, home string) error {
	report := home + ".json"
	if _, err := os.Stat(report); err == nil {
		say("%s is there", report)
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(home), 0o755); err != nil {
		return err
	}
	port, err := programs.FreePorts(60)
	if err != nil {
		return err
	}
	log, err := os.Create(home + ".log")
	if err != nil {
		return err
	}
	defer log.Close()
	// The report counts the windows of one start, so a network that was stopped begins anew.
	if err := os.RemoveAll(home); err != nil {
		return err
	}
	say("%s: %d windows, see %s", home, o.windows, log.Name())
	part := report + ".part"
	cmd := exec.CommandContext(ctx, filepath.Join(o.programs, "galahadd"), "localnet", "start", "--plain", "--home", home,
		"--base-port", strconv.Itoa(port), "--windows", strconv.Itoa(o.windows), "--report", part)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return errors.Join(fmt.Errorf("%s: %w, see %s", cmd.Path, err, log.Name()), ctx.Err())
	}
	return os.Rename(part, report)
}

// measure is the accuracy on held-out problems that no training draws, the same for every checkpoint.
func measure(ctx context.Context, m *engine.Model, tok tokenizer.Tokenizer, p *point, problems int) error {
	e, err := env.Lookup("arithmetic-3")
	if err != nil {
		return err
	}
	r, err := evaluate.Run(ctx, engine.New(m, engine.Options{}), tok, evaluate.Spec{Env: e, Problems: problems, Samples: 1, MaxNew: 38, Seed: 1}, nil)
	if err != nil {
		return err
	}
	p.accuracy, p.low, p.high, p.n = r.Accuracy, r.Low, r.High, r.N
	say("%s %d, version %d: %.1f %% [%.1f, %.1f]", p.kind, p.run, p.version, 100*r.Accuracy, 100*r.Low, 100*r.High)
	return nil
}

func write(path string, all []point) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	rows := [][]string{{"series", "run", "version", "rollouts", "staleness", "delta_of_full", "accuracy", "ci95_low", "ci95_high", "n"}}
	for _, p := range all {
		staleness, delta := "", ""
		if p.staleness >= 0 {
			staleness = strconv.Itoa(p.staleness)
		}
		if p.delta > 0 {
			delta = fmt.Sprintf("%.4f", p.delta)
		}
		rows = append(rows, []string{
			p.kind, strconv.Itoa(p.run), strconv.Itoa(p.version), strconv.Itoa(p.rollouts), staleness, delta,
			fmt.Sprintf("%.4f", p.accuracy), fmt.Sprintf("%.4f", p.low), fmt.Sprintf("%.4f", p.high), strconv.Itoa(p.n),
		})
	}
	return errors.Join(w.WriteAll(rows), f.Close())
}
