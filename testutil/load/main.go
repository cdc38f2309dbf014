// Command load starts a local network of four nodes, loads it with coins sent, bonds and commitments, and says how many
// got into blocks, how soon, and whether any window was missed meanwhile.
//
//	go run ./testutil/load -rate 100 -duration 1m
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/galahad-network/galahad/testutil/load/traffic"
)

func main() {
	accounts := flag.Int("accounts", traffic.MaxAccounts, "accounts that send, each with one transaction under way at a time")
	rate := flag.Float64("rate", 100, "transactions a second")
	duration := flag.Duration("duration", time.Minute, "how long they are sent")
	asJSON := flag.Bool("json", false, "print the report as JSON")
	flag.Parse()
	if err := run(*accounts, *rate, *duration, *asJSON); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(accounts int, rate float64, duration time.Duration, asJSON bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	m, err := traffic.Measure(ctx, accounts, rate, duration, func(msg string) { fmt.Fprintln(os.Stderr, msg) })
	if err != nil {
		return err
	}
	if asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		if err := e.Encode(m); err != nil {
			return err
		}
	} else {
		fmt.Print(m.Report)
		fmt.Printf("%d windows were open meanwhile\n", m.Windows)
	}
	if len(m.Missed) == 0 {
		return nil
	}
	for _, what := range m.Missed {
		fmt.Fprintln(os.Stderr, what)
	}
	return errors.New("windows were missed")
}
