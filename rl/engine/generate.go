package engine

import (
	"context"
	"fmt"
)

// Generate samples one completion for each request. Requests may differ in
// everything; equal prompts are computed once. Splitting the requests over
// several calls, in any way, gives the same completions. An *InputError names a
// malformed request, and then nothing is generated. Concurrent calls are decoded
// side by side; see Server.
func (e *Engine) Generate(ctx context.Context, reqs []Request) ([]Completion, error) {
	return e.server.GenerateAll(ctx, reqs)
}

// checkSequence checks token ids, lengths and settings of one sequence.
func (c Config) checkSequence(prompt, completion []int32, s *Sampling) error {
	if err := s.validate(c.VocabSize); err != nil {
		return err
	}
	if len(prompt) == 0 {
		return fmt.Errorf("empty prompt")
	}
	if len(prompt) >= c.MaxPositionEmbeddings {
		return fmt.Errorf("prompt of %d tokens leaves no room in a context of %d", len(prompt), c.MaxPositionEmbeddings)
	}
	if limit := s.limit(c, len(prompt)); len(completion) > limit {
		return fmt.Errorf("completion of %d tokens, at most %d", len(completion), limit)
	}
	if err := checkTokens(c, prompt); err != nil {
		return fmt.Errorf("prompt: %w", err)
	}
	if err := checkTokens(c, completion); err != nil {
		return fmt.Errorf("completion: %w", err)
	}
	return nil
}

func checkTokens(c Config, tokens []int32) error {
	for i, id := range tokens {
		if id < 0 || int(id) >= c.VocabSize {
			return fmt.Errorf("token %d at position %d is outside the vocabulary of %d", id, i, c.VocabSize)
		}
	}
	return nil
}

// limit is the longest completion of a prompt of n tokens.
func (s *Sampling) limit(c Config, n int) int { return min(s.MaxNew, c.MaxPositionEmbeddings-n) }

const (
	// pieceRows is how many rows a pass takes at a time, so that the memory of
	// activations does not grow with the prompt.
	pieceRows = 256
	// logitFloats is about how many logits are in memory at a time.
	logitFloats = 10 << 20
)

// headRows is how many rows of logits are computed at a time.
func (c Config) headRows() int { return max(1, logitFloats/c.VocabSize) }
