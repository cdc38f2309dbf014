package traffic

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/chain/localnet"
	"github.com/galahad-network/galahad/testutil/programs"
)

// Measured is a load on a whole local network.
type Measured struct {
	Report
	// Windows of the network's own run that were open during the load, and what went wrong in them; see Missed.
	Windows int      `json:"windows"`
	Missed  []string `json:"missed"`
}

// windowLimit bounds the wait for windows to settle.
const windowLimit = 5 * time.Minute

// Measure builds the programs, starts a network as `galahadd localnet start` makes it, without the cheat and with the
// load's accounts, drives the load once a window has settled, and looks at all windows that were open meanwhile.
func Measure(ctx context.Context, accounts int, rate float64, duration time.Duration, progress func(string)) (Measured, error) {
	dir, err := os.MkdirTemp("", "galahad-load-")
	if err != nil {
		return Measured{}, err
	}
	defer os.RemoveAll(dir)
	progress("building the programs")
	bin := filepath.Join(dir, "bin")
	if err := programs.Build(ctx, bin); err != nil {
		return Measured{}, err
	}
	o := Options{ChainID: localnet.ChainID, Accounts: Accounts(accounts), Rate: rate, Duration: duration, Mine: true}
	net := localnet.Options{Graders: 3, Miners: 3, Commit: 5, Audit: 10, Reveal: 4, Genesis: Genesis(o.Accounts)}
	if net.BasePort, err = programs.FreePorts(net.Ports()); err != nil {
		return Measured{}, err
	}
	n, err := localnet.Create(ctx, filepath.Join(dir, "network"), net)
	if err != nil {
		return Measured{}, err
	}
	for _, node := range n.Nodes {
		o.Nodes = append(o.Nodes, node.URL())
	}
	var m Measured
	s := &localnet.Supervisor{Net: n, Bin: bin}
	err = s.Run(ctx, progress, func(ctx context.Context) error {
		c, err := n.Client()
		if err != nil {
			return err
		}
		defer c.Close()
		progress("waiting for the first window to settle")
		if err := Settled(ctx, c, localnet.RunID, 0); err != nil {
			return err
		}
		m, err = Under(ctx, c, o, n.Honest(), progress)
		return err
	})
	return m, err
}

// Under drives a load on a network whose run 1 has a settled window, and then waits until all windows that were open
// meanwhile have settled. honest are the names of its miners by address.
func Under(ctx context.Context, c *client.Client, o Options, honest map[string]string, progress func(string)) (Measured, error) {
	open, err := c.OpenWindows(ctx, localnet.RunID)
	if err != nil || len(open) == 0 {
		return Measured{}, fmt.Errorf("load: %d open windows: %w", len(open), err)
	}
	first := open[0].Window.Id
	progress(fmt.Sprintf("offering %.0f transactions a second for %s", o.Rate, o.Duration))
	m := Measured{}
	if m.Report, err = Drive(ctx, o); err != nil {
		return m, err
	}
	newest, err := c.LatestWindow(ctx, localnet.RunID)
	if err != nil {
		return m, err
	}
	progress(fmt.Sprintf("waiting for window %d to settle", newest.Window.Id))
	if err := Settled(ctx, c, localnet.RunID, newest.Window.Id); err != nil {
		return m, err
	}
	m.Windows = int(newest.Window.Id - first + 1)
	m.Missed, err = Missed(ctx, c, localnet.RunID, first, newest.Window.Id+1, honest)
	return m, err
}

// Settled waits until a window is CLOSED or VOID and its result can be read.
func Settled(ctx context.Context, c *client.Client, run, window uint64) error {
	ctx, cancel := context.WithTimeout(ctx, windowLimit)
	defer cancel()
	for {
		status, err := c.Window(ctx, run, window)
		if err == nil && status.Window.Done() {
			if _, err = c.Settlement(ctx, run, window); err == nil {
				return nil
			}
		}
		if daemon.Sleep(ctx, windowEvery) != nil {
			return fmt.Errorf("window %d of run %d did not settle: %w (last try: %v)", window, run, context.Cause(ctx), err)
		}
	}
}
