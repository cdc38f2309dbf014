package localnet

import (
	"path/filepath"
	"strconv"
	"strings"
)

// threads of each daemon's engine: there are more daemons than cores on a small machine, and the results are the
// same with any number.
const threads = "1"

// program is a process whose binary lies in the supervisor's folder.
func (s *Supervisor) program(name, binary string, args ...string) *Process {
	return &Process{Name: name, Path: filepath.Join(s.Bin, binary), Args: args, Log: s.Net.Log(name)}
}

func (s *Supervisor) nodeProcess(n Node) *Process {
	return s.program(n.Name, "galahadd", "start", "--home", s.Net.Dir(n.Name), "--log_level", "info", "--log_no_color")
}

func (s *Supervisor) beaconProcess() *Process {
	return s.program(s.Net.Beacon.Name, "galahadd", "beacon", "--home", s.Net.Dir(s.Net.Beacon.Name), "--listen", hostPort(s.Net.Beacon.Port))
}

// daemon is a process with the settings that all three daemons have. It asks its own node first and the others when
// that one is down.
func (s *Supervisor) daemon(d Daemon, binary string, args ...string) *Process {
	var rpc, grpc []string
	for i := range s.Net.Nodes {
		n := s.Net.Nodes[(d.Node+i)%len(s.Net.Nodes)]
		rpc, grpc = append(rpc, url(n.RPC)), append(grpc, hostPort(n.GRPC))
	}
	return s.program(d.Name, binary, append([]string{
		"start", "--home", s.Net.Dir(d.Name),
		"--chain.id", s.Net.ChainID,
		"--chain.nodes", strings.Join(rpc, ","),
		"--chain.grpc", strings.Join(grpc, ","),
		"--chain.key", d.Name,
		"--server.listen", hostPort(d.Port),
	}, args...)...)
}

func (s *Supervisor) learnerProcess(run uint64) *Process {
	return s.daemon(s.Net.learner(run), "galahad-learner", "--run", id(run), "--train.threads", threads, "--checkpoints.threads", threads)
}

// graderProcesses are the graders of a run. Those of further runs sign with the keys of the first run's, which bring the beacon
// for all.
func (s *Supervisor) graderProcesses(run uint64) (all []*Process) {
	graders := s.Net.member(run).Graders
	for i, d := range graders {
		var peers []string
		for _, other := range graders {
			if other.Name != d.Name {
				peers = append(peers, url(other.Port))
			}
		}
		args := []string{"--run", id(run), "--checkpoints.threads", threads, "--beacon.urls", url(s.Net.Beacon.Port), "--audit.peers", strings.Join(peers, ",")}
		if run != RunID {
			key := s.Net.Graders[i].Name
			args = append(args, "--chain.key", key, "--chain.keyring_dir", s.Net.Dir(key), "--beacon.relay=false")
		}
		all = append(all, s.daemon(d, "galahad-validator", args...))
	}
	return all
}

func id(run uint64) string { return strconv.FormatUint(run, 10) }

func (s *Supervisor) minerProcess(d Daemon) *Process {
	var runs []string
	for _, run := range s.Net.Runs() {
		runs = append(runs, id(run))
	}
	args := []string{"--runs", strings.Join(runs, ","), "--checkpoints.threads", threads,
		"--register.bond", minerBond.String(), "--register.groups", strconv.Itoa(s.Net.declared())}
	if d.Kind != honestKind {
		args = append(args, "--adversary", d.Kind)
	}
	return s.daemon(d, "galahad-miner", args...)
}
