package checkpoint

import (
	"bytes"
	"encoding/hex"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/testutil/tiny"
)

// pair is a served child whose parent is at a fetcher's.
type pair struct {
	t      *testing.T
	served string // folder with both
	child  Manifest
	home   string // the fetcher's
	url    string // of the child
	mu     sync.Mutex
	asked  []string
}

// newPair changes some weights of the parent. edit may spoil the delta.
func newPair(t *testing.T, edit func(delta []byte) []byte) *pair {
	t.Helper()
	p := &pair{t: t, served: t.TempDir(), home: t.TempDir()}
	base := tiny.Model(t, "base")
	parent, _, err := Write(p.served, base, tokenizer.ArithmeticFile(), Options{})
	require.NoError(t, err)
	_, _, err = Write(p.home, base, tokenizer.ArithmeticFile(), Options{})
	require.NoError(t, err)
	n := 0
	moved, err := base.Map(func(_ string, _ []int, data []float32) []float32 {
		for i := range data {
			if n++; n%37 == 0 {
				data[i] = math.Float32frombits(math.Float32bits(data[i]) ^ 1<<16)
			}
		}
		return data
	})
	require.NoError(t, err)
	var childDir string
	p.child, childDir, err = Write(p.served, moved, tokenizer.ArithmeticFile(), Options{Version: 1, Parent: parent.Digest()})
	require.NoError(t, err)
	var delta bytes.Buffer
	size, err := WriteDelta(&delta, p.served, p.child.Digest())
	require.NoError(t, err)
	require.EqualValues(t, delta.Len(), size)
	data := delta.Bytes()
	if edit != nil {
		data = edit(data)
	}
	if data != nil {
		require.NoError(t, os.WriteFile(filepath.Join(childDir, DeltaFile), data, 0o600))
	}
	files := http.FileServer(http.Dir(childDir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked = append(p.asked, strings.TrimPrefix(r.URL.Path, "/"))
		p.mu.Unlock()
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func mustHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// fetch brings the child to the fetcher, and returns what the server was asked for.
func (p *pair) fetch() []string {
	p.t.Helper()
	m, dir, err := Fetch(p.t.Context(), p.url, p.child.Digest(), p.home, FetchOptions{})
	require.NoError(p.t, err)
	_, err = Verify(dir, m.Digest())
	require.NoError(p.t, err)
	require.NoFileExists(p.t, filepath.Join(dir, DeltaFile))
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

func TestWhoHasTheParentFetchesOnlyTheDelta(t *testing.T) {
	p := newPair(t, nil)
	require.Equal(t, []string{ManifestFile, DeltaFile}, p.fetch())
	info, err := os.Stat(filepath.Join(Dir(p.served, p.child.Digest()), DeltaFile))
	require.NoError(t, err)
	require.Less(t, info.Size(), p.child.Size()/4)
}

// Whatever is wrong with a delta, the checkpoint comes whole, and nothing else does.
func TestABadDeltaCostsADownloadAndNoMore(t *testing.T) {
	whole := []string{ManifestFile, DeltaFile, "config.json", TokenizerFile, "model.safetensors"}
	for name, edit := range map[string]func([]byte) []byte{
		"none":                 func([]byte) []byte { return nil },
		"empty":                func([]byte) []byte { return []byte{} },
		"cut":                  func(d []byte) []byte { return d[:len(d)/2] },
		"header cut":           func(d []byte) []byte { return d[:60] },
		"one bit":              func(d []byte) []byte { d[len(d)/2] ^= 1; return d },
		"another parent":       func(d []byte) []byte { d[9] ^= 1; return d },
		"another line":         func(d []byte) []byte { d[41] ^= 1; return d },
		"more shards":          func(d []byte) []byte { d[75]++; return d },
		"endless sizes":        func(d []byte) []byte { copy(d[76:], bytes.Repeat([]byte{255}, 24)); return d },
		"a byte of each shard": func(d []byte) []byte { d[76+7], d[76+15] = 1, 1; return d },
		"larger than whole":    func(d []byte) []byte { return append(d, make([]byte, 1<<20)...) },
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, whole, newPair(t, edit).fetch()) })
	}
	t.Run("the parent here is broken", func(t *testing.T) {
		p := newPair(t, nil)
		path := filepath.Join(Dir(p.home, mustHex(t, p.child.Parent)), "model.safetensors")
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		data[len(data)/2] ^= 1
		require.NoError(t, os.WriteFile(path, data, 0o600))
		require.Equal(t, whole, p.fetch())
	})
}

func TestWithoutTheParentADeltaIsNotAskedFor(t *testing.T) {
	p := newPair(t, nil)
	require.NoError(t, os.RemoveAll(Dir(p.home, mustHex(t, p.child.Parent))))
	require.Equal(t, []string{ManifestFile, "config.json", TokenizerFile, "model.safetensors"}, p.fetch())
}

func TestThereIsNoDeltaBetweenModelsOfOtherShapes(t *testing.T) {
	root := t.TempDir()
	parent, _, err := Write(root, tiny.Model(t, "base"), tokenizer.ArithmeticFile(), Options{})
	require.NoError(t, err)
	_, err = WriteDelta(io.Discard, root, parent.Digest())
	require.ErrorIs(t, err, ErrDelta, "it has no parent")
	child, _, err := Write(root, tiny.Model(t, "other"), tokenizer.ArithmeticFile(), Options{ShardBytes: 4096, Version: 1, Parent: parent.Digest()})
	require.NoError(t, err)
	_, err = WriteDelta(io.Discard, root, child.Digest())
	require.ErrorIs(t, err, ErrDelta, "it is split otherwise")
	require.NoError(t, os.RemoveAll(Dir(root, parent.Digest())))
	_, err = WriteDelta(io.Discard, root, child.Digest())
	require.ErrorIs(t, err, os.ErrNotExist)
}

// moving is a model whose weights go on in the direction that each has, as under an optimizer with momentum.
func moving(t *testing.T, m *engine.Model) *engine.Model {
	t.Helper()
	n := 0
	next, err := m.Map(func(_ string, _ []int, data []float32) []float32 {
		for i := range data {
			if n++; n%3 != 0 && data[i] != 0 {
				by := uint32(1 << 16)
				if n*2654435761>>13&1 == 0 {
					by = -by
				}
				data[i] = math.Float32frombits(math.Float32bits(data[i]) + by)
			}
		}
		return data
	})
	require.NoError(t, err)
	return next
}

// Whoever has the last two versions needs less than who has the last alone, and a delta that needs both is of no use to
// who has one: then the checkpoint comes whole.
func TestADeltaGoesByTheDirectionInWhichWeightsMoved(t *testing.T) {
	served := t.TempDir()
	var versions []Manifest
	var sizes []int64
	m := tiny.Model(t, "base")
	for v := range uint64(4) {
		var parent []byte
		if v > 0 {
			m, parent = moving(t, m), versions[v-1].Digest()
		}
		manifest, dir, err := Write(served, m, tokenizer.ArithmeticFile(), Options{Version: v, Parent: parent})
		require.NoError(t, err)
		versions = append(versions, manifest)
		if v == 0 {
			continue
		}
		var delta bytes.Buffer
		size, err := WriteDelta(&delta, served, manifest.Digest())
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, DeltaFile), delta.Bytes(), 0o600))
		sizes = append(sizes, size)
	}
	require.Less(t, 2*sizes[1], sizes[0], "no trend is known of the first")
	home := t.TempDir()
	get := func(home string, v int) {
		_, dir, err := Fetch(t.Context(), "file://"+Dir(served, versions[v].Digest()), versions[v].Digest(), home, FetchOptions{})
		require.NoError(t, err)
		_, err = Verify(dir, versions[v].Digest())
		require.NoError(t, err)
	}
	get(home, 0)
	for v := 1; v < 4; v++ {
		late := t.TempDir()
		get(late, v-1)
		get(late, v) // whole, or by the first's delta
	}
	for v := 1; v < 4; v++ { // whole shards cannot be had any more
		require.NoError(t, os.Remove(filepath.Join(Dir(served, versions[v].Digest()), "model.safetensors")))
		get(home, v)
	}
}

