package derive

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// vectors mirrors testdata/vectors.json. uint64s that JSON readers may round are
// strings there.
type vectors struct {
	ChainID     string  `json:"chain_id"`
	Randomness  hexData `json:"randomness"`
	Checkpoint  hexData `json:"checkpoint"`
	Miner       hexData `json:"miner"`
	Grader      hexData `json:"grader"`
	Salt        hexData `json:"salt"`
	Verdicts    hexData `json:"verdicts"`
	Run         uint64  `json:"run"`
	Window      uint64  `json:"window"`
	Group       uint64  `json:"group"`
	Index       uint64  `json:"index"`
	OpeningSeed hexData `json:"opening_seed"`
	AuditSeed   hexData `json:"audit_seed"`
	GroupSeed   hexData `json:"group_seed"`
	SampleSeed  hexData `json:"sample_seed"`
	VerdictHash hexData `json:"verdict_hash"`
	Version     uint64  `json:"version"`
	Attestation hexData `json:"attestation"`
	Evaluation  hexData `json:"evaluation_seed"` // of the problem with the group's number
	SwarmRank   hexData `json:"swarm_rank"`      // of the group of the window two later of the next run
	Derive      []struct {
		ChainID string    `json:"chain_id"`
		Tag     string    `json:"tag"`
		Parts   []hexData `json:"parts"`
		Out     hexData   `json:"out"`
	} `json:"derive"`
	Stream []string `json:"stream"`
	Below  []struct {
		N   uint64 `json:"n,string"`
		Out uint64 `json:"out,string"`
	} `json:"below"`
	Sample []struct {
		N, K uint64
		Out  []uint64
	} `json:"sample"`
	AuditGroups []struct {
		Groups, PPM uint64
		Out         []uint64
	} `json:"audit_groups"`
	WorkPositions []struct {
		Leaf, Length uint64
		Out          []uint64
	} `json:"work_positions"`
	AuditPPM []struct {
		Total  uint64 `json:"total,string"`
		Budget uint64 `json:"budget,string"`
		Min    uint64 `json:"min,string"`
		Out    uint64 `json:"out,string"`
	} `json:"audit_ppm"`
}

type hexData []byte

func (h *hexData) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*h = b
	return err
}

func load(t *testing.T) vectors {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "vectors.json"))
	require.NoError(t, err)
	var v vectors
	require.NoError(t, json.Unmarshal(data, &v))
	return v
}

func seedOf(b []byte) Seed {
	var s Seed
	copy(s[:], b)
	return s
}

func TestDerivationsMatchThePublishedVectors(t *testing.T) {
	v := load(t)
	for _, d := range v.Derive {
		parts := make([][]byte, len(d.Parts))
		for i, p := range d.Parts {
			parts[i] = p
		}
		require.Equal(t, seedOf(d.Out), Derive(d.ChainID, d.Tag, parts...), "%q %q %x", d.ChainID, d.Tag, parts)
	}
	opening := OpeningSeed(v.ChainID, v.Randomness, v.Run, v.Window)
	require.Equal(t, seedOf(v.OpeningSeed), opening)
	audit := AuditSeed(v.ChainID, v.Randomness, v.Run, v.Window)
	require.Equal(t, seedOf(v.AuditSeed), audit)
	group := GroupSeed(v.ChainID, v.Run, v.Window, opening, v.Checkpoint, v.Miner, v.Group)
	require.Equal(t, seedOf(v.GroupSeed), group)
	require.Equal(t, seedOf(v.SampleSeed), SampleSeed(v.ChainID, group, v.Index))
	require.Equal(t, seedOf(v.VerdictHash), VerdictHash(v.ChainID, v.Run, v.Window, v.Grader, v.Verdicts, v.Salt))
	require.Equal(t, seedOf(v.Attestation), Attestation(v.ChainID, v.Run, v.Version, v.Grader))
	require.Equal(t, seedOf(v.Evaluation), EvaluationSeed(v.ChainID, v.Run, v.Group))
	require.Equal(t, seedOf(v.SwarmRank), SwarmRank(v.ChainID, v.Run, v.Window, seedOf(v.OpeningSeed), v.Run+1, v.Window+2, v.Miner, v.Group))
	for _, a := range v.AuditGroups {
		got := AuditGroups(v.ChainID, audit, v.Miner, a.Groups, a.PPM)
		require.Equal(t, a.Out, append([]uint64{}, got...), "groups %d, ppm %d", a.Groups, a.PPM)
	}
	for _, w := range v.WorkPositions {
		require.Equal(t, w.Out, WorkPositions(v.ChainID, audit, v.Miner, w.Leaf, w.Length))
	}
	for _, a := range v.AuditPPM {
		require.Equal(t, a.Out, AuditPPM(a.Total, a.Budget, a.Min), "%+v", a)
	}
}

