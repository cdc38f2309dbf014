package checkpoint

import (
	"bytes"
	"encoding/binary"
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

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

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
	parent, parentDir, err := Write(p.served, base, tokenizer.ArithmeticFile(), Options{})
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
	size, err := WriteDelta(&delta, parentDir, childDir)
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
	bomb := func(delta []byte) []byte { // gaps that inflate to far more than the shard has words
		z, err := zstd.NewWriter(nil)
		require.NoError(t, err)
		gaps := z.EncodeAll(make([]byte, 64<<20), nil)
		head := bytes.Clone(delta[:44+24*3])
		binary.BigEndian.PutUint64(head[44+48:], 1<<13)
		binary.BigEndian.PutUint64(head[44+56:], uint64(len(gaps)))
		binary.BigEndian.PutUint64(head[44+64:], uint64(len(gaps)))
		return append(append(head, gaps...), gaps...)
	}
	for name, edit := range map[string]func([]byte) []byte{
		"none":                 func([]byte) []byte { return nil },
		"empty":                func([]byte) []byte { return []byte{} },
		"cut":                  func(d []byte) []byte { return d[:len(d)/2] },
		"header cut":           func(d []byte) []byte { return d[:60] },
		"one bit":              func(d []byte) []byte { d[len(d)-1] ^= 1; return d },
		"another parent":       func(d []byte) []byte { d[9] ^= 1; return d },
		"more shards":          func(d []byte) []byte { d[43]++; return d },
		"endless sizes":        func(d []byte) []byte { copy(d[44:], bytes.Repeat([]byte{255}, 72)); return d },
		"more words than come": func(d []byte) []byte { d[44+48+7]++; return d },
		"larger than whole":    func(d []byte) []byte { return append(d, make([]byte, 1<<20)...) },
		"bomb":                 bomb,
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
	p := newPair(t, nil)
	other := t.TempDir()
	_, dir, err := Write(other, tiny.Model(t, "base"), tokenizer.ArithmeticFile(), Options{ShardBytes: 4096})
	require.NoError(t, err)
	_, err = WriteDelta(io.Discard, Dir(p.served, p.child.Digest()), dir)
	require.ErrorIs(t, err, ErrDelta)
	_, err = WriteDelta(io.Discard, t.TempDir(), dir)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Files of any bytes and any length, odd ones too, come out of their delta as they were.
func TestADeltaIsLossless(t *testing.T) {
	const seed = 5
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	for round := range 200 {
		a := make([]byte, 1+random.IntN(5000))
		for i := range a {
			a[i] = byte(random.Uint32())
		}
		b := bytes.Clone(a)
		for range random.IntN(1 + len(b)/(1+round%50)) {
			b[random.IntN(len(b))] = byte(random.Uint32())
		}
		from, to := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		require.NoError(t, os.WriteFile(from, a, 0o600))
		require.NoError(t, os.WriteFile(to, b, 0o600))
		var body bytes.Buffer
		s, err := appendSection(&body, from, to)
		require.NoError(t, err)
		shard, err := hashShard(dir, "b", func(int64) {})
		require.NoError(t, err)
		out := filepath.Join(dir, "c")
		data := body.Bytes()
		require.NoError(t, patch(from, out, shard, s.words, bytes.NewReader(data[:s.gaps]), bytes.NewReader(data[s.gaps:])), "seed %d round %d", seed, round)
		got, err := os.ReadFile(out)
		require.NoError(t, err)
		require.Equal(t, b, got)
		require.NoError(t, os.Remove(out))
	}
}

func FuzzDelta(f *testing.F) {
	base := tiny.Model(f, "base")
	root := f.TempDir()
	parent, dir, err := Write(root, base, tokenizer.ArithmeticFile(), Options{})
	require.NoError(f, err)
	var delta bytes.Buffer
	_, err = WriteDelta(&delta, dir, dir)
	require.NoError(f, err)
	f.Add(delta.Bytes())
	m := parent
	m.Parent = hex.EncodeToString(parent.Digest())
	f.Fuzz(func(t *testing.T, data []byte) {
		tmp := t.TempDir()
		path := filepath.Join(tmp, DeltaFile)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		if applyDelta(path, m, dir, tmp) != nil {
			return
		}
		for _, s := range m.Shards { // what is accepted is what the manifest says
			got, err := hashShard(tmp, s.Name, func(int64) {})
			require.NoError(t, err)
			require.Equal(t, s, got)
		}
	})
}
