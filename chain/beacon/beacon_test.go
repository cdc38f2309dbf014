package beacon_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/chain/beacon"
	scheme "github.com/galahad-network/galahad/x/challenge/beacon"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

const genesis, period = 1_700_000_000, 3

func network(t testing.TB, seed byte) *beacon.Network {
	t.Helper()
	n, err := beacon.NewNetwork(bytes.Repeat([]byte{seed}, 32), genesis, period)
	require.NoError(t, err)
	return n
}

// serve runs a network's server with a clock at round's time.
func serve(t testing.TB, n *beacon.Network, round int64) *httptest.Server {
	t.Helper()
	at := time.Unix(genesis+(round-1)*period, 0)
	s := httptest.NewServer(beacon.NewHandler(n, func() time.Time { return at }))
	t.Cleanup(s.Close)
	return s
}

func client(t testing.TB, p challengetypes.BeaconParams, servers ...string) *beacon.Client {
	t.Helper()
	c, err := beacon.NewClient(p, servers)
	require.NoError(t, err)
	return c
}

// The description of drand's quicknet, whose chain hash is public.
func TestChainHashIsDrands(t *testing.T) {
	p := challengetypes.DefaultBeaconParams()
	group, err := hex.DecodeString("f477d5c89f21a17c863a7f937c6a6d15859414d2be09cd448d4279af331c5d3e")
	require.NoError(t, err)
	info := beacon.Info{
		PublicKey: p.PublicKey, Period: p.Period, GenesisTime: p.GenesisTime, GroupHash: group,
		Metadata: beacon.Metadata{BeaconID: "quicknet"},
	}
	hash := info.ChainHash()
	require.Equal(t, "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971", hex.EncodeToString(hash[:]))
}

func TestClientReadsWhatTheServerSigns(t *testing.T) {
	n := network(t, 1)
	s := serve(t, n, 10)
	c := client(t, n.Params(30), s.URL)
	for _, round := range []uint64{1, 9, 10} {
		b, err := c.Round(t.Context(), round)
		require.NoError(t, err)
		require.Equal(t, round, b.Round)
		require.NoError(t, scheme.Verify(n.Info().PublicKey, round, b.Signature))
		r := scheme.Randomness(b.Signature)
		require.Equal(t, r[:], []byte(b.Randomness))
	}
}

func TestServerKeepsFutureRoundsSecret(t *testing.T) {
	n := network(t, 1)
	s := serve(t, n, 10)
	_, err := client(t, n.Params(30), s.URL).Round(t.Context(), 11)
	require.ErrorIs(t, err, beacon.ErrNotYet)

	early := serve(t, n, 0) // before round 1
	_, err = client(t, n.Params(30), early.URL).Round(t.Context(), 1)
	require.ErrorIs(t, err, beacon.ErrNotYet)
}

func TestRoutesAreDrands(t *testing.T) {
	n := network(t, 1)
	s := serve(t, n, 10)
	hash := hex.EncodeToString(n.Info().Hash)
	get := func(path string) (int, string) {
		res, err := http.Get(s.URL + path)
		require.NoError(t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(body)
	}
	for _, path := range []string{"/info", "/" + hash + "/info"} {
		code, body := get(path)
		require.Equal(t, 200, code)
		var info beacon.Info
		require.NoError(t, json.Unmarshal([]byte(body), &info))
		require.Equal(t, n.Info(), info)
		require.Contains(t, body, `"schemeID":"bls-unchained-g1-rfc9380"`)
	}
	code, body := get("/" + hash + "/public/latest")
	require.Equal(t, 200, code)
	var b beacon.Beacon
	require.NoError(t, json.Unmarshal([]byte(body), &b))
	require.Equal(t, uint64(10), b.Round)
	_, one := get("/" + hash + "/public/10")
	require.Equal(t, body, one)
	_, chains := get("/chains")
	require.JSONEq(t, `["`+hash+`"]`, chains)

	for path, want := range map[string]int{
		"/" + hash + "/public/11":                   http.StatusTooEarly,
		"/" + hash + "/public/0":                    http.StatusBadRequest,
		"/" + hash + "/public/-1":                   http.StatusBadRequest,
		"/" + hash + "/public/1e3":                  http.StatusBadRequest,
		"/" + hash + "/public/99999999999999999999": http.StatusBadRequest,
		"/" + strings.Repeat("0", 64) + "/info":     http.StatusNotFound,
		"/nothing":                                  http.StatusNotFound,
		"/health":                                   http.StatusOK,
	} {
		code, _ := get(path)
		require.Equal(t, want, code, path)
	}
	res, err := http.Post(s.URL+"/info", "text/plain", strings.NewReader("x"))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusMethodNotAllowed, res.StatusCode)
}

