package batches

import (
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/batch/store"
)

// maxDownloads is how many answers are sent at once; more are told to come back.
const maxDownloads = 64

// Offer is a batch that may be shown.
type Offer struct {
	GroupSize uint64       // K
	Limits    batch.Limits // of the file
}

// Handler serves the batches of a store. offer decides for a root whether it may
// be shown now.
func Handler(st *store.Store, offer func(root []byte) (Offer, bool), log *slog.Logger) http.Handler {
	s := &server{store: st, offer: offer, log: log, slots: make(chan struct{}, maxDownloads)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /batches/{root}", s.limited(s.whole))
	mux.HandleFunc("GET /batches/{root}/groups/{group}", s.limited(s.group))
	return mux
}

type server struct {
	store *store.Store
	offer func([]byte) (Offer, bool)
	log   *slog.Logger
	slots chan struct{}
}

// limited finds the root of a request and a free slot for it.
func (s *server) limited(next func(http.ResponseWriter, *http.Request, []byte, Offer)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		root, err := hex.DecodeString(r.PathValue("root"))
		if err != nil || len(root) != batch.DigestBytes || hex.EncodeToString(root) != r.PathValue("root") {
			http.Error(w, "root must be 64 lower-case hexadecimal digits", http.StatusBadRequest)
			return
		}
		o, ok := s.offer(root)
		if !ok {
			http.Error(w, "no such batch, or COMMIT of its window has not ended", http.StatusNotFound)
			return
		}
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many downloads", http.StatusServiceUnavailable)
			return
		}
		next(w, r, root, o)
	}
}

func (s *server) whole(w http.ResponseWriter, r *http.Request, root []byte, _ Offer) {
	file, size, err := s.store.Reader(r.Context(), root)
	if err != nil {
		s.fail(w, root, err)
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", `"`+hex.EncodeToString(root)+`"`)
	if seeker, ok := file.(io.ReadSeeker); ok {
		http.ServeContent(w, r, "", time.Time{}, seeker)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	_, _ = io.Copy(w, file) // the client has gone
}

func (s *server) group(w http.ResponseWriter, r *http.Request, root []byte, o Offer) {
	g, err := strconv.ParseUint(r.PathValue("group"), 10, 32)
	if err != nil {
		http.Error(w, "group must be a number", http.StatusBadRequest)
		return
	}
	b, err := s.store.Get(r.Context(), root, o.Limits)
	if err != nil {
		s.fail(w, root, err)
		return
	}
	x, err := b.Group(g, o.GroupSize)
	if errors.Is(err, batch.ErrIndex) {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	var data []byte
	if err == nil {
		data, err = x.EncodeGroup()
	}
	if err != nil {
		s.fail(w, root, err)
		return
	}
	w.Header().Set("Content-Type", "application/cbor")
	_, _ = w.Write(data) // the client has gone
}

func (s *server) fail(w http.ResponseWriter, root []byte, err error) {
	if errors.Is(err, store.ErrNotFound) {
		http.Error(w, "no such batch", http.StatusNotFound)
		return
	}
	s.log.Error("cannot serve a batch", "root", hex.EncodeToString(root), "error", err)
	http.Error(w, "cannot read the batch", http.StatusInternalServerError)
}
