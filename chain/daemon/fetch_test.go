package daemon_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/galahad-network/galahad/chain/daemon"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var local = daemon.FetchLimits{Timeout: 5 * time.Second, Stall: 300 * time.Millisecond, Redirects: 2, AllowPrivate: true}

func fetcher(t *testing.T, l daemon.FetchLimits) *daemon.Fetcher {
	f := daemon.NewFetcher(l)
	t.Cleanup(f.Close)
	return f
}

func serve(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestAnAnswerWithinTheLimitArrives(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("rollouts")) })
	got, err := fetcher(t, local).ReadAll(t.Context(), url, 8)
	require.NoError(t, err)
	require.Equal(t, "rollouts", string(got))
}

func TestAServerThatSendsTooMuchIsCutOff(t *testing.T) {
	announced := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1000)) })
	_, err := fetcher(t, local).ReadAll(t.Context(), announced, 999)
	require.ErrorIs(t, err, daemon.ErrFetchSize)
	// An endless answer of unknown length.
	endless := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	})
	got, err := fetcher(t, local).ReadAll(t.Context(), endless, 100_000)
	require.ErrorIs(t, err, daemon.ErrFetchSize)
	require.Len(t, got, 100_000)
}

func TestAServerThatStallsIsLeft(t *testing.T) {
	silent := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	began := time.Now()
	_, err := fetcher(t, local).ReadAll(t.Context(), silent, 10)
	require.Error(t, err)
	// Some bytes, and then nothing.
	stalling := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("half"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	_, err = fetcher(t, local).ReadAll(t.Context(), stalling, 10)
	require.ErrorIs(t, err, daemon.ErrFetchSlow)
	require.Less(t, time.Since(began), 3*time.Second)
}

func TestAServerThatDripsIsBoundedByTheTimeout(t *testing.T) {
	dripping := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte{0})
			w.(http.Flusher).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	})
	l := local
	l.Timeout = 400 * time.Millisecond
	began := time.Now()
	_, err := fetcher(t, l).ReadAll(t.Context(), dripping, 1<<20)
	require.Error(t, err)
	require.Less(t, time.Since(began), 3*time.Second)
}

func TestASlowReaderIsNotMistakenForASlowServer(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 10)) })
	r, err := fetcher(t, local).Get(t.Context(), url, 10)
	require.NoError(t, err)
	defer r.Close()
	_, err = r.Read(make([]byte, 1))
	require.NoError(t, err)
	time.Sleep(2 * local.Stall) // working on what it has
	rest, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Len(t, rest, 9)
}

func TestCompressedAnswersAreNotInflated(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, err := z.Write(make([]byte, 10<<20))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	})
	got, err := fetcher(t, local).ReadAll(t.Context(), url, 1<<20)
	require.NoError(t, err)
	require.Len(t, got, bomb.Len(), "what came over the wire and nothing more")
}

func TestRedirectsAreFollowedUpToTheLimitAndNeverElsewhere(t *testing.T) {
	var url string
	url = serve(t, func(w http.ResponseWriter, r *http.Request) {
		var n int
		switch _, err := fmt.Sscanf(r.URL.Path, "/%d", &n); {
		case r.URL.Path == "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case err != nil || n == 0:
			_, _ = w.Write([]byte("here"))
		default:
			http.Redirect(w, r, fmt.Sprintf("%s/%d", url, n-1), http.StatusFound)
		}
	})
	f := fetcher(t, local)
	got, err := f.ReadAll(t.Context(), url+"/2", 100)
	require.NoError(t, err)
	require.Equal(t, "here", string(got))
	_, err = f.ReadAll(t.Context(), url+"/3", 100)
	require.ErrorIs(t, err, daemon.ErrFetchRedirect)
	_, err = f.ReadAll(t.Context(), url+"/file", 100)
	require.ErrorIs(t, err, daemon.ErrFetchURL)
}

func TestPrivateAddressesAreRefusedAfterTheNameWasLookedUp(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("secret")) })
	_, port, err := net.SplitHostPort(url[len("http://"):])
	require.NoError(t, err)
	l := local
	l.AllowPrivate = false
	f := fetcher(t, l)
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]"} {
		_, err := f.ReadAll(t.Context(), "http://"+net.JoinHostPort(trim(host), port), 100)
		require.ErrorIs(t, err, daemon.ErrFetchAddress, host)
	}
}

// Nobody has to think of it: on a network of one machine private addresses are needed, on
// any other they are off.
func TestPrivateAddressesAreForLocalNetworks(t *testing.T) {
	for _, c := range []struct {
		setting daemon.Private
		chain   string
		on      bool
	}{
		{"auto", "galahad-local-1", true}, {"auto", "galahad-1", false}, {"auto", "", false}, {"auto", "my-galahad-local-1", false},
		{"yes", "galahad-1", true}, {"no", "galahad-local-1", false}, {"", "galahad-local-1", false},
	} {
		require.Equal(t, c.on, c.setting.On(c.chain), "%q on %q", c.setting, c.chain)
	}
	require.True(t, daemon.Private("auto").Check("x").OK)
	require.False(t, daemon.Private("true").Check("x").OK)
}