func TestClientFallsBackToTheNextServer(t *testing.T) {
	n := network(t, 1)
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	late, good := serve(t, n, 3), serve(t, n, 10)
	c := client(t, n.Params(30), dead.URL, late.URL, good.URL)
	b, err := c.Round(t.Context(), 5)
	require.NoError(t, err)
	require.Equal(t, uint64(5), b.Round)
}

func TestClientWantsTheNetworkOfTheChain(t *testing.T) {
	s := serve(t, network(t, 2), 10)
	_, err := client(t, network(t, 1).Params(30), s.URL).Round(t.Context(), 1)
	require.ErrorIs(t, err, beacon.ErrNoNetwork)
	// The same key on another schedule has other rounds.
	p := network(t, 2).Params(30)
	p.GenesisTime++
	_, err = client(t, p, s.URL).Round(t.Context(), 1)
	require.ErrorIs(t, err, beacon.ErrNoNetwork)
}

// liar answers like a server of n, except for what is changed on the way.
func liar(t testing.TB, n *beacon.Network, change func(w http.ResponseWriter, r *http.Request) bool) string {
	t.Helper()
	honest := beacon.NewHandler(n, func() time.Time { return time.Unix(genesis+1000*period, 0) })
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !change(w, r) {
			honest.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestClientBelievesNoServer(t *testing.T) {
	n := network(t, 1)
	public := func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/public/") }
	other, err := n.Sign(8)
	require.NoError(t, err)
	secret := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed a redirect") }))
	t.Cleanup(secret.Close)

	for name, change := range map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"another round": func(w http.ResponseWriter, r *http.Request) bool {
			if public(r) {
				_ = json.NewEncoder(w).Encode(other)
			}
			return public(r)
		},
		"another round under this number": func(w http.ResponseWriter, r *http.Request) bool {
			if public(r) {
				_ = json.NewEncoder(w).Encode(beacon.Beacon{Round: 7, Signature: other.Signature, Randomness: other.Randomness})
			}
			return public(r)
		},
		"no JSON": func(w http.ResponseWriter, r *http.Request) bool {
			if public(r) {
				_, _ = io.WriteString(w, "<html>")
			}
			return public(r)
		},
		"endless": func(w http.ResponseWriter, r *http.Request) bool {
			for public(r) {
				if _, err := w.Write(bytes.Repeat([]byte(" "), 1<<12)); err != nil {
					break
				}
			}
			return public(r)
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) bool {
			if public(r) {
				http.Redirect(w, r, secret.URL, http.StatusFound)
			}
			return public(r)
		},
		"thousand chains": func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/chains" {
				_ = json.NewEncoder(w).Encode(make([]string, 1000))
			}
			return r.URL.Path == "/chains"
		},
		"forged description": func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/info") {
				info := n.Info()
				info.SchemeID = "pedersen-bls-chained"
				_ = json.NewEncoder(w).Encode(info)
				return true
			}
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client(t, n.Params(30), liar(t, n, change)).Round(t.Context(), 7)
			require.Error(t, err)
			require.NotErrorIs(t, err, beacon.ErrNotYet)
		})
	}
}

func TestClientStopsWithItsContext(t *testing.T) {
	n := network(t, 1)
	stalls := liar(t, n, func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := client(t, n.Params(30), stalls, stalls).Round(ctx, 7)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(start), 2*time.Second)
}

