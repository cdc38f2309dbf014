package consensus

import (
	"bytes"
	"encoding/json"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/verify"
)

// tallyVector is a case of testdata/tally.json.
type tallyVector struct {
	Name        string
	Scores      []uint64
	Accusations int
	Graders     []struct {
		Stake   string
		Reveal  []string
		Accused []string
	}
	Want struct {
		Void      bool
		Eligible  string
		Revealed  string
		Standings []string
		Miners    []struct {
			Code      string
			Leaf      uint64
			Agreeing  string
			Slashable bool
		}
		Weights   [][]uint32
		Confirmed []string
	}
}

var standingNames = map[string]Standing{"absent": Absent, "wrong_work": WrongWork, "idle": Idle, "counted": Counted}

func amountOf(t *testing.T, decimal string) (a Amount) {
	t.Helper()
	require.NoError(t, a.SetFromDecimal(decimal))
	return a
}

func codeOf(t *testing.T, name string) verify.Code {
	t.Helper()
	code, ok := verify.ParseCode(name)
	require.True(t, ok, name)
	return code
}

func verdictOf(t *testing.T, text string) (v Verdict) {
	t.Helper()
	name, leaf, hasLeaf := strings.Cut(text, "@")
	name, root, hasRoot := strings.Cut(name, ":")
	v.Code = codeOf(t, name)
	require.Equal(t, v.Code.Hard(), hasLeaf, text)
	require.Equal(t, v.Code == verify.OK, hasRoot, text)
	if hasLeaf {
		var err error
		v.Leaf, err = strconv.ParseUint(leaf, 10, 64)
		require.NoError(t, err)
	}
	if hasRoot {
		v.Work = bytes.Repeat([]byte(root), 32)
	}
	return v
}

func (c tallyVector) input(t *testing.T) Input {
	t.Helper()
	in := Input{Scores: c.Scores, Accusations: c.Accusations}
	for _, g := range c.Graders {
		in.Stakes = append(in.Stakes, amountOf(t, g.Stake))
		if g.Reveal == nil {
			in.Reveals = append(in.Reveals, nil)
			continue
		}
		r := &Reveal{}
		for _, text := range g.Reveal {
			r.Verdicts = append(r.Verdicts, verdictOf(t, text))
		}
		for _, name := range g.Accused {
			r.Accused = append(r.Accused, codeOf(t, name))
		}
		in.Reveals = append(in.Reveals, r)
	}
	return in
}

func (c tallyVector) output(t *testing.T) Output {
	t.Helper()
	out := Output{
		Void: c.Want.Void, Eligible: amountOf(t, c.Want.Eligible), Revealed: amountOf(t, c.Want.Revealed),
		Graders: []Standing{}, Miners: []MinerOutcome{}, Weights: c.Want.Weights, Confirmed: []verify.Code{},
	}
	for _, name := range c.Want.Standings {
		s, ok := standingNames[name]
		require.True(t, ok, name)
		out.Graders = append(out.Graders, s)
	}
	for _, m := range c.Want.Miners {
		out.Miners = append(out.Miners, MinerOutcome{codeOf(t, m.Code), m.Leaf, amountOf(t, m.Agreeing), m.Slashable})
	}
	for _, name := range c.Want.Confirmed {
		out.Confirmed = append(out.Confirmed, codeOf(t, name))
	}
	return out
}

func openTallyVectors(t *testing.T) []tallyVector {
	t.Helper()
	raw, err := os.ReadFile("testdata/tally.json")
	require.NoError(t, err)
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	var file struct {
		Format string
		Cases  []tallyVector
	}
	require.NoError(t, d.Decode(&file))
	require.Len(t, file.Cases, 16)
	return file.Cases
}

// Every field of every case, from Tally and from the definition.
func TestVectorsTally(t *testing.T) {
	for _, c := range openTallyVectors(t) {
		t.Run(c.Name, func(t *testing.T) {
			in, want := c.input(t), c.output(t)
			got, err := Tally(in)
			require.NoError(t, err)
			require.Equal(t, want, got)
			require.Equal(t, want, tallyByDefinition(in))
		})
	}
}

func TestTallyIsItsDefinition(t *testing.T) {
	r := seeded(t)
	for range 2000 {
		in := randomInput(r, r.IntN(8), r.IntN(6))
		if r.IntN(2) == 0 { // few different stakes meet the thresholds exactly
			for i := range in.Stakes {
				in.Stakes[i] = NewAmount(r.Uint64N(4))
			}
		}
		got, err := Tally(in)
		require.NoError(t, err)
		require.Equal(t, tallyByDefinition(in), got)
	}
}

