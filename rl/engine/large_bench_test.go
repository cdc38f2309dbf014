package engine

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/kernel"
	"github.com/galahad-network/galahad/rl/kernel/peak"
)

// qwenHalfBillion has the shapes of Qwen2.5-0.5B.
var qwenHalfBillion = Config{Architecture: Qwen2, VocabSize: 151936, HiddenSize: 896, IntermediateSize: 4864,
	NumHiddenLayers: 24, NumAttentionHeads: 14, NumKeyValueHeads: 2, HeadDim: 64, MaxPositionEmbeddings: 32768,
	RMSNormEps: 1e-6, RopeTheta: 1e6, TieWordEmbeddings: true}

// randomBF16 returns a model of random bfloat16 weights, normal with standard
// deviation 0.02; norms are 1. It writes straight to the operands, whose order
// does not matter to random weights, and so needs no memory but theirs.
func randomBF16(c Config) *Model {
	m := &Model{cfg: c, specs: c.layout(), ops: newOperands(c, func(string) bool { return false }), rope: newRopeTable(c)}
	r := rand.New(rand.NewPCG(1, 2))
	var normal [1 << 12]uint32
	for i := range normal {
		normal[i] = uint32(kernel.RoundBF16(float32(0.02 * r.NormFloat64())))
	}
	seen := map[*kernel.Packed]bool{}
	for name, p := range m.ops.places(c) {
		switch {
		case p.matrix != nil && !seen[p.matrix]:
			seen[p.matrix] = true
			for i := range p.matrix.BF16 {
				x := r.Uint64()
				p.matrix.BF16[i] = normal[x%(1<<12)] | normal[x>>52]<<16
			}
		case strings.HasSuffix(name, "norm.weight"):
			for i := range p.vector[:c.HiddenSize] {
				p.vector[p.at+i] = 1
			}
		}
	}
	return m
}

// oneTokenPrompts returns n requests with prompts of one token each, all
// different, for so many tokens at temperature 1: nearly all of the work is decode
// steps.
func oneTokenPrompts(n, tokens int) []Request {
	reqs := make([]Request, n)
	for i := range reqs {
		binary.LittleEndian.PutUint64(reqs[i].Seed[:], uint64(i))
		reqs[i].Prompt = []int32{int32(100 + i)}
		reqs[i].Sampling = plainSampling(tokens)
	}
	return reqs
}

// operandBytes are the packed matrices that a decode step reads, as bytes.
func (m *Model) operandBytes() [][]byte {
	var out [][]byte
	add := func(p *kernel.Packed) {
		out = append(out, unsafe.Slice((*byte)(unsafe.Pointer(&p.BF16[0])), p.Bytes()))
	}
	for i := range m.ops.layers {
		l := &m.ops.layers[i]
		for _, p := range []*kernel.Packed{l.qkv, l.o, l.gateUp, l.down} {
			add(p)
		}
	}
	add(m.ops.head)
	return out
}

// readAll reads all operands once, each shared out over so many threads, as fast
// as memory gives them.
func readAll(operands [][]byte, threads int) (bytes int) {
	var wg sync.WaitGroup
	for t := range threads {
		wg.Go(func() {
			for _, p := range operands {
				peak.Read(p[t*len(p)/threads : (t+1)*len(p)/threads])
			}
		})
	}
	wg.Wait()
	for _, p := range operands {
		bytes += len(p)
	}
	return bytes
}

// BenchmarkLarge runs the shapes of Qwen2.5-0.5B in bfloat16 on two threads:
// prefill of 256 tokens, decode of 1 and of 32 sequences at temperature 1, and, in
// turn with them, a bare read of the weights. The best of each over all turns
// counts, since others use the machine too.
func BenchmarkLarge(b *testing.B) {
	const threads, prefill = 2, 256
	m := randomBF16(qwenHalfBillion)
	e, operands := New(m, Options{Threads: threads}), m.operandBytes()
	prompt := make([]int32, prefill)
	for i := range prompt {
		prompt[i] = int32(1000 + 37*i)
	}
	// Each returns how much it did; best is the most per second.
	decode := func(batch, tokens int) func() int {
		return func() int {
			out, err := e.Generate(b.Context(), oneTokenPrompts(batch, tokens))
			require.NoError(b, err)
			n := 0
			for _, c := range out {
				n += len(c.Tokens)
			}
			return n
		}
	}
	// As many reads as decode steps, so that both are as likely to be disturbed.
	const steps = 16
	read := func() int {
		n := 0
		for range steps {
			n += readAll(operands, threads)
		}
		return n
	}
	measured := []struct {
		do   func() int
		best float64
	}{
		{do: decode(1, steps)}, {do: read}, {do: decode(32, steps/2)}, {do: decode(1, steps)}, {do: read},
		{do: func() int {
			_, err := e.Replay(b.Context(), []ReplayRequest{{Prompt: prompt, Completion: []int32{5}, Sampling: plainSampling(1)}})
			require.NoError(b, err)
			return prefill
		}},
	}
	for b.Loop() {
		for i := range measured {
			x := &measured[i]
			start := time.Now()
			n := x.do()
			x.best = max(x.best, float64(n)/time.Since(start).Seconds())
		}
	}
	one, many := max(measured[0].best, measured[3].best), measured[2].best
	bandwidth := max(measured[1].best, measured[4].best)
	size := 0
	for _, p := range operands {
		size += len(p)
	}
	b.ReportMetric(measured[5].best, "prefill-tokens/s")
	b.ReportMetric(one, "decode-b1-tokens/s")
	b.ReportMetric(many, "decode-b32-tokens/s")
	b.ReportMetric(bandwidth/1e9, "read-GB/s")
	b.ReportMetric(one*float64(size)/bandwidth, "decode_b1_of_bandwidth")
	b.ReportMetric(many/one, "decode_b32_over_b1")
	b.ReportMetric(0, "ns/op")
}