// Files of any bytes and any length, odd ones too, come out of their delta as they were, with a trend and without.
func TestADeltaIsLossless(t *testing.T) {
	const seed = 5
	random := rand.New(rand.NewPCG(seed, 0))
	root := t.TempDir()
	l := line{root: root, parent: bytes.Repeat([]byte{1}, 32)}
	grand := bytes.Repeat([]byte{2}, 32)
	for _, digest := range [][]byte{l.parent, grand} {
		require.NoError(t, os.MkdirAll(Dir(root, digest), 0o755))
	}
	noise := func(from []byte, every int) []byte {
		out := bytes.Clone(from)
		for range random.IntN(1 + len(out)/every) {
			out[random.IntN(len(out))] = byte(random.Uint32())
		}
		return out
	}
	for round := range 200 {
		a := make([]byte, 1+random.IntN(5000))
		for i := range a {
			a[i] = byte(random.Uint32())
		}
		b := noise(a, 1+round%50)
		l.grand = make([]byte, 32)
		if round%2 == 0 {
			l.grand = grand
		}
		require.NoError(t, os.WriteFile(filepath.Join(Dir(root, grand), "s"), noise(a, 2), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(Dir(root, l.parent), "s"), a, 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(root, "s"), b, 0o600))
		shard, err := hashShard(root, "s", func(int64) {})
		require.NoError(t, err)
		steps, err := l.encode(shard, filepath.Join(root, "s"))
		require.NoError(t, err)
		out := filepath.Join(root, "out")
		require.NoError(t, l.patch(shard, out, io.NewSectionReader(bytes.NewReader(steps), 0, int64(len(steps)))), "seed %d round %d", seed, round)
		got, err := os.ReadFile(out)
		require.NoError(t, err)
		require.Equal(t, b, got)
		require.NoError(t, os.Remove(out))
	}
}

