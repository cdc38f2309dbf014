package localnet

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/galahad-network/galahad/chain/client"
	challenge "github.com/galahad-network/galahad/x/challenge/types"
	settlement "github.com/galahad-network/galahad/x/settlement/types"
)

// scoreWindows is how many windows the "earned" column looks back over.
const scoreWindows = 100

// source asks the nodes, the first that answers, and the learner.
type source struct {
	net   *Network
	chain *client.Client
	names map[string]string // address -> name
	jails map[string]jail   // by address: why a miner is jailed, looked up once for each term
	since time.Time
}

// jail is the verdict that a term began with.
type jail struct {
	until uint64
	why   string
}

// Client asks any node of the network.
func (n *Network) Client() (*client.Client, error) {
	opt := client.Options{ChainID: n.ChainID}
	for _, node := range n.Nodes {
		opt.Nodes = append(opt.Nodes, url(node.RPC))
		opt.GRPC = append(opt.GRPC, hostPort(node.GRPC))
	}
	return client.New(opt)
}

func newSource(n *Network) (*source, error) {
	c, err := n.Client()
	if err != nil {
		return nil, err
	}
	s := &source{net: n, chain: c, names: map[string]string{}, jails: map[string]jail{}, since: time.Now()}
	for _, d := range n.Miners {
		s.names[d.Address] = d.Name
	}
	for i, d := range n.Graders {
		s.names[n.Nodes[i].Valoper] = d.Name
	}
	return s, nil
}

// Close ends the connections.
func (s *source) Close() { s.chain.Close() }

// Snapshot reads the whole picture.
func (s *source) Snapshot(ctx context.Context) (Snapshot, error) {
	snap := Snapshot{ChainID: s.net.ChainID, Since: time.Since(s.since)}
	if err := s.open(ctx, &snap); err != nil {
		return snap, err
	}
	if err := s.rows(ctx, &snap); err != nil {
		return snap, err
	}
	if snap.Settled > 0 {
		w, err := s.Window(ctx, snap.Settled-1)
		if err != nil {
			return snap, err
		}
		snap.Last = &w.SettledWindow
	}
	// A learner may be down or not evaluating: the table then goes without its curve.
	snap.Curve, _ = s.Curve(ctx)
	for _, m := range s.net.Swarm {
		totals, err := s.chain.RunTotals(ctx, m.Run)
		if err != nil {
			return snap, err
		}
		row := SwarmRow{Run: m.Run, Learner: m.Learner.Name, Settled: totals.SettledWindows}
		row.Curve, _ = s.curve(ctx, m.Learner)
		snap.Swarm = append(snap.Swarm, row)
	}
	return snap, nil
}

func (s *source) open(ctx context.Context, snap *Snapshot) error {
	open, err := s.chain.OpenWindows(ctx, RunID)
	if err != nil {
		return err
	}
	for _, st := range open {
		w := st.Window
		snap.Height = st.Height
		o := OpenWindow{ID: w.Id, Stage: st.Stage.Short(), Checkpoint: w.CheckpointVersion, Round: w.OpeningRound}
		if st.Stage == challenge.Stage_STAGE_SEALED {
			o.Round = w.AuditRound
		}
		if st.StageEnd > 0 {
			o.BlocksLeft = st.StageEnd - st.Height
		}
		commits, _, err := s.chain.Commitments(ctx, RunID, w.Id)
		if err != nil {
			return err
		}
		for _, m := range commits {
			o.Committed = append(o.Committed, fmt.Sprintf("%s:%d", s.name(m.Miner), m.Groups))
		}
		hashes, err := s.chain.VerdictCommits(ctx, RunID, w.Id)
		if err != nil {
			return err
		}
		reveals, err := s.chain.VerdictReveals(ctx, RunID, w.Id)
		if err != nil {
			return err
		}
		o.Verdicts, o.Reveals = len(hashes), len(reveals)
		snap.Open = append(snap.Open, o)
	}
	return nil
}

