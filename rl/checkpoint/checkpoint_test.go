package checkpoint

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cometbft/cometbft/crypto/merkle"
	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/testutil/hftokenizer"
	"github.com/galahad-network/galahad/testutil/tiny"
)

// write makes a checkpoint in a new folder; shardBytes 0 gives one weight shard.
func write(t testing.TB, shardBytes int64) (Manifest, string) {
	t.Helper()
	m, dir, err := Write(t.TempDir(), tiny.Model(t, "checkpoint"), tokenizer.ArithmeticFile(), Options{Version: 3, ShardBytes: shardBytes})
	require.NoError(t, err)
	return m, dir
}

func sameWeights(t *testing.T, want, got *engine.Model) {
	t.Helper()
	var a, b bytes.Buffer
	require.NoError(t, want.WriteSafetensors(&a, engine.BF16))
	require.NoError(t, got.WriteSafetensors(&b, engine.BF16))
	require.Equal(t, a.Bytes(), b.Bytes())
}

func TestWriteAndLoad(t *testing.T) {
	for _, shardBytes := range []int64{0, 8 << 10, 1} {
		m, dir := write(t, shardBytes)
		require.Equal(t, hex.EncodeToString(m.Digest()), filepath.Base(dir))
		c, err := Load(dir, m.Digest())
		require.NoError(t, err)
		sameWeights(t, tiny.Model(t, "checkpoint"), c.Model)
		require.Equal(t, m, c.Manifest)
		require.Equal(t, tokenizer.ArithmeticFile(), c.TokenizerFile)
		require.Equal(t, 32, c.Tokenizer.VocabSize())
		if shardBytes == 0 {
			require.Len(t, m.Shards, 3)
			c, err = LoadFS(os.DirFS(dir), m.Digest())
			require.NoError(t, err)
			sameWeights(t, tiny.Model(t, "checkpoint"), c.Model)
		} else {
			require.Greater(t, len(m.Shards), 5)
			_, err = LoadFS(os.DirFS(dir), m.Digest())
			require.ErrorIs(t, err, ErrManifest)
		}
		left, err := os.ReadDir(filepath.Dir(dir))
		require.NoError(t, err)
		require.Len(t, left, 1, "no temporary folder is left")
	}
}

func TestHuggingFaceTokenizersAreLoadedAndWritten(t *testing.T) {
	config := tiny.Model(t, "checkpoint").Config()
	config.VocabSize = 300
	model, err := engine.InitModel(config, sha256.Sum256([]byte("hf")))
	require.NoError(t, err)
	file := hftokenizer.Qwen25(t)
	m, dir, err := Write(t.TempDir(), model, file, Options{})
	require.NoError(t, err)
	c, err := Load(dir, m.Digest())
	require.NoError(t, err)
	require.Equal(t, file, c.TokenizerFile)
	require.Equal(t, 269, c.Tokenizer.VocabSize())
	require.Equal(t, [32]byte(sha256.Sum256(file)), c.Tokenizer.Digest())
	_, _, err = Write(t.TempDir(), tiny.Model(t, "checkpoint"), file, Options{})
	require.ErrorIs(t, err, ErrCorrupt, "more ids than the model has")
}

// The digest is recomputed here from the files alone.
func TestDigestIsTheMerkleRootOfTheFilesHashes(t *testing.T) {
	m, dir := write(t, 0)
	var items [][]byte
	for _, name := range []string{"config.json", "tokenizer.json", "model.safetensors"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		h := sha256.Sum256(data)
		items = append(items, h[:])
	}
	require.Equal(t, merkle.HashFromByteSlices(items), m.Digest())
}

func TestWritingTwiceGivesTheSameCheckpoint(t *testing.T) {
	root := t.TempDir()
	for range 2 {
		m, dir, err := Write(root, tiny.Model(t, "checkpoint"), tokenizer.ArithmeticFile(), Options{Version: 3})
		require.NoError(t, err)
		want, _ := write(t, 0)
		require.Equal(t, want, m)
		// the second time round the folder is broken, and is replaced
		require.NoError(t, os.WriteFile(filepath.Join(dir, TokenizerFile), []byte("{}"), 0o644))
	}
	m, _, err := Write(root, tiny.Model(t, "checkpoint"), tokenizer.ArithmeticFile(), Options{Version: 4, Parent: make([]byte, 32)})
	require.NoError(t, err)
	first, _ := write(t, 0)
	require.Equal(t, first.Digest(), m.Digest(), "version and parent are not in the digest")
	other, _, err := Write(root, tiny.Model(t, "other"), tokenizer.ArithmeticFile(), Options{})
	require.NoError(t, err)
	require.NotEqual(t, first.Digest(), other.Digest())
}

