// Package conformance fingerprints what a build of the code computes. Digests of
// files pin data, not code: two daemons with the same checkpoint could still
// disagree because one has another engine, tokenizer or environment. Digest runs
// a fixed suite through all of them and hashes every output; a run stores the
// value; miner, grader and learner compute it when they start and refuse a run
// whose value differs from their own, and a window that froze another one (Build).
//
// # Suite, version 1
//
// The model is tiny, initialized from a fixed seed, with the tokenizer's
// vocabulary. For each environment, in ascending order of ids: its digest; two
// training problems and one held-out problem; for each their texts, prompt
// tokens, the rewards of a right, a wrong and an unfinished completion; and for
// three ways of sampling (temperature 1, greedy, and 0.7 with top-k 8 and top-p
// 0.9) two completions of at most 24 tokens with their log-probability bits and
// rewards, and what a replay says of them: forced tokens, log-probability bits,
// and the final hidden states at the first and the last position. Of an environment
// of several turns the completions hold its replies, and added are its replies and
// scores in episodes whose turns are wrong until the last, which is right. Everything
// is hashed with lengths, so that no two suites have the same input.
package conformance

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math"
	"slices"
	"strings"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
)

const (
	suite  = "galahad/conformance/1"
	maxNew = 24
)

// Digest runs the suite over a tokenizer and environments (no repetition; their
// order does not matter) and returns its hash. It takes a few milliseconds an
// environment. An error means that this build cannot serve such a run.
func Digest(ctx context.Context, tok tokenizer.Tokenizer, envs []env.Environment) ([32]byte, error) {
	sorted := slices.Clone(envs)
	slices.SortFunc(sorted, func(a, b env.Environment) int { return strings.Compare(a.ID(), b.ID()) })
	model, err := tinyModel(tok)
	if err != nil {
		return [32]byte{}, fmt.Errorf("conformance: %w", err)
	}
	s := &state{h: sha256.New(), tok: tok, eng: engine.New(model, engine.Options{Threads: 1})}
	s.text(suite)
	digest := tok.Digest()
	s.bytes(digest[:])
	for _, e := range sorted {
		if err := s.environment(ctx, e); err != nil {
			return [32]byte{}, fmt.Errorf("conformance of %s: %w", e.ID(), err)
		}
	}
	var out [32]byte
	s.h.Sum(out[:0])
	return out, nil
}

// ForMix is Digest over all environments of a run, each once, also those that take part in later windows only: who lacks
// one learns it before the run, not in the middle of it.
func ForMix(ctx context.Context, tok tokenizer.Tokenizer, mix []env.MixEntry) ([32]byte, error) {
	if err := env.ValidateMix(mix); err != nil {
		return [32]byte{}, err
	}
	var envs []env.Environment
	for _, m := range mix {
		e, err := env.Lookup(m.Env)
		if err != nil {
			return [32]byte{}, err
		}
		if !slices.ContainsFunc(envs, func(other env.Environment) bool { return other.ID() == e.ID() }) {
			envs = append(envs, e)
		}
	}
	return Digest(ctx, tok, envs)
}

func tinyModel(tok tokenizer.Tokenizer) (*engine.Model, error) {
	return engine.InitModel(engine.Config{
		Architecture: engine.Qwen2, VocabSize: tok.VocabSize(), HiddenSize: 32, IntermediateSize: 64,
		NumHiddenLayers: 2, NumAttentionHeads: 2, NumKeyValueHeads: 1, HeadDim: 16,
		MaxPositionEmbeddings: 64, RMSNormEps: 1e-6, RopeTheta: 10000, TieWordEmbeddings: true,
	}, sha256.Sum256([]byte(suite)))
}

// samplings are the ways of drawing tokens that the suite covers.
func samplings(end int32) []engine.Sampling {
	s := func(temperature float32, topK int, topP uint32) engine.Sampling {
		return engine.Sampling{
			TemperatureBits: math.Float32bits(temperature), TopK: topK, TopPMillionths: topP,
			MaxNew: maxNew, EndTokens: []int32{end},
		}
	}
	return []engine.Sampling{s(1, 0, 1_000_000), s(0, 0, 1_000_000), s(0.7, 8, 900_000)}
}