func (s *source) rows(ctx context.Context, snap *Snapshot) error {
	meta, err := s.chain.Metagraph(ctx, RunID)
	if err != nil {
		return err
	}
	scores, err := s.chain.Scores(ctx, RunID, scoreWindows)
	if err != nil {
		return err
	}
	earned := map[string]string{}
	for _, sc := range scores {
		earned[sc.Miner] = gal(sc.Paid.BigInt())
	}
	snap.Settled = meta.SettledWindows
	for _, d := range s.miners(meta.Miners) {
		row := MinerRow{Name: d.Name, Address: d.Address, Kind: d.Kind, Code: "-", PaidGAL: "-", EarnedGAL: "-", BondGAL: "-"}
		for _, m := range meta.Miners {
			if m.Address == d.Address {
				if err := s.fill(ctx, &row, m, snap.Settled); err != nil {
					return err
				}
			}
		}
		if e, ok := earned[d.Address]; ok {
			row.EarnedGAL = e
		}
		snap.Miners = append(snap.Miners, row)
	}
	for i, d := range s.net.Graders {
		row := GraderRow{Name: d.Name, Address: s.net.Nodes[i].Valoper, PaidGAL: "-"}
		for _, g := range meta.Graders {
			if g.Address == row.Address {
				row.Missed = g.Missed
				if g.Last != nil {
					row.Revealed, row.DividendPPB, row.PaidGAL, row.Reason = g.Last.Revealed, g.Last.DividendPpb, gal(g.Last.Paid.BigInt()), g.Last.Reason
				}
			}
		}
		snap.Graders = append(snap.Graders, row)
	}
	return nil
}

// miners are the network's own, then whoever has joined it.
func (s *source) miners(registered []settlement.MetaMiner) []Daemon {
	all := append([]Daemon{}, s.net.Miners...)
	for _, m := range registered {
		if _, own := s.names[m.Address]; !own {
			all = append(all, Daemon{Name: s.name(m.Address), Address: m.Address, Kind: "joined"})
		}
	}
	return all
}

// fill writes a miner's registration and newest result into its row.
func (s *source) fill(ctx context.Context, row *MinerRow, m settlement.MetaMiner, settled uint64) (err error) {
	row.Declared, row.BondGAL = m.DeclaredGroups, gal(m.Bond.BigInt())
	if r := m.Last; r != nil {
		row.Window, row.Groups, row.Declared, row.Code, row.Leaf = r.Window, r.Groups, r.DeclaredGroups, codeName(r.Code), r.Leaf
		row.Weight, row.IncentivePPB, row.PaidGAL, row.Reason = r.Weight, r.IncentivePpb, gal(r.Paid.BigInt()), r.Reason
	}
	if m.JailedUntilWindow > settled {
		row.JailedUntil = m.JailedUntilWindow
		row.JailedFor, err = s.jailedFor(ctx, m.Address, m.JailedUntilWindow, settled)
	}
	return err
}

// jailedFor finds the verdict that sent a miner to jail: its newest hard failure, or its newest verdict that was not
// ok. A term is jail_windows long, so the search ends soon.
func (s *source) jailedFor(ctx context.Context, address string, until, settled uint64) (string, error) {
	if j, ok := s.jails[address]; ok && j.until == until {
		return j.why, nil
	}
	const longestTerm = 60
	why := ""
	for w := settled; w > 0 && w+longestTerm > settled; w-- {
		result, err := s.chain.Settlement(ctx, RunID, w-1)
		if err != nil {
			return "", err
		}
		for _, r := range result.Miners {
			if r.Miner != address || !r.Jailed {
				continue
			}
			why = fmt.Sprintf("%s at leaf %d of window %d", codeName(r.Code), r.Leaf, w-1)
			s.jails[address] = jail{until, why}
			return why, nil
		}
	}
	return why, nil
}

// windowOutcome is a settled window for the table and for the report.
type windowOutcome struct {
	SettledWindow
	Report ReportWindow
}