// A folder of Hugging Face's layout has the digest that its manifest will have,
// in one file or in shards, whatever else lies in it.
func TestAFolderWithoutAManifestIsDescribedAndAdopted(t *testing.T) {
	for _, shardBytes := range []int64{0, 8 << 10} {
		want, dir := write(t, shardBytes)
		require.NoError(t, os.Remove(filepath.Join(dir, ManifestFile)))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "generation_config.json"), []byte("{}"), 0o644))
		var done, total int64
		got, err := Describe(dir, func(d, of int64) {
			require.GreaterOrEqual(t, d, done)
			done, total = d, of
		})
		require.NoError(t, err)
		require.Equal(t, want.Shards, got.Shards)
		require.Equal(t, want.Size(), done)
		require.Equal(t, want.Size(), total)
		_, err = Load(dir, nil)
		require.ErrorIs(t, err, os.ErrNotExist)
		adopted, err := Adopt(dir, nil)
		require.NoError(t, err)
		require.Equal(t, got, adopted)
		c, err := Load(dir, want.Digest())
		require.NoError(t, err)
		require.Empty(t, c.Manifest.Parent)
		_, err = Adopt(dir, nil)
		require.ErrorIs(t, err, os.ErrExist)
	}
}

func TestAFolderThatIsNoCheckpointIsNamed(t *testing.T) {
	_, err := Describe(t.TempDir(), nil)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "model.safetensors")
	want, dir := write(t, 8<<10)
	last := want.Shards[len(want.Shards)-1].Name
	require.NoError(t, os.Rename(filepath.Join(dir, last), filepath.Join(dir, "x.safetensors")))
	_, err = Describe(dir, nil)
	require.ErrorContains(t, err, last)
	require.NoError(t, os.WriteFile(filepath.Join(dir, engine.IndexFile), []byte(`{"weight_map":{"x":"x.safetensors"}}`), 0o644))
	_, err = Describe(dir, nil)
	require.ErrorIs(t, err, ErrManifest)
	_, dir = write(t, 0)
	require.NoError(t, os.Remove(filepath.Join(dir, TokenizerFile)))
	_, err = Describe(dir, nil)
	require.ErrorContains(t, err, TokenizerFile)
}

func TestWriteDirRefusesAnExistingFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "base")
	m, err := WriteDir(dir, tiny.Model(t, "checkpoint"), tokenizer.ArithmeticFile(), Options{})
	require.NoError(t, err)
	_, err = Load(dir, m.Digest())
	require.NoError(t, err)
	_, err = WriteDir(dir, tiny.Model(t, "checkpoint"), tokenizer.ArithmeticFile(), Options{})
	require.ErrorIs(t, err, os.ErrExist)
}

func TestWriteRefusesATokenizerThatDoesNotFit(t *testing.T) {
	root := t.TempDir()
	_, _, err := Write(root, tiny.Model(t, "checkpoint"), []byte("{}"), Options{})
	require.ErrorIs(t, err, tokenizer.ErrFormat)
	large := strings.Replace(string(tokenizer.ArithmeticFile()), `"b"`, `"b","c"`, 1)
	_, _, err = Write(root, tiny.Model(t, "checkpoint"), []byte(large), Options{})
	require.ErrorIs(t, err, ErrCorrupt)
	left, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Empty(t, left)
}

