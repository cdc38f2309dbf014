// Package engine is a decoder-only transformer (the Qwen2 and Llama families as
// Hugging Face lays them out) that gives the same bits on every machine: any
// processor, any number of threads, any batch size, prefill or cached decode.
//
// That property is what the rest of the system stands on. A miner samples a
// completion with a forced random stream (Generate); a grader repeats it with a
// single prefill and compares for equality, with no tolerance (Replay); and a
// learner's step can be replayed bit for bit (Trainer).
//
// The rules that define the bits are in docs/numerics.md, and their arithmetic is
// rl/kernel's; the file names follow the graph:
//
//	config*.go, safetensors*.go, weightfile*.go, load.go
//	                                      what a checkpoint is, strictly parsed
//	weights.go, operands.go, cache.go     weights as files and as products read them; keys and values
//	rope.go, forward.go, attention.go     the forward pass, one path for prefill and decode
//	crew.go, parallel.go, runner.go       the two ways to use threads
//	sample.go, rank.go, replay.go         forced sampling, and checking it
//	server.go, decoder.go, generate.go    many sequences side by side
//	trainer.go, backward.go, attentionback.go, gradient.go, optimizer.go
//	                                      gradients and AdamW
//	state.go, init.go                     the trainer's state, and fresh weights
//
// Nothing here uses the platform's math functions, fused or not, unless the
// result is fixed by IEEE-754 (addition, multiplication, division, square root).
package engine