// What the coder spends is what the bits' probabilities ask for, and everything comes back.
func TestTheRangeCoderSpendsTheEntropy(t *testing.T) {
	const seed, n = 3, 200_000
	for _, p := range []float64{0.001, 0.05, 0.5, 0.93} {
		random := rand.New(rand.NewPCG(seed, 1))
		sent := make([]int, n)
		e := newRangeEncoder()
		var c bitContext
		for i := range sent {
			if random.Float64() < p {
				sent[i] = 1
			}
			e.encode(&c, sent[i])
		}
		data := e.finish()
		want := -n * (p*math.Log2(p) + (1-p)*math.Log2(1-p)) / 8
		require.InDelta(t, want, float64(len(data)), 0.04*want+40, "p %v", p)
		d := newRangeDecoder(bytes.NewReader(data))
		c = bitContext{}
		for i := range sent {
			require.Equal(t, sent[i], d.decode(&c), "p %v, bit %d", p, i)
		}
	}
}

// Every word can become every other.
func TestEveryStepIsCoded(t *testing.T) {
	e := newRangeEncoder()
	m := &wordModel{code: func(c *bitContext, bit int) int { e.encode(c, bit); return bit }}
	for to := range 1 << 16 {
		require.EqualValues(t, to, m.word(uint16(to*7), uint16(to*40503), uint16(to)))
	}
	d := newRangeDecoder(bytes.NewReader(e.finish()))
	m = &wordModel{code: func(c *bitContext, _ int) int { return d.decode(c) }}
	for to := range 1 << 16 {
		require.EqualValues(t, to, m.word(uint16(to*7), uint16(to*40503), 0))
	}
}

func FuzzDelta(f *testing.F) {
	root := f.TempDir()
	parent, _, err := Write(root, tiny.Model(f, "base"), tokenizer.ArithmeticFile(), Options{})
	require.NoError(f, err)
	m, _, err := Write(root, tiny.Model(f, "other"), tokenizer.ArithmeticFile(), Options{Version: 1, Parent: parent.Digest()})
	require.NoError(f, err)
	var delta bytes.Buffer
	_, err = WriteDelta(&delta, root, m.Digest())
	require.NoError(f, err)
	f.Add(delta.Bytes())
	l, err := newLine(root, m)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		tmp := t.TempDir()
		path := filepath.Join(tmp, DeltaFile)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		if l.apply(path, m, tmp) != nil {
			return
		}
		for _, s := range m.Shards { // what is accepted is what the manifest says
			got, err := hashShard(tmp, s.Name, func(int64) {})
			require.NoError(t, err)
			require.Equal(t, s, got)
		}
	})
}

// BenchmarkDelta writes and applies a delta of as many weights as the shipped model has.
func BenchmarkDelta(b *testing.B) {
	root := b.TempDir()
	random := rand.New(rand.NewPCG(1, 1))
	before := make([]byte, 2*100_928)
	for i := range before {
		before[i] = byte(random.Uint32())
	}
	after := bytes.Clone(before)
	for i := 0; i < len(after); i += 2 {
		after[i] += byte(random.IntN(3)) - 1
	}
	l := line{root: root, parent: bytes.Repeat([]byte{1}, 32), grand: make([]byte, 32)}
	require.NoError(b, os.MkdirAll(Dir(root, l.parent), 0o755))
	require.NoError(b, os.WriteFile(filepath.Join(Dir(root, l.parent), "s"), before, 0o600))
	require.NoError(b, os.WriteFile(filepath.Join(root, "s"), after, 0o600))
	shard, err := hashShard(root, "s", func(int64) {})
	require.NoError(b, err)
	var steps []byte
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			steps, err = l.encode(shard, filepath.Join(root, "s"))
			require.NoError(b, err)
		}
		b.SetBytes(int64(len(after)))
	})
	b.Run("apply", func(b *testing.B) {
		out := filepath.Join(root, "out")
		for b.Loop() {
			require.NoError(b, l.patch(shard, out, io.NewSectionReader(bytes.NewReader(steps), 0, int64(len(steps)))))
			require.NoError(b, os.Remove(out))
		}
		b.SetBytes(int64(len(after)))
	})
}
