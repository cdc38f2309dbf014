package localnet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// pollEvery is the pause between two looks at something that is not ready yet.
const pollEvery = 200 * time.Millisecond

// waitFor polls ready until it returns nil, or ctx ends, or limit has passed; the error then has what was waited
// for and why it was not ready the last time.
func waitFor(ctx context.Context, limit time.Duration, what string, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w (last try: %w)", what, context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

var httpClient = &http.Client{Timeout: 3 * time.Second}

// getJSON decodes the answer to a GET, at most 4 MiB, into v.
func getJSON(ctx context.Context, url string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, 4<<20)).Decode(v)
}

// nodeHeight asks a node's RPC for its newest block.
func nodeHeight(ctx context.Context, n Node) (int64, error) {
	var s struct {
		Result struct {
			SyncInfo struct {
				Height string `json:"latest_block_height"`
			} `json:"sync_info"`
		} `json:"result"`
	}
	if err := getJSON(ctx, url(n.RPC)+"/status", &s); err != nil {
		return 0, err
	}
	h, err := strconv.ParseInt(s.Result.SyncInfo.Height, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: height %q: %w", n.Name, s.Result.SyncInfo.Height, err)
	}
	return h, nil
}

// blockTimeAt asks a node's RPC for the time of a block.
func blockTimeAt(ctx context.Context, n Node, height int64) (time.Time, error) {
	var h struct {
		Result struct {
			Header struct {
				Time time.Time `json:"time"`
			} `json:"header"`
		} `json:"result"`
	}
	if err := getJSON(ctx, fmt.Sprintf("%s/header?height=%d", url(n.RPC), height), &h); err != nil {
		return time.Time{}, err
	}
	if h.Result.Header.Time.IsZero() {
		return time.Time{}, fmt.Errorf("%s has no block %d", n.Name, height)
	}
	return h.Result.Header.Time, nil
}

// listening is an error until something accepts connections on the port.
func listening(ctx context.Context, port int) error {
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", hostPort(port))
	if err != nil {
		return err
	}
	return c.Close()
}

// portFree is an error that names the way out if something listens on the port already.
func portFree(port int) error {
	l, err := net.Listen("tcp", hostPort(port))
	if err != nil {
		return fmt.Errorf("port %d is taken: stop what uses it, or make the network elsewhere with --base-port and --home: %w", port, err)
	}
	return l.Close()
}