// state is the running hash and what the suite runs on.
type state struct {
	h   hash.Hash
	tok tokenizer.Tokenizer
	eng *engine.Engine
}

func (s *state) environment(ctx context.Context, e env.Environment) error {
	seed := derive.Derive("", "conformance", []byte(e.ID()))
	stream := derive.NewStream(seed)
	digest := e.Digest()
	s.text(e.ID())
	s.bytes(digest[:])
	for i, p := range []env.Problem{e.Problem(stream), e.Problem(stream), e.HeldOut(stream)} {
		if err := s.problem(ctx, e, p, derive.SampleSeed("", seed, uint64(i))); err != nil {
			return err
		}
	}
	return nil
}

func (s *state) problem(ctx context.Context, e env.Environment, p env.Problem, seed derive.Seed) error {
	a, err := verify.NewAssignment(s.tok, e, p)
	if err != nil {
		return err
	}
	s.text(p.Env, p.PromptText, p.Answer)
	s.bytes(derive.U64(p.Key))
	s.tokens(a.Prompt)
	for _, c := range []struct {
		text  string
		ended bool
	}{{"#" + p.Answer, true}, {"#" + p.Answer + "0", true}, {"#" + p.Answer, false}, {p.Answer, true}} {
		s.bytes(derive.U64(uint64(e.Reward(p, []byte(c.text), c.ended))))
	}
	end := s.tok.EOS()
	if m, ok := e.(env.MultiTurn); ok {
		s.episodes(m, p)
	}
	var reqs []engine.Request
	for i, sampling := range samplings(end) {
		for j := range 2 {
			seed := derive.SampleSeed("", seed, uint64(2*i+j))
			reqs = append(reqs, generate.Request(s.tok, a, sampling, seed))
		}
	}
	done, err := s.eng.Generate(ctx, reqs)
	if err != nil {
		return err
	}
	replays := make([]engine.ReplayRequest, len(done))
	for i, c := range done {
		s.tokens(c.Tokens)
		s.floats(c.LogProbs)
		s.text(c.Finish)
		s.bytes(derive.U64(uint64(env.Judge(e, s.tok, p, c.Tokens, []int32{end}))))
		replays[i] = engine.ReplayRequest{
			Prompt: a.Prompt, Completion: c.Tokens, Seed: reqs[i].Seed, Sampling: reqs[i].Sampling,
			HiddenAt: []int{0, len(c.Tokens) - 1},
		}
	}
	replayed, err := s.eng.Replay(ctx, replays)
	if err != nil {
		return err
	}
	for _, r := range replayed {
		s.tokens(r.Forced)
		s.floats(r.LogProbs)
		for _, hidden := range r.Hidden {
			s.floats(hidden)
		}
	}
	return nil
}

// episodes hashes what an environment says to a wrong guess, to something else, and to those and then the right one.
func (s *state) episodes(m env.MultiTurn, p env.Problem) {
	var turns [][]byte
	for _, turn := range []string{"#0", p.Answer, "#" + p.Answer + "0", "#" + p.Answer} {
		turns = append(turns, []byte(turn))
		s.tokens(m.Reply(s.tok, p, turns))
		s.bytes(derive.U64(uint64(m.Score(p, turns))))
	}
}

func (s *state) bytes(b []byte) {
	s.h.Write(derive.U64(uint64(len(b))))
	s.h.Write(b)
}

func (s *state) text(texts ...string) {
	for _, t := range texts {
		s.bytes([]byte(t))
	}
}

func (s *state) tokens(ids []int32) {
	b := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		b = binary.BigEndian.AppendUint32(b, uint32(id))
	}
	s.bytes(b)
}

func (s *state) floats(xs []float32) {
	b := make([]byte, 0, 4*len(xs))
	for _, bits := range generate.Bits(xs) {
		b = binary.BigEndian.AppendUint32(b, bits)
	}
	s.bytes(b)
}