// tallyByDefinition is the package comment's text, step by step, over fractions. It
// shares nothing with Tally but the types.
func tallyByDefinition(in Input) Output {
	// named is the stake of the graders for which f is true.
	named := func(f func(g int) bool) *big.Int {
		sum := new(big.Int)
		for g := range in.Stakes {
			if f(g) {
				sum.Add(sum, in.Stakes[g].ToBig())
			}
		}
		return sum
	}
	eligible := named(func(int) bool { return true })
	more := func(stake *big.Int, num, den int64) bool {
		return eligible.Sign() > 0 && new(big.Rat).SetFrac(stake, eligible).Cmp(big.NewRat(num, den)) > 0
	}
	amount := func(b *big.Int) (a Amount) {
		a.SetFromBig(b)
		return a
	}
	verdict := func(g, m int) Verdict { return in.Reveals[g].Verdicts[m] }
	passes := func(g, m int, root []byte) bool {
		return in.Reveals[g] != nil && verdict(g, m).Code == verify.OK && bytes.Equal(verdict(g, m).Work, root)
	}

	out := Output{
		Eligible: amount(eligible), Graders: make([]Standing, len(in.Stakes)), Miners: make([]MinerOutcome, len(in.Scores)),
		Weights: make([][]uint32, len(in.Stakes)), Confirmed: make([]verify.Code, in.Accusations),
	}
	for m := range out.Miners {
		out.Miners[m].Code = verify.Undecided
	}
	for a := range out.Confirmed {
		out.Confirmed[a] = verify.Undecided
	}
	for g := range in.Stakes { // step 1
		if in.Reveals[g] == nil {
			continue
		}
		out.Graders[g] = Counted
		for m := range in.Scores {
			if verdict(g, m).Code != verify.OK {
				continue
			}
			for h := range in.Stakes {
				if in.Reveals[h] == nil || verdict(h, m).Code != verify.OK || bytes.Equal(verdict(g, m).Work, verdict(h, m).Work) {
					continue
				}
				if more(named(func(x int) bool { return passes(x, m, verdict(h, m).Work) }), 1, 2) {
					out.Graders[g] = WrongWork
				}
			}
		}
	}
	counts := func(g int) bool { return out.Graders[g] == Counted || out.Graders[g] == Idle }
	revealed := named(counts)
	out.Revealed = amount(revealed)
	if !more(revealed, 1, 2) { // step 2
		out.Void = true
		return out
	}
	for m := range in.Scores { // step 3
		for code := verify.OK; code <= verify.Undecided; code++ {
			is := func(g int) bool { return counts(g) && verdict(g, m).Code == code }
			stake := named(is)
			if !more(stake, 1, 2) {
				continue
			}
			o := MinerOutcome{Code: code, Agreeing: amount(stake)}
			if code >= verify.BadEncoding && code <= verify.BadDistribution {
				best := big.NewInt(-1)
				for g := range in.Stakes {
					if !is(g) {
						continue
					}
					leaf := verdict(g, m).Leaf
					s := named(func(x int) bool { return is(x) && verdict(x, m).Leaf == leaf })
					if c := s.Cmp(best); c > 0 || c == 0 && leaf < o.Leaf {
						best, o.Leaf = s, leaf
					}
				}
				o.Slashable = more(best, 2, 3)
			}
			out.Miners[m] = o
		}
	}
	abstains := func(c verify.Code) bool { return c == verify.Unavailable || c == verify.Undecided }
	for g := range in.Stakes { // steps 4 and 5
		if !counts(g) {
			continue
		}
		all, skipped, most := new(big.Int), new(big.Int), new(big.Int)
		row := make([]*big.Int, len(in.Scores))
		for m, score := range in.Scores {
			worth := new(big.Int).SetUint64(score)
			code, agreed := verdict(g, m).Code, out.Miners[m].Code
			if !abstains(agreed) {
				all.Add(all, worth)
				if abstains(code) {
					skipped.Add(skipped, worth)
				}
			}
			if abstains(code) {
				code = agreed
			}
			if row[m] = new(big.Int); code == verify.OK {
				row[m] = worth
			}
			if row[m].Cmp(most) > 0 {
				most = row[m]
			}
		}
		if new(big.Int).Lsh(skipped, 1).Cmp(all) > 0 {
			out.Graders[g] = Idle
		}
		out.Weights[g] = make([]uint32, len(row))
		for m := range row {
			if most.Sign() > 0 {
				w := new(big.Int).Mul(row[m], big.NewInt(65535))
				out.Weights[g][m] = uint32(w.Quo(w, most).Uint64())
			}
		}
	}
	for a := range out.Confirmed { // step 6
		for code := verify.BadEncoding; code <= verify.BadDistribution; code++ {
			if more(named(func(g int) bool { return counts(g) && in.Reveals[g].Accused[a] == code }), 2, 3) {
				out.Confirmed[a] = code
			}
		}
	}
	return out
}