// Any change of any file is an error that names the shard.
func TestCorruptShardsAreNamed(t *testing.T) {
	m, dir := write(t, 8<<10)
	for _, s := range m.Shards {
		path := filepath.Join(dir, s.Name)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		flipped := bytes.Clone(data)
		flipped[len(flipped)/2] ^= 1
		for name, bad := range map[string][]byte{"flipped": flipped, "cut": data[:len(data)-1], "longer": append(bytes.Clone(data), 0), "empty": nil} {
			require.NoError(t, os.WriteFile(path, bad, 0o644))
			_, err := Load(dir, m.Digest())
			var shard *ShardError
			require.ErrorAs(t, err, &shard, "%s %s", s.Name, name)
			require.Equal(t, s.Name, shard.Shard)
			require.ErrorIs(t, err, ErrCorrupt)
		}
		require.NoError(t, os.Remove(path))
		_, err = Load(dir, m.Digest())
		require.ErrorContains(t, err, s.Name)
		require.NoError(t, os.WriteFile(path, data, 0o644))
	}
	_, err := Load(dir, m.Digest())
	require.NoError(t, err)
	_, err = Load(dir, make([]byte, 32))
	require.ErrorIs(t, err, ErrDigest)
}

// A checkpoint whose hashes are right but whose weights are not finite is
// refused, too: the learner itself may have diverged.
func TestNonFiniteWeightsAreRefused(t *testing.T) {
	m, dir := write(t, 0)
	path := filepath.Join(dir, engine.WeightsFile)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	copy(data[len(data)-2:], []byte{0xc0, 0x7f}) // NaN in bf16
	require.NoError(t, os.WriteFile(path, data, 0o644))
	sum := sha256.Sum256(data)
	m.Shards[2].SHA256 = hex.EncodeToString(sum[:])
	manifest, err := m.Encode()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, ManifestFile), manifest, 0o644))
	_, err = Load(dir, m.Digest())
	var tensor *engine.TensorError
	require.ErrorAs(t, err, &tensor)
}

func TestManifestsAreValidated(t *testing.T) {
	good, _ := write(t, 8<<10)
	for name, f := range map[string]func(m *Manifest){
		"format":         func(m *Manifest) { m.Format = "x" },
		"parent":         func(m *Manifest) { m.Parent = "ab" },
		"no shards":      func(m *Manifest) { m.Shards = nil },
		"one missing":    func(m *Manifest) { m.Shards = m.Shards[:len(m.Shards)-1] },
		"order":          func(m *Manifest) { m.Shards[0], m.Shards[1] = m.Shards[1], m.Shards[0] },
		"path traversal": func(m *Manifest) { m.Shards[3].Name = "../../etc/passwd" },
		"upper case":     func(m *Manifest) { m.Shards[0].SHA256 = strings.ToUpper(m.Shards[0].SHA256) },
		"short hash":     func(m *Manifest) { m.Shards[0].SHA256 = m.Shards[0].SHA256[2:] },
		"no size":        func(m *Manifest) { m.Shards[0].Size = 0 },
		"negative size":  func(m *Manifest) { m.Shards[0].Size = -1 },
		"huge size":      func(m *Manifest) { m.Shards[0].Size = 1<<63 - 1 },
		"too many":       func(m *Manifest) { m.Shards = make([]Shard, MaxShards+1) },
	} {
		m := good
		m.Shards = append([]Shard{}, good.Shards...)
		f(&m)
		_, err := m.Encode()
		require.ErrorIs(t, err, ErrManifest, name)
		data, err := json.Marshal(m)
		require.NoError(t, err)
		_, err = ParseManifest(data)
		require.ErrorIs(t, err, ErrManifest, name)
	}
	for name, text := range map[string]string{
		"empty": "", "not JSON": "x", "unknown key": `{"format":"galahad-checkpoint-v1","x":1}`, "large": strings.Repeat(" ", MaxManifestBytes+1),
	} {
		_, err := ParseManifest([]byte(text))
		require.ErrorIs(t, err, ErrManifest, name)
	}
}

func TestFetchFromHTTPAndFolder(t *testing.T) {
	m, dir := write(t, 8<<10)
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	uploaded := filepath.Join(t.TempDir(), "up")
	require.NoError(t, Upload(context.Background(), dir, "file://"+uploaded))
	for _, locator := range []string{server.URL, server.URL + "/", "file://" + dir, "file://" + uploaded} {
		root := t.TempDir()
		var last, total int64
		got, to, err := Fetch(context.Background(), locator, m.Digest(), root, FetchOptions{Progress: func(d, t int64) { last, total = d, t }})
		require.NoError(t, err, locator)
		require.Equal(t, m, got)
		require.Equal(t, m.Size(), last)
		require.Equal(t, m.Size(), total)
		_, err = Load(to, m.Digest())
		require.NoError(t, err)
		_, _, err = Fetch(context.Background(), "http://127.0.0.1:1/gone", m.Digest(), root, FetchOptions{})
		require.NoError(t, err, "it is there already")
	}
}

