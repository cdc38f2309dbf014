package lineage

import (
	"context"
	"fmt"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

// Windows are those that a version is trained on: at least one, ascending. Its rollout set is that of each, in this order.
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

// Split returns each window's part of a rollout set. Error: ErrRollouts if a rollout is none of these windows', out of their
// order, or missing altogether from one: a version names no window that it takes nothing from.
func (ws Windows) Split(leaves [][]byte) ([][][]byte, error) {
	parts, at := make([][][]byte, len(ws)), 0
	for i, leaf := range leaves {
		r, err := batch.Decode(leaf)
		if err != nil {
			return nil, fmt.Errorf("%w: rollout %d: %v", ErrRollouts, i, err)
		}
		for at < len(ws) && ws[at].Challenge.Window != r.Window {
			at++
		}
		if at == len(ws) {
			return nil, fmt.Errorf("%w: rollout %d of window %d, which is not among those trained on or not in their order", ErrRollouts, i, r.Window)
		}
		parts[at] = append(parts[at], leaf)
	}
	for i, part := range parts {
		if len(part) == 0 {
			return nil, fmt.Errorf("%w: it has nothing of window %d", ErrRollouts, ws[i].Challenge.Window)
		}
	}
	return parts, nil
}

// given derives, for each rollout of the parts, what of its completion the environment wrote; nil if that is nothing in any.
func (ws Windows) given(tok tokenizer.Tokenizer, parts [][][]byte) ([]env.Given, error) {
	var out []env.Given
	some := false
	for i, w := range ws {
		given, err := w.Given(tok, parts[i])
		if err != nil {
			return nil, fmt.Errorf("window %d: %w", w.Challenge.Window, err)
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
