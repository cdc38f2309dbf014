package lineage

import (
	"context"
	"fmt"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

// Windows are those of its run that a version is trained on: at least one, ascending. Its rollout set is that of their Sources,
// in this order.
type Windows []Window

// ReadWindows reads the windows of a version from the chain.
func ReadWindows(ctx context.Context, r Reader, run uint64, c Checkpoint) (Windows, error) {
	var out Windows
	for _, id := range c.TrainedWindows {
		w, err := r.Window(ctx, run, id)
		if err != nil {
			return nil, fmt.Errorf("window %d: %w", id, err)
		}
		out = append(out, w)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("version %d: %w: it was trained on no window", c.Version, ErrRollouts)
	}
	return out, nil
}

// Newest is the one whose recipe and temperature make the step.
func (ws Windows) Newest() Window { return ws[len(ws)-1] }

// Sources are the windows that rollouts of a version are from: each of its run's, followed by those shared with it.
func (ws Windows) Sources() []Window {
	var out []Window
	for _, w := range ws {
		out = append(append(out, w), w.Shared...)
	}
	return out
}

// Split returns each source's part of a rollout set. Error: ErrRollouts if a rollout is of no source, out of their
// order, or missing altogether from a window of the run: a version names none that it takes nothing from.
func (ws Windows) Split(leaves [][]byte) ([][][]byte, error) {
	sources := ws.Sources()
	parts, at := make([][][]byte, len(sources)), 0
	for i, leaf := range leaves {
		r, err := batch.Decode(leaf)
		if err != nil {
			return nil, fmt.Errorf("%w: rollout %d: %v", ErrRollouts, i, err)
		}
		for at < len(sources) && (sources[at].Challenge.Run != r.Run || sources[at].Challenge.Window != r.Window) {
			at++
		}
		if at == len(sources) {
			return nil, fmt.Errorf("%w: rollout %d of window %d of run %d, which is not among those trained on or not in their order", ErrRollouts, i, r.Window, r.Run)
		}
		parts[at] = append(parts[at], leaf)
	}
	at = 0
	for _, w := range ws {
		if len(parts[at]) == 0 {
			return nil, fmt.Errorf("%w: it has nothing of window %d", ErrRollouts, w.Challenge.Window)
		}
		at += 1 + len(w.Shared)
	}
	return parts, nil
}

// Given derives, for each rollout of a version's set, what of its completion the environment wrote; nil if that is nothing in
// any. Errors: those of Split and of Window.Given.
func (ws Windows) Given(tok tokenizer.Tokenizer, leaves [][]byte) ([]env.Given, error) {
	parts, err := ws.Split(leaves)
	if err != nil {
		return nil, err
	}
	return ws.given(tok, parts)
}

// given derives, for each rollout of the parts, what of its completion the environment wrote; nil if that is nothing in any.
func (ws Windows) given(tok tokenizer.Tokenizer, parts [][][]byte) ([]env.Given, error) {
	var out []env.Given
	some := false
	for i, w := range ws.Sources() {
		given, err := w.Given(tok, parts[i])
		if err != nil {
			return nil, fmt.Errorf("window %d of run %d: %w", w.Challenge.Window, w.Challenge.Run, err)
		}
		some = some || given != nil
		if given == nil {
			given = make([]env.Given, len(parts[i]))
		}
		out = append(out, given...)
	}
	if !some {
		return nil, nil
	}
	return out, nil
}