// Whatever a server does, nothing wrong is kept, and the error says what it was.
func TestFetchFromABadServer(t *testing.T) {
	m, dir := write(t, 0)
	weights := "/" + engine.WeightsFile
	files := http.FileServer(http.Dir(dir))
	on := func(path string, f http.HandlerFunc) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == path {
				f(w, r)
				return
			}
			files.ServeHTTP(w, r)
		})
	}
	otherManifest, otherDir := write(t, 1)
	require.NotEqual(t, m.Digest(), otherManifest.Digest())
	for name, k := range map[string]struct {
		handler http.Handler
		opt     FetchOptions
		err     error
		text    string
	}{
		"another checkpoint": {http.FileServer(http.Dir(otherDir)), FetchOptions{}, ErrDigest, ""},
		"wrong bytes":        {on(weights, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, m.Shards[2].Size)) }), FetchOptions{}, ErrCorrupt, engine.WeightsFile},
		"endless": {on(weights, func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}), FetchOptions{}, ErrCorrupt, "more than"},
		"short":    {on(weights, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("x")) }), FetchOptions{}, ErrCorrupt, "1 bytes"},
		"missing":  {on(weights, http.NotFound), FetchOptions{}, ErrCorrupt, "404"},
		"redirect": {on(weights, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/config.json", http.StatusFound) }), FetchOptions{}, ErrCorrupt, "redirect"},
		"endless manifest": {on("/"+ManifestFile, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(w, io.LimitReader(zeros{}, 64<<20)) // ends when the client hangs up
		}), FetchOptions{}, ErrManifest, ""},
		"too large": {files, FetchOptions{MaxBytes: m.Size() - 1}, ErrTooLarge, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(k.handler)
			defer server.Close()
			root := t.TempDir()
			_, _, err := Fetch(context.Background(), server.URL, m.Digest(), root, k.opt)
			require.ErrorIs(t, err, k.err)
			require.ErrorContains(t, err, k.text)
			left, err := os.ReadDir(root)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

// TestMirrorsMakeUpForEachOther: each lacks something or lies about it, and the checkpoint comes all the same.
func TestMirrorsMakeUpForEachOther(t *testing.T) {
	m, dir := write(t, 4096)
	require.Greater(t, len(m.Shards), 5)
	serve := func(broken map[string]http.HandlerFunc) string {
		files := http.FileServer(http.Dir(dir))
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if h, ok := broken[strings.TrimPrefix(r.URL.Path, "/")]; ok {
				h(w, r)
				return
			}
			files.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	lie := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("lie")) }
	first := serve(map[string]http.HandlerFunc{ManifestFile: lie, m.Shards[4].Name: http.NotFound})
	second := serve(map[string]http.HandlerFunc{m.Shards[1].Name: lie, m.Shards[5].Name: http.NotFound})
	third := serve(map[string]http.HandlerFunc{m.Shards[0].Name: http.NotFound, m.Shards[3].Name: lie})
	var mu sync.Mutex
	good, bad := map[string]int64{}, map[string]int{}
	_, got, err := Fetch(t.Context(), first, m.Digest(), t.TempDir(), FetchOptions{
		Mirrors: []string{"gopher://nowhere", second, third},
		Report: func(locator string, bytes int64, _ time.Duration, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				bad[locator]++
			} else {
				good[locator] += bytes
			}
		},
	})
	require.NoError(t, err)
	_, err = Verify(got, m.Digest())
	require.NoError(t, err)
	require.Positive(t, bad[first])
	var sum int64
	for _, locator := range []string{first, second, third} {
		require.Positive(t, good[locator], "it gave something")
		sum += good[locator]
	}
	require.Equal(t, m.Size(), sum, "every byte came once that was of use")

	_, _, err = Fetch(t.Context(), first, m.Digest(), t.TempDir(), FetchOptions{})
	require.ErrorIs(t, err, ErrManifest)
	_, _, err = Fetch(t.Context(), second, m.Digest(), t.TempDir(), FetchOptions{Mirrors: []string{second}})
	require.ErrorIs(t, err, ErrCorrupt)
}