// Window reads a window that is CLOSED or VOID.
func (s *source) Window(ctx context.Context, id uint64) (windowOutcome, error) {
	status, err := s.chain.Window(ctx, RunID, id)
	if err != nil {
		return windowOutcome{}, err
	}
	result, err := s.chain.Settlement(ctx, RunID, id)
	if err != nil {
		return windowOutcome{}, err
	}
	w := status.Window
	out := windowOutcome{
		SettledWindow: SettledWindow{ID: id, Void: w.VoidHeight > 0, VoidReason: w.VoidReason, MintedGAL: gal(result.Window.Minted.BigInt())},
		Report:        ReportWindow{ID: id, Checkpoint: w.CheckpointVersion, Void: w.VoidReason, Miners: s.reportMiners(result)},
	}
	if w.ClosedHeight > 0 {
		if out.SettleSeconds, err = s.between(ctx, w.CommitEnd, w.ClosedHeight); err != nil {
			return windowOutcome{}, err
		}
	}
	out.Report.SettleSeconds = out.SettleSeconds
	return out, nil
}

// reportMiners lists every miner of the network; one that the window did not freeze was jailed or not registered.
func (s *source) reportMiners(sw settlement.QueryWindowResponse) []ReportMiner {
	var out []ReportMiner
	for _, d := range s.net.Miners {
		m := ReportMiner{Name: d.Name, Address: d.Address, Kind: d.Kind, Paid: "0", Slashed: "0", Code: "absent"}
		for _, r := range sw.Miners {
			if r.Miner == d.Address {
				m.Groups, m.Weight, m.Incentive = r.Groups, r.Weight, float64(r.IncentivePpb)/1e9
				m.Paid, m.Slashed, m.Code, m.Leaf = r.Paid.String(), r.Slashed.String(), codeName(r.Code), r.Leaf
			}
		}
		out = append(out, m)
	}
	return out
}

// between is the block time from one height to another, in seconds.
func (s *source) between(ctx context.Context, from, to int64) (float64, error) {
	at := func(h int64) (t time.Time, err error) {
		for _, n := range s.net.Nodes {
			if t, err = blockTimeAt(ctx, n, h); err == nil {
				return t, nil
			}
		}
		return t, err
	}
	a, err := at(from)
	if err != nil {
		return 0, err
	}
	b, err := at(to)
	if err != nil {
		return 0, err
	}
	return b.Sub(a).Seconds(), nil
}

// Curve asks the learner, of a swarm the first, how well its checkpoints solve held-out problems.
func (s *source) Curve(ctx context.Context) ([]Accuracy, error) { return s.curve(ctx, s.net.Learner) }

func (s *source) curve(ctx context.Context, learner Daemon) ([]Accuracy, error) {
	var status struct {
		Versions []struct {
			Version  uint64   `json:"version"`
			Accuracy *float64 `json:"accuracy"`
			N        int      `json:"n"`
		} `json:"versions"`
	}
	if err := getJSON(ctx, url(learner.Port)+"/status", &status); err != nil {
		return nil, err
	}
	var curve []Accuracy
	for _, v := range status.Versions {
		if v.Accuracy != nil {
			curve = append(curve, Accuracy{Version: v.Version, Accuracy: *v.Accuracy, N: v.N})
		}
	}
	return curve, nil
}

func (s *source) name(address string) string {
	if n, ok := s.names[address]; ok {
		return n
	}
	if len(address) > 16 {
		return address[:12] + ".." + address[len(address)-4:]
	}
	return address
}

func codeName(c settlement.VerdictCode) string {
	return strings.ToLower(strings.TrimPrefix(c.String(), "VERDICT_CODE_"))
}

// gal is an amount of agal in GAL with three decimals, cut off and not rounded.
func gal(agal *big.Int) string {
	milli := new(big.Int).Quo(agal, big.NewInt(1e15))
	whole, frac := new(big.Int).QuoRem(milli, big.NewInt(1000), new(big.Int))
	return fmt.Sprintf("%s.%03d", whole, frac.Int64())
}
