package checkpoint

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/testutil/tiny"
)

// family is a served line of versions, and a fetcher's folder that has the first two.
type family struct {
	t        *testing.T
	served   string
	versions []Manifest
	home     string
	url      string
	mu       sync.Mutex
	asked    []string // files of versions, as "3 delta.bin"
}

func newFamily(t *testing.T, versions int) *family {
	t.Helper()
	f := &family{t: t, served: t.TempDir(), home: t.TempDir()}
	m := tiny.Model(t, "base")
	for v := range versions {
		opt := Options{Version: uint64(v)}
		if v > 0 {
			m, opt.Parent = moving(t, m), f.versions[v-1].Digest()
		}
		manifest, dir, err := Write(f.served, m, tokenizer.ArithmeticFile(), opt)
		require.NoError(t, err)
		f.versions = append(f.versions, manifest)
		if v < 2 {
			_, _, err = Write(f.home, m, tokenizer.ArithmeticFile(), opt)
			require.NoError(t, err)
		}
		if v > 0 {
			var delta bytes.Buffer
			_, err = WriteDelta(&delta, f.served, manifest.Digest())
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, DeltaFile), delta.Bytes(), 0o600))
		}
	}
	files := http.FileServer(http.Dir(f.served))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		digest, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		f.mu.Lock()
		for v, m := range f.versions {
			if fmt.Sprintf("%x", m.Digest()) == digest {
				f.asked = append(f.asked, fmt.Sprintf("%d %s", v, name))
			}
		}
		f.mu.Unlock()
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// fetch brings a version, and returns what was asked for.
func (f *family) fetch(version int) []string {
	f.t.Helper()
	f.asked = nil
	digest := f.versions[version].Digest()
	_, dir, err := Fetch(f.t.Context(), fmt.Sprintf("%s/%x/", f.url, digest), digest, f.home, FetchOptions{})
	require.NoError(f.t, err)
	_, err = Verify(dir, digest)
	require.NoError(f.t, err)
	entries, err := os.ReadDir(f.home)
	require.NoError(f.t, err)
	for _, e := range entries {
		require.False(f.t, strings.HasPrefix(e.Name(), "."), "nothing half-made is left: %s", e.Name())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func TestWhoMissedSomeVersionsWalksTheDeltas(t *testing.T) {
	f := newFamily(t, 5)
	require.Equal(t, []string{
		"4 manifest.json", "3 manifest.json", "2 manifest.json",
		"2 delta.bin", "3 delta.bin", "4 delta.bin",
	}, f.fetch(4))
	for _, m := range f.versions[2:] {
		_, err := Verify(Dir(f.home, m.Digest()), m.Digest())
		require.NoError(t, err, "what lies between is here now, too")
	}
}

// Where the walk does not lead there, the checkpoint comes whole.
func TestAWalkThatBreaksCostsNoMoreThanTheWhole(t *testing.T) {
	whole := []string{"config.json", TokenizerFile, "model.safetensors"}
	within := func(f *family, version int, name string) string {
		return filepath.Join(Dir(f.served, f.versions[version].Digest()), name)
	}
	for name, c := range map[string]struct {
		version int
		spoil   func(f *family)
	}{
		"too far": {maxWalk + 3, func(*family) {}},
		"an ancestor is gone": {4, func(f *family) {
			require.NoError(t, os.Remove(within(f, 3, ManifestFile)))
		}},
		"an ancestor's delta is gone": {4, func(f *family) {
			require.NoError(t, os.Remove(within(f, 3, DeltaFile)))
		}},
		"an ancestor's delta lies": {4, func(f *family) {
			data, err := os.ReadFile(within(f, 2, DeltaFile))
			require.NoError(t, err)
			data[len(data)/2] ^= 1
			require.NoError(t, os.WriteFile(within(f, 2, DeltaFile), data, 0o600))
		}},
		"deltas of more bytes than the whole": {4, func(f *family) {
			require.NoError(t, os.WriteFile(within(f, 2, DeltaFile), make([]byte, f.versions[4].Size()+1), 0o600))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFamily(t, c.version+1)
			c.spoil(f)
			asked := f.fetch(c.version)
			for _, file := range whole {
				require.Contains(t, asked, fmt.Sprintf("%d %s", c.version, file))
			}
			require.LessOrEqual(t, len(asked), 2*maxWalk+2+len(whole))
		})
	}
}

func TestVersionsLieBesideEachOther(t *testing.T) {
	a, b := bytes.Repeat([]byte{0xaa}, 32), bytes.Repeat([]byte{0xbb}, 32)
	at := "http://127.0.0.1:1/x/" + strings.Repeat("aa", 32)
	for _, locator := range []string{at, at + "/"} {
		got, ok := sibling(locator, a, b)
		require.True(t, ok)
		require.Equal(t, "http://127.0.0.1:1/x/"+strings.Repeat("bb", 32)+"/", got)
	}
	for _, locator := range []string{"http://127.0.0.1:1/newest/", at + "/x/", ""} {
		_, ok := sibling(locator, a, b)
		require.False(t, ok, locator)
	}
}
