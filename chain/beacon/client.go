package beacon

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	scheme "github.com/galahad-network/galahad/x/challenge/beacon"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

const (
	// requestTimeout bounds one request, body included.
	requestTimeout = 5 * time.Second
	// maxResponse bounds an answer; the largest is a list of chains.
	maxResponse = 1 << 16
	// maxChains bounds how many networks of one server are asked for their key.
	maxChains = 32
)

// Errors that the client wraps; test with errors.Is.
var (
	// ErrNotYet says that a round is not public yet.
	ErrNotYet = errors.New("beacon: round is not public yet")
	// ErrNoNetwork says that a server does not serve the network of the chain's parameters.
	ErrNoNetwork = errors.New("beacon: server does not serve this network")
)

// Client reads a network's rounds from one or more HTTP servers and believes none
// of them: a round is returned only if its signature verifies. It is safe for
// concurrent use.
type Client struct {
	params  challengetypes.BeaconParams
	servers []string
	http    *http.Client

	mu    sync.Mutex
	bases map[string]string // server -> server/hash, once the network was found there
}

// NewClient returns a client of the network that the chain's parameters describe.
// servers are base URLs such as https://api.drand.sh or http://127.0.0.1:17000,
// in order of preference.
func NewClient(params challengetypes.BeaconParams, servers []string) (*Client, error) {
	if err := scheme.ValidatePublicKey(params.PublicKey); err != nil {
		return nil, err
	}
	if len(servers) == 0 {
		return nil, errors.New("beacon: no server given")
	}
	c := &Client{
		params: params,
		bases:  make(map[string]string),
		http: &http.Client{
			Timeout:       requestTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	for _, s := range servers {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("beacon: server %q is not an http or https URL", s)
		}
		c.servers = append(c.servers, strings.TrimRight(s, "/"))
	}
	return c, nil
}

// Round returns a round whose signature was verified, from the first server that
// has it. Error: ErrNotYet if its time has not come by some server's clock and no
// other has it, else all servers' errors.
func (c *Client) Round(ctx context.Context, round uint64) (Beacon, error) {
	var errs []error
	for _, s := range c.servers {
		b, err := c.roundFrom(ctx, s, round)
		if err == nil {
			return b, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", s, err))
		if ctx.Err() != nil {
			break
		}
	}
	return Beacon{}, errors.Join(errs...)
}

func (c *Client) roundFrom(ctx context.Context, server string, round uint64) (Beacon, error) {
	base, err := c.find(ctx, server)
	if err != nil {
		return Beacon{}, err
	}
	var b Beacon
	if err := c.get(ctx, fmt.Sprintf("%s/public/%d", base, round), &b); err != nil {
		return Beacon{}, err
	}
	if b.Round != round {
		return Beacon{}, fmt.Errorf("beacon: asked for round %d, got %d", round, b.Round)
	}
	if err := scheme.Verify(c.params.PublicKey, round, b.Signature); err != nil {
		return Beacon{}, err
	}
	randomness := scheme.Randomness(b.Signature)
	b.Randomness = randomness[:] // the server's word is not needed
	return b, nil
}

// find returns the URL under which a server serves the network, and keeps it.
func (c *Client) find(ctx context.Context, server string) (string, error) {
	c.mu.Lock()
	base, ok := c.bases[server]
	c.mu.Unlock()
	if ok {
		return base, nil
	}
	var hashes []string
	if err := c.get(ctx, server+"/chains", &hashes); err != nil {
		return "", err
	}
	for _, hash := range hashes[:min(len(hashes), maxChains)] {
		if raw, err := hex.DecodeString(hash); err != nil || len(raw) != 32 {
			continue
		}
		var info Info
		if err := c.get(ctx, server+"/"+hash+"/info", &info); err != nil {
			return "", err
		}
		if !bytes.Equal(info.PublicKey, c.params.PublicKey) ||
			info.GenesisTime != c.params.GenesisTime || info.Period != c.params.Period || info.validate() != nil {
			continue
		}
		base = server + "/" + hash
		c.mu.Lock()
		c.bases[server] = base
		c.mu.Unlock()
		return base, nil
	}
	return "", fmt.Errorf("%w: none of its %d chains has the public key %x…", ErrNoNetwork, len(hashes), c.params.PublicKey[:6])
}

// get reads one JSON answer of bounded size.
func (c *Client) get(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("beacon: %w", err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("beacon: %w", err)
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusTooEarly:
		return fmt.Errorf("%w: %s", ErrNotYet, url)
	default:
		return fmt.Errorf("beacon: %s: %s", url, res.Status)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxResponse+1))
	if err != nil {
		return fmt.Errorf("beacon: %s: %w", url, err)
	}
	if len(body) > maxResponse {
		return fmt.Errorf("beacon: %s: answer of more than %d bytes", url, maxResponse)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("beacon: %s: %w", url, err)
	}
	return nil
}
