package engine

import (
	"context"
	"testing"
	"time"
)

// TestCallsThatComeAsADecoderStopsAreServed makes one call after the other, each at
// the moment when the goroutine that served the last one is about to end.
func TestCallsThatComeAsADecoderStopsAreServed(t *testing.T) {
	m, err := InitModel(shippedConfig(), [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	e := New(m, Options{Threads: 1})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	reqs := []Request{{Prompt: []int32{3}, Sampling: plainSampling(1)}}
	for i := range 20_000 {
		if _, err := e.Generate(ctx, reqs); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
}