func TestClientRefusesSenselessConfiguration(t *testing.T) {
	p := network(t, 1).Params(30)
	for _, servers := range [][]string{nil, {""}, {"ftp://x"}, {"http://"}, {"127.0.0.1:17000"}} {
		_, err := beacon.NewClient(p, servers)
		require.Error(t, err, "%q", servers)
	}
	p.PublicKey = nil
	_, err := beacon.NewClient(p, []string{"http://x"})
	require.ErrorIs(t, err, scheme.ErrPublicKey)
}

func TestTheChainAcceptsTheNetworkOnlyAsATest(t *testing.T) {
	p := challengetypes.DefaultParams()
	p.Beacon = network(t, 1).Params(600)
	require.NoError(t, p.Validate())
	p.Beacon.Test = false
	require.ErrorIs(t, p.Validate(), challengetypes.ErrInvalidParams)
}

func TestKeyFile(t *testing.T) {
	home := filepath.Join(t.TempDir(), "beacon")
	made, err := beacon.Create(home, genesis, period)
	require.NoError(t, err)
	path := filepath.Join(home, beacon.KeyFile)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	loaded, err := beacon.Load(home)
	require.NoError(t, err)
	require.Equal(t, made.Info(), loaded.Info())
	a, err := made.Sign(3)
	require.NoError(t, err)
	b, err := loaded.Sign(3)
	require.NoError(t, err)
	require.Equal(t, a, b)

	_, err = beacon.Create(home, genesis, period)
	require.ErrorIs(t, err, fs.ErrExist, "a chain's genesis names the key")
	other, err := beacon.Create(t.TempDir(), genesis, period)
	require.NoError(t, err)
	require.NotEqual(t, made.Info().PublicKey, other.Info().PublicKey)
}

func TestCorruptKeyFilesAreNamed(t *testing.T) {
	_, err := beacon.Load(t.TempDir())
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "galahadd beacon init")

	home := t.TempDir()
	_, err = beacon.Create(home, genesis, period)
	require.NoError(t, err)
	path := filepath.Join(home, beacon.KeyFile)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(good, &fields))
	for name, change := range map[string]func(map[string]any){
		"secret zero":    func(m map[string]any) { m["secret"] = strings.Repeat("0", 64) },
		"secret short":   func(m map[string]any) { m["secret"] = "00" },
		"secret no hex":  func(m map[string]any) { m["secret"] = "zz" },
		"another secret": func(m map[string]any) { m["secret"] = strings.Repeat("01", 32) },
		"no period":      func(m map[string]any) { m["period"] = 0 },
		"no genesis":     func(m map[string]any) { m["genesis_time"] = -1 },
	} {
		m := map[string]any{}
		for k, v := range fields {
			m[k] = v
		}
		change(m)
		data, err := json.Marshal(m)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		_, err = beacon.Load(home)
		require.ErrorContains(t, err, path, name)
	}
	require.NoError(t, os.WriteFile(path, good[:20], 0o600))
	_, err = beacon.Load(home)
	require.ErrorContains(t, err, path)
}

func TestCommandServesTheKeyItMade(t *testing.T) {
	home := t.TempDir()
	var out bytes.Buffer
	cmd := beacon.NewBeaconCmd()
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"init", "--home", home, "--period", "2"})
	require.NoError(t, cmd.ExecuteContext(t.Context()))
	var info beacon.Info
	require.NoError(t, json.Unmarshal(out.Bytes(), &info))
	require.Equal(t, uint32(2), info.Period)

	n, err := beacon.Load(home)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan net.Addr, 1), make(chan error, 1)
	go func() { done <- beacon.Serve(ctx, n, "127.0.0.1:0", func(a net.Addr) { ready <- a }) }()
	addr := <-ready
	c := client(t, n.Params(30), fmt.Sprintf("http://%s", addr))
	_, err = c.Round(t.Context(), 1)
	require.NoError(t, err)
	err = beacon.Serve(t.Context(), n, addr.String(), nil)
	require.Error(t, err, "the address is in use")
	cancel()
	require.NoError(t, <-done)

	cmd = beacon.NewBeaconCmd()
	cmd.SetErr(io.Discard)
	cmd.SetOut(io.Discard)
	cmd.SetArgs([]string{"--home", t.TempDir()})
	require.True(t, errors.Is(cmd.ExecuteContext(t.Context()), fs.ErrNotExist))
}
