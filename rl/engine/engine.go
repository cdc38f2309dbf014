package engine

import (
	"fmt"
	"runtime"

	"github.com/galahad-network/galahad/rl/kernel"
)

// Options configures an Engine or a Trainer. But for Kernel, no option changes any
// bit of a result.
type Options struct {
	// Threads is the number of goroutines that compute at once; 0 means GOMAXPROCS.
	Threads int
	// Kernel is the arithmetic; nil means the best one of this processor that keeps
	// to the rules (see kernel.Default), and all that do give the same bits. Others
	// stand in for foreign hardware in tests.
	Kernel kernel.Kernel
}

// threads returns the effective number of workers.
func (o Options) threads() int {
	if o.Threads > 0 {
		return o.Threads
	}
	return runtime.GOMAXPROCS(0)
}

func (o Options) kernel() kernel.Kernel {
	if o.Kernel != nil {
		return o.Kernel
	}
	return kern
}

// Engine runs an immutable Model: Generate samples completions, Replay checks
// them. It is safe for concurrent use; calls that overlap share its threads. No
// goroutine outlives the calls, so an Engine needs no closing.
type Engine struct {
	run    *runner
	server *Server // the decoder of Generate
}

// New returns an engine for m. It panics if the processor's floating-point mode
// breaks the rules of docs/numerics.md (see CheckArithmetic): no result of such
// a machine could be trusted.
func New(m *Model, opt Options) *Engine {
	run := newRunner(m, opt)
	return &Engine{run: run, server: newServer(run, ServerOptions{})}
}

// Model returns the weights that the engine runs.
func (e *Engine) Model() *Model { return e.run.model }

// Sampling says how a token is drawn from the logits (docs/numerics.md, section
// on sampling).
type Sampling struct {
	// TemperatureBits is the temperature as IEEE-754 binary32 bits; +0 is greedy.
	TemperatureBits uint32
	// TopK keeps the k largest logits; 0 keeps all.
	TopK int
	// TopPMillionths keeps the most likely tokens up to this share of the
	// probability, in millionths: 1..1000000, where 1000000 keeps all.
	TopPMillionths uint32
	// MaxNew bounds the completion's length in tokens; the context bounds it too.
	MaxNew int
	// EndTokens end a completion; at least one is needed.
	EndTokens []int32
}

// Finish reasons of a Completion.
const (
	FinishEnd    = "end"    // the last token is one of Sampling.EndTokens, and Request.Reply has nothing to add
	FinishLength = "length" // no room for the next token within min(MaxNew, context - prompt)
)

// Request asks for one completion of Prompt. The t-th token is drawn with the
// t-th uniform of the ChaCha8 stream keyed with Seed.
type Request struct {
	Prompt   []int32
	Seed     [32]byte
	Sampling Sampling
	// Reply, unless nil, says what follows an end token: the tokens to put after the
	// completion so far, or none if it is finished. They take their place, a uniform
	// each and log-probability +0; a reply that leaves no room for one more token is
	// left out, and the completion is finished by its length. Reply is a function of
	// its argument, which it must not keep; it is called by goroutines of the engine.
	Reply func(completion []int32) []int32
}

// Completion is a sampled continuation of a prompt.
type Completion struct {
	// Tokens are the drawn ids, the end token included, and those of replies.
	Tokens []int32
	// LogProbs[t] is the log-probability of Tokens[t] under the full softmax at
	// the sampling temperature.
	LogProbs []float32
	// Finish is FinishEnd or FinishLength.
	Finish string
	// NonFinite says that some position had a logit that is not finite: its
	// token is the lowest end token by rule, with log-probability +0. Such a
	// completion must not be trained on.
	NonFinite bool
}

// ReplayRequest asks what an honest sampler draws at each position of
// Completion, given that the tokens before it are as claimed.
type ReplayRequest struct {
	Prompt, Completion []int32
	Seed               [32]byte
	Sampling           Sampling
	// HiddenAt lists positions t of the completion whose final hidden state
	// (after the last norm: the vector that token t is drawn from) is returned.
	HiddenAt []int
	// Views asks for Replayed.Views, for whoever judges work of an engine that is not
	// this one to the bit.
	Views bool
}

// View is what the engine thinks of the claimed token of a position: the distribution
// that it is drawn from has temperature, top-k and top-p applied.
type View struct {
	// U is the position's number of the stream, in [0, 1).
	U float64
	// Low and High bound the claimed token's part of [0, 1), ids ascending; U lies in
	// [Low, High) if it is the forced token. The token's probability is High - Low.
	Low, High float64
	// Top is the probability of the likeliest token.
	Top float64
	// Surprise is -log of the token's probability, Entropy and Variance the mean and
	// the variance of that over the distribution; in nats. Surprise is 0 where the
	// probability is.
	Surprise, Entropy, Variance float64
}

// Replayed is the answer to a ReplayRequest.
type Replayed struct {
	// Forced[t] is the token that the stream forces at position t.
	Forced []int32
	// LogProbs[t] is the log-probability of the claimed Completion[t]; +0 where
	// the logits are not finite.
	LogProbs []float32
	// Hidden holds HiddenSize values for each entry of HiddenAt; a NaN is always
	// the one with bits 0x7fc00000, so hashing the bits is well defined.
	Hidden [][]float32
	// Views has one entry a position, where the request asks for it; a zero one where the
	// logits are not finite.
	Views []View
	// NonFinite says that some position had a logit that is not finite.
	NonFinite bool
}

// InputError says which request of a batch is malformed and why.
type InputError struct {
	Index  int    // position in the batch
	Reason string // what is wrong with it
}

func (e *InputError) Error() string {
	return fmt.Sprintf("engine: sequence %d: %s", e.Index, e.Reason)
}

// KernelEnv is the environment variable that forces a kernel by its name.
const KernelEnv = kernel.Env

// ErrArithmetic is wrapped by the error of CheckArithmetic.
var ErrArithmetic = kernel.ErrArithmetic

// CheckArithmetic probes the processor's floating-point mode and the choice of
// the kernel; see kernel.CheckArithmetic. Programs should call it first thing and
// exit on an error.
func CheckArithmetic() error { return kernel.CheckArithmetic() }

// kern is the kernel of this process, unless Options name another.
var kern, _ = kernel.Default()