func TestStreamMatchesThePublishedVectors(t *testing.T) {
	v := load(t)
	s := NewStream(seedOf(v.GroupSeed))
	for i, want := range v.Stream {
		require.Equal(t, want, strconv.FormatUint(s.Uint64(), 10), "output %d", i)
	}
	s = NewStream(seedOf(v.GroupSeed))
	for i, b := range v.Below {
		require.Equal(t, b.Out, s.Below(b.N), "case %d", i)
	}
	s = NewStream(seedOf(v.GroupSeed))
	for i, c := range v.Sample {
		require.Equal(t, c.Out, s.Sample(c.N, c.K), "case %d", i)
	}
}

// A length before each part keeps (a, bc) and (ab, c) apart, and a missing part
// from an empty one.
func TestDeriveSeparatesParts(t *testing.T) {
	a, b, c, ab, bc := []byte("a"), []byte("b"), []byte("c"), []byte("ab"), []byte("bc")
	seen := map[Seed]bool{}
	for _, parts := range [][][]byte{{}, {nil}, {nil, nil}, {a, b, c}, {ab, c}, {a, bc}, {append(ab, c...)}} {
		s := Derive("chain", "tag", parts...)
		require.False(t, seen[s], "%q", parts)
		seen[s] = true
	}
	require.NotEqual(t, Derive("chain", "tag", a), Derive("chaina", "tag"))
	require.NotEqual(t, Derive("chain", "tag"), Derive("chain", "ta", []byte("g")))
}

// Every field that a copied or replayed rollout would have to share changes the
// seed of the group.
func TestGroupSeedBindsEveryField(t *testing.T) {
	o1, o2 := Derive("", "o1"), Derive("", "o2")
	ck1, ck2, m1, m2 := U64(1), U64(2), U64(3), U64(4)
	seeds := []Seed{
		GroupSeed("c", 1, 1, o1, ck1, m1, 0),
		GroupSeed("d", 1, 1, o1, ck1, m1, 0),
		GroupSeed("c", 2, 1, o1, ck1, m1, 0),
		GroupSeed("c", 1, 2, o1, ck1, m1, 0),
		GroupSeed("c", 1, 1, o2, ck1, m1, 0),
		GroupSeed("c", 1, 1, o1, ck2, m1, 0),
		GroupSeed("c", 1, 1, o1, ck1, m2, 0),
		GroupSeed("c", 1, 1, o1, ck1, m1, 1),
	}
	seen := map[Seed]bool{}
	for _, s := range seeds {
		require.False(t, seen[s])
		seen[s] = true
	}
}

func TestBelowIsUniformAndInRange(t *testing.T) {
	const n, draws = 900, 900_000
	s := NewStream(sha256.Sum256([]byte("uniform")))
	var count [n]int
	for range draws {
		v := s.Below(n)
		require.Less(t, v, uint64(n))
		count[v]++
	}
	// chi-square over 899 degrees of freedom: mean 899, deviation 42.4.
	chi := 0.0
	for _, c := range count {
		d := float64(c) - draws/n
		chi += d * d / (draws / n)
	}
	require.InDelta(t, n-1, chi, 5*42.4)
	require.Zero(t, s.Below(0))
	require.Zero(t, s.Below(1))
}

func TestSampleWithoutReplacement(t *testing.T) {
	s := NewStream(sha256.Sum256([]byte("sample")))
	for n := uint64(0); n < 40; n++ {
		for k := uint64(0); k < 45; k += 3 {
			got := s.Sample(n, k)
			require.Len(t, got, int(min(n, k)))
			seen := map[uint64]bool{}
			for _, x := range got {
				require.Less(t, x, n)
				require.False(t, seen[x])
				seen[x] = true
			}
		}
	}
	require.Len(t, s.Sample(1<<60, 4), 4, "memory must not grow with n")
}

// The lottery draws about ppm of the groups, and one of a miner in any case.
func TestAuditLotteryDrawsAsOftenAsItSays(t *testing.T) {
	audit := Derive("c", "audit")
	const miners, groups, ppm = 2000, 16, 250_000
	drawn := 0
	for m := uint64(0); m < miners; m++ {
		gs := AuditGroups("c", audit, U64(m), groups, ppm)
		require.NotEmpty(t, gs)
		drawn += len(gs)
		require.Len(t, AuditGroups("c", audit, U64(m), groups, 0), 1)
		require.Len(t, AuditGroups("c", audit, U64(m), groups, Million), groups)
	}
	// one always, the other 15 with probability 1/4: mean 4.75, deviation 1.68/sqrt(2000).
	require.InDelta(t, 4.75, float64(drawn)/miners, 5*1.68/44.7)
}

func FuzzBelowAndSample(f *testing.F) {
	f.Add([]byte("seed"), uint64(10), uint64(3))
	f.Fuzz(func(t *testing.T, key []byte, n, k uint64) {
		s := NewStream(sha256.Sum256(key))
		if v := s.Below(n); n > 0 && v >= n {
			t.Fatalf("Below(%d) = %d", n, v)
		}
		seen := map[uint64]bool{}
		for _, x := range s.Sample(n, k%64) {
			if x >= n || seen[x] {
				t.Fatalf("Sample(%d, %d) gave %d", n, k%64, x)
			}
			seen[x] = true
		}
	})
}
