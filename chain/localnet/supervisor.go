package localnet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// startLimit is how long a part of the network may take to get ready on a slow machine.
const startLimit = 3 * time.Minute

// Supervisor runs the processes of one network.
type Supervisor struct {
	Net *Network
	// Bin is the folder of the four programs.
	Bin string

	mu     sync.Mutex
	procs  map[string]*Process
	order  []string
	launch func(p *Process, node bool) // set while Run runs
}

// NewSupervisor takes the programs from the folder that this program itself is in.
func NewSupervisor(n *Network) (*Supervisor, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return &Supervisor{Net: n, Bin: filepath.Dir(self)}, nil
}

// Run starts everything in order, waiting by polling for what each part needs, calls up once all of it runs, and
// keeps it running until ctx ends. On return every process has ended.
func (s *Supervisor) Run(ctx context.Context, progress func(string), up func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Daemons are stopped before the nodes that they talk to.
	nodes, stopNodes := context.WithCancel(context.WithoutCancel(ctx))
	defer stopNodes()
	daemons, nodeGroup := new(errgroup.Group), new(errgroup.Group)
	fail := make(chan error, 1)
	launch := func(g *errgroup.Group, ctx context.Context, p *Process) {
		s.add(p)
		g.Go(func() error {
			err := p.Run(ctx)
			if err != nil {
				select {
				case fail <- err:
				default:
				}
				cancel()
			}
			return err
		})
	}
	s.launch = func(p *Process, node bool) {
		if node {
			launch(nodeGroup, nodes, p)
			return
		}
		launch(daemons, ctx, p)
	}
	err := s.start(ctx, progress, s.launch)
	if err == nil {
		err = up(ctx)
	}
	cancel()
	_ = daemons.Wait() // the first failure is in fail
	stopNodes()
	_ = nodeGroup.Wait()
	select {
	case first := <-fail:
		return first
	default:
		return err
	}
}

// start launches the parts in the order of their needs.
func (s *Supervisor) start(ctx context.Context, progress func(string), launch func(p *Process, node bool)) error {
	progress(fmt.Sprintf("starting %d nodes", len(s.Net.Nodes)))
	before := int64(0)
	for _, n := range s.Net.Nodes {
		launch(s.nodeProcess(n), true)
	}
	launch(s.beaconProcess(), false)
	err := waitFor(ctx, startLimit, "the nodes to make blocks (see "+s.Net.Log(s.Net.Nodes[0].Name)+")", func(ctx context.Context) error {
		for _, n := range s.Net.Nodes {
			h, err := nodeHeight(ctx, n)
			if err != nil {
				return err
			}
			if before == 0 {
				before = max(h, 1)
			}
			if h <= before {
				return fmt.Errorf("%s is at height %d", n.Name, h)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	progress("starting the learner, the graders and the miners")
	if err := waitFor(ctx, startLimit, "the beacon", func(ctx context.Context) error { return listening(ctx, s.Net.Beacon.Port) }); err != nil {
		return err
	}
	// The learner serves the base checkpoint, which everybody else needs first.
	for _, run := range s.Net.Runs() {
		learner := s.Net.learner(run)
		launch(s.learnerProcess(run), false)
		if err := waitFor(ctx, startLimit, learner.Name+" (see "+s.Net.Log(learner.Name)+")", func(ctx context.Context) error { return listening(ctx, learner.Port) }); err != nil {
			return err
		}
	}
	for _, run := range s.Net.Runs() {
		for _, p := range s.graderProcesses(run) {
			launch(p, false)
		}
	}
	for _, d := range s.Net.Miners {
		launch(s.minerProcess(d), false)
	}
	return nil
}

func (s *Supervisor) add(p *Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.procs == nil {
		s.procs = map[string]*Process{}
	}
	s.procs[p.Name] = p
	s.order = append(s.order, p.Name)
}

// process finds a process by its name.
func (s *Supervisor) process(name string) (*Process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.procs[name]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("no process is named %q", name)
}

// Kill ends a process with SIGKILL, as a crash would; it is started again.
func (s *Supervisor) Kill(name string) error {
	p, err := s.process(name)
	if err != nil {
		return err
	}
	return p.Kill()
}

// Crash ends a process with SIGKILL and keeps it down until Start.
func (s *Supervisor) Crash(ctx context.Context, name string) error {
	p, err := s.process(name)
	if err != nil {
		return err
	}
	return p.Hold(ctx, syscall.SIGKILL)
}

// Stop ends a process with SIGTERM, as an operator would, and keeps it down until Start.
func (s *Supervisor) Stop(ctx context.Context, name string) error {
	p, err := s.process(name)
	if err != nil {
		return err
	}
	return p.Hold(ctx, syscall.SIGTERM)
}

// Start lets a process that is kept down run again, from another program if path is not empty.
func (s *Supervisor) Start(name, path string) error {
	p, err := s.process(name)
	if err != nil {
		return err
	}
	p.Release(path)
	return nil
}

// Join runs a node that is none of the network's own; see Network.Follow. It may be called while Run calls up.
func (s *Supervisor) Join(n Node) { s.launch(s.nodeProcess(n), true) }

// Statuses lists all processes in the order of their start.
func (s *Supervisor) Statuses() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Status, len(s.order))
	for i, name := range s.order {
		out[i] = s.procs[name].Status()
	}
	return out
}

// Names lists the processes in the order of their start, whether they run or not.
func (n *Network) Names() []string {
	var names []string
	for _, x := range n.Nodes {
		names = append(names, x.Name)
	}
	names = append(names, n.Beacon.Name)
	for _, d := range n.daemons() {
		names = append(names, d.Name)
	}
	return names
}
