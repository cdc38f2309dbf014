package beacon

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// NewHandler serves a network's public rounds on drand's routes; now is the clock
// that says which are public.
func NewHandler(n *Network, now func() time.Time) http.Handler {
	s := &server{network: n, hash: hex.EncodeToString(n.info.Hash), now: now}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /chains", func(w http.ResponseWriter, _ *http.Request) { reply(w, []string{s.hash}) })
	mux.HandleFunc("GET /info", func(w http.ResponseWriter, _ *http.Request) { reply(w, n.info) })
	mux.HandleFunc("GET /{hash}/info", s.known(func(w http.ResponseWriter, _ *http.Request) { reply(w, n.info) }))
	mux.HandleFunc("GET /{hash}/public/latest", s.known(s.latest))
	mux.HandleFunc("GET /{hash}/public/{round}", s.known(s.round))
	mux.HandleFunc("GET /health", s.health)
	return mux
}

type server struct {
	network *Network
	hash    string
	now     func() time.Time
}

// known refuses other networks' hashes.
func (s *server) known(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("hash") != s.hash {
			http.Error(w, "no network with this chain hash; /chains lists those served", http.StatusNotFound)
			return
		}
		next(w, r)
	}
}

func (s *server) latest(w http.ResponseWriter, _ *http.Request) {
	round := s.network.Latest(s.now())
	if round == 0 {
		tooEarly(w, 1)
		return
	}
	s.sign(w, round)
}

func (s *server) round(w http.ResponseWriter, r *http.Request) {
	round, err := strconv.ParseUint(r.PathValue("round"), 10, 64)
	if err != nil || round == 0 {
		http.Error(w, "rounds are numbers from 1", http.StatusBadRequest)
		return
	}
	if round > s.network.Latest(s.now()) {
		tooEarly(w, round)
		return
	}
	s.sign(w, round)
}

func (s *server) sign(w http.ResponseWriter, round uint64) {
	b, err := s.network.Sign(round)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, b)
}

func (s *server) health(w http.ResponseWriter, _ *http.Request) {
	round := s.network.Latest(s.now())
	if round == 0 {
		tooEarly(w, 1)
		return
	}
	reply(w, map[string]uint64{"current": round, "expected": round})
}

func tooEarly(w http.ResponseWriter, round uint64) {
	http.Error(w, fmt.Sprintf("round %d is not public yet", round), http.StatusTooEarly)
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	// The answer is already under way; a client that went away needs no error.
	_ = json.NewEncoder(w).Encode(v)
}

// Serve answers on listen ("host:port") until ctx is done, then waits a moment
// for requests under way. ready, if not nil, is called with the address once the
// server accepts connections.
func Serve(ctx context.Context, n *Network, listen string, ready func(addr net.Addr)) error {
	var cfg net.ListenConfig
	l, err := cfg.Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("beacon: %w", err)
	}
	srv := &http.Server{
		Handler:           NewHandler(n, time.Now),
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    1 << 14,
	}
	if ready != nil {
		ready(l.Addr())
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("beacon: %w", err)
	case <-ctx.Done():
	}
	shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := srv.Shutdown(shutdown); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("beacon: %w", err)
	}
	return nil
}
