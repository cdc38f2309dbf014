package engine

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
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

// multiplyAdds does about n multiply-adds with the default kernel's vector unit,
// shared out over so many threads, and returns how many; 0 if that has no loop.
func multiplyAdds(n, threads int) int {
	done := make([]int, threads)
	var wg sync.WaitGroup
	for t := range done {
		wg.Go(func() { done[t] = peak.MulAdds(kern.Name(), n/threads) })
	}
	wg.Wait()
	sum := 0
	for _, d := range done {
		sum += d
	}
	return sum
}

// BenchmarkLarge runs the shapes of Qwen2.5-0.5B in bfloat16 on two threads:
// prefill of 256 tokens, decode of 1 and of 32 sequences at temperature 1, and, in
// turn with them, a bare read of the weights and bare multiply-adds. The median
// turn of each counts: others use the machine too, and what memory gives can double
// for a moment, which says nothing about the engine.
func BenchmarkLarge(b *testing.B) {
	const threads, prefill, steps = 2, 256, 16
	m := randomBF16(qwenHalfBillion)
	e, operands := New(m, Options{Threads: threads}), m.operandBytes()
	size := 0
	for _, p := range operands {
		size += len(p)
	}
	prompt := make([]int32, prefill)
	for i := range prompt {
		prompt[i] = int32(1000 + 37*i)
	}
	decode := func(batch, tokens int) (n int) {
		out, err := e.Generate(b.Context(), oneTokenPrompts(batch, tokens))
		require.NoError(b, err)
		for _, c := range out {
			n += len(c.Tokens)
		}
		return n
	}
	// Each returns how much it did, in half a second, about.
	work := map[string]func() int{
		"read": func() (n int) {
			for range steps {
				n += readAll(operands, threads)
			}
			return n
		},
		"b1":  func() int { return decode(1, steps) },
		"b32": func() int { return decode(32, steps/2) },
		"prefill": func() int {
			_, err := e.Replay(b.Context(), []ReplayRequest{{Prompt: prompt, Completion: []int32{5}, Sampling: plainSampling(1)}})
			require.NoError(b, err)
			return prefill
		},
		"multiply": func() int { return multiplyAdds(5e10, threads) },
	}
	rates := map[string][]float64{} // a second
	for b.Loop() {
		for _, name := range strings.Fields("b1 read b1 read b32 multiply b1 read b1 read prefill multiply b32 read b1 read b1") {
			start := time.Now()
			n := work[name]()
			rates[name] = append(rates[name], float64(n)/time.Since(start).Seconds())
		}
	}
	median := map[string]float64{}
	for name, of := range rates {
		slices.Sort(of)
		median[name] = of[len(of)/2]
	}
	b.ReportMetric(median["prefill"], "prefill-tokens/s")
	b.ReportMetric(median["b1"], "decode-b1-tokens/s")
	b.ReportMetric(median["b32"], "decode-b32-tokens/s")
	b.ReportMetric(median["read"]/1e9, "read-GB/s")
	b.ReportMetric(median["b1"]*float64(size)/median["read"], "decode_b1_of_bandwidth")
	b.ReportMetric(median["b32"]/median["b1"], "decode_b32_over_b1")
	if median["multiply"] > 0 {
		// A token takes a multiply-add for each weight of a matrix. Prefill needs no
		// output matrix, but for the last position.
		c := qwenHalfBillion
		inLayers := float64(m.Parameters() - c.VocabSize*c.HiddenSize)
		b.ReportMetric(median["prefill"]*inLayers/median["multiply"], "prefill_of_peak")
		b.ReportMetric(median["b32"]*float64(m.Parameters())/median["multiply"], "decode_b32_of_peak")
		// What decode_b32_over_b1 would be if the machine did nothing but multiply-adds.
		b.ReportMetric(median["multiply"]/float64(m.Parameters())/median["b1"], "decode_b32_over_b1_at_peak")
	}
	b.ReportMetric(0, "ns/op")
}
