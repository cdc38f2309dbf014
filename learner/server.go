package learner

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/galahad-network/galahad/chain/daemon"
)

// Status is what /status says, as JSON.
type Status struct {
	Run        uint64          `json:"run"`
	ChainID    string          `json:"chain_id"`
	Phase      string          `json:"phase"`       // what the learner does right now, in words
	Version    uint64          `json:"version"`     // newest version made
	Digest     Hex             `json:"digest"`      // its checkpoint
	LastWindow *uint64         `json:"last_window"` // newest window trained on or passed over; null: none yet
	Versions   []VersionStatus `json:"versions"`    // in order of version
}

// VersionStatus is one point of the learning curve.
type VersionStatus struct {
	Version    uint64   `json:"version"`
	Window     *uint64  `json:"window"` // newest window that made it; null for the base
	Digest     Hex      `json:"digest"`
	Published  bool     `json:"published"`
	Fell       bool     `json:"fell,omitempty"` // graders rejected it or rolled it back
	Accuracy   *float64 `json:"accuracy"`       // on held-out problems, sampled at temperature 1; null: not measured yet
	Low        *float64 `json:"ci95_low"`
	High       *float64 `json:"ci95_high"`
	N          int      `json:"n"` // problems measured
	RewardMean float64  `json:"reward_mean"`
	Groups     int      `json:"groups"`
	KeptGroups int      `json:"kept_groups"`
	ClipFrac   float64  `json:"clip_fraction"`
	GradNorm   float32  `json:"grad_norm"`
	Entropy    float64  `json:"entropy"` // nats
	KL         float64  `json:"kl"`      // nats
}

// phase is what the learner does right now, for /status.
type phase struct {
	mu   sync.Mutex
	text string
}

func (p *phase) set(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = fmt.Sprintf(format, args...)
}

func (p *phase) get() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text
}

// status collects /status from the journal.
func (d *Daemon) status() (Status, error) {
	s := Status{Run: d.config.Run, ChainID: d.chain.ChainID(), Phase: d.phase.get(), Versions: []VersionStatus{}}
	records, err := d.core.journal.Versions()
	if err != nil {
		return s, err
	}
	if window, found, err := d.core.journal.LastWindow(); err != nil {
		return s, err
	} else if found {
		s.LastWindow = &window
	}
	for _, r := range records {
		v := VersionStatus{
			Version: r.Version, Digest: r.Digest, Published: r.Published || r.Version == 0, Fell: r.Fell, RewardMean: r.Metrics.RewardMean,
			Groups: r.Metrics.Groups, KeptGroups: r.Metrics.KeptGroups, ClipFrac: r.Metrics.ClipFraction, GradNorm: r.Metrics.GradNorm, Entropy: r.Metrics.Entropy, KL: r.Metrics.KL,
		}
		if n := len(r.TrainedWindows); n > 0 {
			v.Window = &r.TrainedWindows[n-1]
		}
		if a := r.Accuracy; a != nil {
			v.Accuracy, v.Low, v.High, v.N = &a.Value, &a.Low, &a.High, a.N
		}
		if !r.Fell {
			s.Version, s.Digest = r.Version, r.Digest
		}
		s.Versions = append(s.Versions, v)
	}
	return s, nil
}

// handler serves GET /status, /metrics, /healthz and /checkpoints/<digest>/<file>. Files are reached through a root that
// no path can leave.
func (d *Daemon) handler(checkpoints *os.Root) http.Handler {
	mux := http.NewServeMux()
	daemon.Monitor(mux, d.metrics.registry, func() any {
		s, err := d.status()
		if err != nil {
			return map[string]string{"error": err.Error()}
		}
		return s
	})
	files := http.StripPrefix("/checkpoints/", http.FileServerFS(checkpoints.FS()))
	mux.HandleFunc("GET /checkpoints/", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") {
			http.NotFound(w, r) // no listings
			return
		}
		files.ServeHTTP(w, r)
	})
	return mux
}

// serve runs the HTTP server until the context ends.
func (d *Daemon) serve(ctx context.Context) error {
	root, err := os.OpenRoot(d.core.home.Checkpoints())
	if err != nil {
		return err
	}
	defer root.Close()
	listener, err := daemon.Listen(d.config.Server.Listen, "server.listen")
	if err != nil {
		return err
	}
	d.log.Info("serving checkpoints, /status and /metrics", "listen", listener.Addr().String(), "public", d.config.Server.Public)
	return daemon.Serve(ctx, listener, d.handler(root), 5*time.Minute, d.log)
}
