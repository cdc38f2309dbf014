package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Errors of a fetch; test with errors.Is. Whatever else goes wrong is the
// network's error.
var (
	ErrFetchURL      = errors.New("not an absolute http or https URL")
	ErrFetchAddress  = errors.New("address is private; fetch.allow_private = \"yes\" allows it")
	ErrFetchRedirect = errors.New("too many redirects")
	ErrFetchStatus   = errors.New("server answered")
	ErrFetchSize     = errors.New("answer longer than its limit")
	ErrFetchSlow     = errors.New("server stalls")
)

// LocalChains begin the ids of networks of one machine.
const LocalChains = "galahad-local-"

// Private says whether a daemon fetches from loopback, private and link-local addresses:
// "yes", "no", or "auto", which is yes on a network of one machine and no elsewhere, where a
// locator could make a daemon knock at what only its own network should reach.
type Private string

// Check is the rule of a setting of this kind.
func (p Private) Check(key string) Check {
	return Check{Key: key, Want: `"auto", "yes" or "no"`, OK: p == "auto" || p == "yes" || p == "no"}
}

// On reports whether private addresses are allowed on a chain.
func (p Private) On(chainID string) bool {
	return p == "yes" || p == "auto" && strings.HasPrefix(chainID, LocalChains)
}

// FetchLimits bounds what a server can cost.
type FetchLimits struct {
	Timeout      time.Duration // for a whole answer, redirects included
	Stall        time.Duration // the longest time without a byte
	Redirects    int           // followed at most
	AllowPrivate bool          // loopback, private and link-local addresses, too
}

// DefaultFetchLimits suits batches and checkpoints of the public network.
var DefaultFetchLimits = FetchLimits{Timeout: time.Minute, Stall: 10 * time.Second, Redirects: 3}

// Fetcher downloads from servers that nobody vouches for. It never asks for a
// compressed answer, so an answer is never larger than what came over the wire;
// it checks the address that it connects to, after the name was looked up and
// for each redirect; and it stops at a limit of bytes and of time.
type Fetcher struct {
	client *http.Client
	limits FetchLimits
}

// NewFetcher returns a fetcher with the given limits. Close it when done.
func NewFetcher(l FetchLimits) *Fetcher {
	dialer := &net.Dialer{Timeout: min(l.Timeout, 10*time.Second)}
	if !l.AllowPrivate {
		dialer.Control = refusePrivate
	}
	return &Fetcher{limits: l, client: &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // a proxy would connect where we refuse to
			DialContext:            dialer.DialContext,
			DisableCompression:     true,
			TLSHandshakeTimeout:    10 * time.Second,
			ResponseHeaderTimeout:  l.Stall,
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConnsPerHost:    2,
			IdleConnTimeout:        30 * time.Second,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > l.Redirects {
				return fmt.Errorf("%w: %d", ErrFetchRedirect, len(via))
			}
			return checkURL(req.URL)
		},
	}}
}

// Close drops idle connections.
func (f *Fetcher) Close() { f.client.CloseIdleConnections() }

// Client is the fetcher's HTTP client, for callers that bound bytes and time
// themselves; addresses and redirects stay checked.
func (f *Fetcher) Client() *http.Client { return f.client }

// Get opens a URL. The caller reads the body, which fails with ErrFetchSize after
// maxBytes and with ErrFetchSlow or the deadline when the server stalls, and must
// close it.
func (f *Fetcher) Get(ctx context.Context, rawURL string, maxBytes int64) (io.ReadCloser, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFetchURL, err)
	}
	if err := checkURL(u); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, f.limits.Timeout)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("%w: %w", ErrFetchURL, err)
	}
	resp, err := f.client.Do(req)
	if err != nil {
		cancel()
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		cancel()
		return nil, fmt.Errorf("%w %s: %s", ErrFetchStatus, resp.Status, u.Redacted())
	}
	if resp.ContentLength > maxBytes {
		_ = resp.Body.Close()
		cancel()
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrFetchSize, resp.ContentLength, maxBytes)
	}
	b := &body{rc: resp.Body, left: maxBytes, stall: f.limits.Stall, cancel: cancel}
	b.timer = time.AfterFunc(b.stall, cancel) // a Read that waits returns with the context's error
	b.timer.Stop()
	return b, nil
}

// ReadAll fetches a small answer whole.
func (f *Fetcher) ReadAll(ctx context.Context, rawURL string, maxBytes int64) ([]byte, error) {
	r, err := f.Get(ctx, rawURL, maxBytes)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// body is an answer under limits.
type body struct {
	rc     io.ReadCloser
	left   int64
	stall  time.Duration
	timer  *time.Timer
	cancel context.CancelFunc
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	// The timer runs only while we wait for the server, never while the caller
	// works on what it has.
	b.timer.Reset(b.stall)
	n, err := b.rc.Read(p)
	inTime := b.timer.Stop()
	if int64(n) > b.left {
		n = int(b.left)
		err = fmt.Errorf("%w: more than %d bytes", ErrFetchSize, b.left)
	}
	b.left -= int64(n)
	if err != nil && err != io.EOF && !inTime {
		err = fmt.Errorf("%w: no byte for %v", ErrFetchSlow, b.stall)
	}
	return n, err
}

// Close implements io.Closer.
func (b *body) Close() error {
	b.timer.Stop()
	err := b.rc.Close()
	b.cancel()
	return err
}

func checkURL(u *url.URL) error {
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return fmt.Errorf("%w: %q", ErrFetchURL, u.Redacted())
	}
	return nil
}

// refusePrivate is called with the address that a connection goes to, after the
// name was looked up: a name that points into the machine's own network is no
// way around it.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrFetchAddress, address)
	}
	if !Public(ap.Addr()) {
		return fmt.Errorf("%w: %s", ErrFetchAddress, address)
	}
	return nil
}

// reserved are ranges that are not for the public network and that netip has no
// method for (RFC 6890).
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"),
}

// Public reports whether an address belongs to the public network.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