func trim(host string) string {
	if host[0] == '[' {
		return host[1 : len(host)-1]
	}
	return host
}

func TestOnlyPublicAddressesArePublic(t *testing.T) {
	for address, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false,
		"192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false, "0.1.2.3": false, "224.0.0.1": false,
		"255.255.255.255": false, "::1": false, "::": false, "fc00::1": false, "fe80::1": false,
		"::ffff:10.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false,
	} {
		require.Equal(t, want, daemon.Public(netip.MustParseAddr(address)), address)
	}
}

func TestOtherURLsAndStatusesAreErrors(t *testing.T) {
	f := fetcher(t, local)
	for _, url := range []string{"", "file:///etc/passwd", "ftp://x/y", "//host", "http://", "http://user:secret@127.0.0.1/", "http://%zz"} {
		_, err := f.ReadAll(t.Context(), url, 10)
		require.ErrorIs(t, err, daemon.ErrFetchURL, url)
		require.NotContains(t, err.Error(), "secret")
	}
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	_, err := f.ReadAll(t.Context(), url, 10)
	require.ErrorIs(t, err, daemon.ErrFetchStatus)
}

// raw is a server that hears a request, answers with some bytes and hangs up, or never does.
func raw(t *testing.T, answer string, hangUp bool) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var open sync.WaitGroup
	stop := make(chan struct{})
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer c.Close()
				if _, err := c.Read(make([]byte, 1<<14)); err != nil {
					return
				}
				_, _ = io.WriteString(c, answer)
				if !hangUp {
					<-stop
				}
			})
		}
	})
	t.Cleanup(func() { close(stop); _ = l.Close(); open.Wait() })
	return l.Addr().String()
}

func TestAWrongContentLengthIsAnError(t *testing.T) {
	f := fetcher(t, local)
	_, err := f.ReadAll(t.Context(), "http://"+raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nrollout", true), 100)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "less came than was announced")
	got, err := f.ReadAll(t.Context(), "http://"+raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nrollout", true), 100)
	require.NoError(t, err)
	require.Equal(t, "roll", string(got), "what comes after the answer is none of it")
	_, err = f.ReadAll(t.Context(), "http://"+raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nrollout", true), 100)
	require.Error(t, err)
	_, err = f.ReadAll(t.Context(), "http://"+raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nrollout", false), 100)
	require.ErrorIs(t, err, daemon.ErrFetchSlow, "the rest never comes")
}

func TestAnEndlessHeaderIsCutOff(t *testing.T) {
	_, err := fetcher(t, local).ReadAll(t.Context(), "http://"+raw(t, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1<<20), false), 100)
	require.ErrorContains(t, err, "header")
}

func TestTLSThatFailsIsAnErrorInTime(t *testing.T) {
	l := local
	l.Timeout = 500 * time.Millisecond
	f := fetcher(t, l)
	stranger := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("rollouts")) }))
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(stranger.Close)
	_, err := f.ReadAll(t.Context(), stranger.URL, 100)
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown, "a certificate that nobody vouches for")
	_, err = f.ReadAll(t.Context(), "https"+strings.TrimPrefix(serve(t, func(http.ResponseWriter, *http.Request) {}), "http"), 100)
	require.ErrorContains(t, err, "HTTP response to HTTPS client")
	began := time.Now()
	_, err = f.ReadAll(t.Context(), "https://"+raw(t, "", false), 100)
	require.ErrorIs(t, err, context.DeadlineExceeded, "a handshake that never ends")
	require.Less(t, time.Since(began), 5*time.Second)
}

func TestACancelledFetchEnds(t *testing.T) {
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := fetcher(t, local).ReadAll(ctx, url, 10)
	require.ErrorIs(t, err, context.Canceled)
}

// Whatever a server sends, a fetch ends: with at most the bytes that it allowed, or an
// error.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\nbody",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nbody", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nbody",
		"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b", "SSH-2.0-x\r\n", "",
	} {
		f.Add([]byte(s))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = l.Close() })
	answers := make(chan []byte, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096)) // the request
			select {
			case a := <-answers:
				_, _ = c.Write(a)
			default: // a redirect came back
			}
			_ = c.Close()
		}
	}()
	const most = 64
	get := daemon.NewFetcher(daemon.FetchLimits{Timeout: time.Second, Stall: 200 * time.Millisecond, AllowPrivate: true})
	f.Cleanup(get.Close)
	f.Fuzz(func(t *testing.T, answer []byte) {
		select {
		case <-answers: // one that nobody took
		default:
		}
		answers <- answer
		data, err := get.ReadAll(t.Context(), "http://"+l.Addr().String()+"/x", most)
		if err == nil && len(data) > most {
			t.Fatalf("%d bytes of at most %d", len(data), most)
		}
	})
}