// TestADownloadGoesOnFromTheShardsThatCame: after a failure the next attempt asks for the others alone, and for
// those that were damaged meanwhile.
func TestADownloadGoesOnFromTheShardsThatCame(t *testing.T) {
	m, dir := write(t, 4096)
	require.Greater(t, len(m.Shards), 6)
	var mu sync.Mutex
	var asked []string
	down := true
	files := http.FileServer(http.Dir(dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, strings.TrimPrefix(r.URL.Path, "/"))
		if down && asked[len(asked)-1] == m.Shards[5].Name {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		files.ServeHTTP(w, r)
	}))
	defer server.Close()
	root := t.TempDir()
	opt := FetchOptions{Scratch: filepath.Join(root, "scratch")}
	_, _, err := Fetch(t.Context(), server.URL, m.Digest(), root, opt)
	require.ErrorIs(t, err, ErrCorrupt)
	require.Equal(t, append([]string{ManifestFile}, shardNames(len(m.Shards))[:6]...), asked)
	require.NoError(t, os.WriteFile(filepath.Join(opt.Scratch, m.Shards[2].Name), []byte("damaged"), 0o600))
	down, asked = false, nil
	_, got, err := Fetch(t.Context(), server.URL, m.Digest(), root, opt)
	require.NoError(t, err)
	require.Equal(t, append([]string{ManifestFile, m.Shards[2].Name}, shardNames(len(m.Shards))[5:]...), asked)
	_, err = Verify(got, m.Digest())
	require.NoError(t, err)
	require.NoDirExists(t, opt.Scratch)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestFetchObeysItsContext(t *testing.T) {
	m, dir := write(t, 0)
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/"+engine.WeightsFile {
			<-release // a server that stalls
			return
		}
		http.FileServer(http.Dir(dir)).ServeHTTP(w, r)
	}))
	defer server.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, _, err := Fetch(ctx, server.URL, m.Digest(), t.TempDir(), FetchOptions{})
	require.ErrorContains(t, err, "deadline")
}

func TestUnusableLocators(t *testing.T) {
	for _, locator := range []string{"", "ftp://x", "s3://bucket", "://", "relative/path"} {
		_, _, err := Fetch(context.Background(), locator, make([]byte, 32), t.TempDir(), FetchOptions{})
		require.ErrorIs(t, err, ErrLocator, locator)
	}
	_, _, err := Fetch(context.Background(), "file:///no/such/folder", make([]byte, 32), t.TempDir(), FetchOptions{})
	require.Error(t, err)
}

func TestStateHashChainsEveryPart(t *testing.T) {
	parts := [][]byte{[]byte("p"), []byte("w"), []byte("m"), []byte("r")}
	hash := func(chain string, p [][]byte) [32]byte { return StateHash(chain, p[0], p[1], p[2], p[3]) }
	seen := map[[32]byte]bool{hash("c", parts): true, hash("d", parts): true}
	require.Len(t, seen, 2)
	for i := range parts {
		changed := append([][]byte{}, parts...)
		changed[i] = []byte("x")
		h := hash("c", changed)
		require.False(t, seen[h])
		seen[h] = true
	}
	leaves := [][]byte{{1}, {2}}
	require.NotEqual(t, RolloutSetDigest(leaves), RolloutSetDigest([][]byte{{2}, {1}}))
}

func FuzzParseManifest(f *testing.F) {
	for _, n := range []int{3, 6} {
		m := Manifest{Format: Format, Version: 1}
		for _, name := range shardNames(n) {
			m.Shards = append(m.Shards, Shard{Name: name, SHA256: strings.Repeat("0a", 32), Size: 5})
		}
		data, err := m.Encode()
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseManifest(data)
		if err != nil {
			return
		}
		again, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		m2, err := ParseManifest(again)
		if err != nil || !bytes.Equal(m.Digest(), m2.Digest()) || len(m.Digest()) != 32 {
			t.Fatalf("%v: %x, %x", err, m.Digest(), m2.Digest())
		}
	})
}
