package bpe

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
)

// The heap is held to the definition, also with tables that no training makes.
func TestMergesAreTakenByRankThenFromTheLeft(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	var m merger
	for range 2000 {
		table := map[uint64]merge{}
		for rank := range int32(1 + rnd.IntN(30)) {
			table[pairOf(rnd.Int32N(6), rnd.Int32N(6))] = merge{rank, rnd.Int32N(6)}
		}
		ids := make([]int32, rnd.IntN(60))
		for i := range ids {
			ids[i] = rnd.Int32N(6)
		}
		want := mergeByDefinition(table, slices.Clone(ids))
		got := ids[:m.run(table, ids)]
		require.Equal(t, want, got, "seed %d", seed)
	}
}

func mergeByDefinition(table map[uint64]merge, ids []int32) []int32 {
	for {
		best, at := merge{rank: 1 << 30}, -1
		for i := range len(ids) - 1 {
			if j, ok := table[pairOf(ids[i], ids[i+1])]; ok && j.rank < best.rank {
				best, at = j, i
			}
		}
		if at < 0 {
			return ids
		}
		ids[at] = best.id
		ids = slices.Delete(ids, at+1, at+2)
	}
}

// A quadratic encoder would take minutes for each: 2^36 looks at a piece.
func TestLongRunsDoNotCostTheSquare(t *testing.T) {
	for _, name := range names {
		tok := load(t, name)
		for _, unit := range []string{"a", " ", "ab", "<", "\n ", "1", "\u0301\u0323", "\u4e16"} {
			start := time.Now()
			_, err := tok.EncodeControls("x" + strings.Repeat(unit, 1<<18/len(unit)))
			require.NoError(t, err)
			require.Less(t, time.Since(start), 15*time.Second, "%s, %q", name, unit)
		}
	}
}

func TestAMegabyteOfOneLetter(t *testing.T) {
	for _, name := range names {
		tok := load(t, name)
		text := strings.Repeat("a", 1<<20)
		ids, err := tok.Encode(text)
		require.NoError(t, err)
		require.Equal(t, text, string(tok.Decode(ids)), name)
	}
}

func TestCompositionIsTheStandards(t *testing.T) {
	// Every character, alone, decomposed, and between others; from U+40000 to U+DFFFF
	// there are none.
	for r := rune(0); r <= 0x10ffff; r++ {
		if r == 0x40000 {
			r = 0xe0000
		}
		s := string(r)
		for _, s := range []string{s, "a\u0323" + norm.NFD.String(s) + "\u0301" + s} {
			if want, got := norm.NFC.String(s), composed(s); got != want {
				t.Fatalf("%U: %+q becomes %+q, want %+q", r, s, got, want)
			}
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 3))
	marks := []rune("ae\u0300\u0301\u0307\u0323\u0327\u0338\u0345=<\u1112\u1161\u11ab\uac00\u0bc6\u0bbe\u09c7\u09be\u0f71\u0f72\u0f74\u212b\u0344\u3099\u304b\u0915\u093c")
	for range 20000 {
		s := make([]rune, 1+rnd.IntN(16)) // below the length at which the norm package cuts
		for i := range s {
			s[i] = marks[rnd.IntN(len(marks))]
		}
		require.Equal(t, norm.NFC.String(string(s)), composed(string(s)), "%+q, seed %d", string(s), seed)
	}
}

func TestTheLongestAddedTokenIsFound(t *testing.T) {
	m := newMatcher(map[string]int32{"ab": 1, "abc": 2, "b": 3, "bcab": 4})
	var got []int32
	for text := "xabcabb"; text != ""; {
		_, end, id := m.next(text)
		got, text = append(got, id), text[end:]
	}
	require.Equal(t, []int32{2, 1, 3}, got)
}

func TestConcurrentUse(t *testing.T) {
	tok := load(t, "qwen2.5")
	want, err := tok.Encode("Natalia sold clips to 48 of her friends cafe\u0301.")
	require.NoError(t, err)
	done := make(chan []int32)
	for range 8 {
		go func() {
			ids, _ := tok.Encode("Natalia sold clips to 48 of her friends cafe\u0301.")
			done <- ids
		}()
	}
	for range 8 {
		require.Equal(t, want, <-done)
	}
}

func BenchmarkLoad(b *testing.B) {
	data, err := build("qwen2.5")
	require.NoError(b, err)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		_, err := Load(data)
		require.NoError(b, err)
	}
}

func BenchmarkEncode(b *testing.B) {
	var text strings.Builder
	for _, p := range problems(b) {
		text.WriteString(p.Question + "\n" + p.Answer + "\n")
	}
	for _, name := range names {
		b.Run(name, func(b *testing.B) {
			tok := load(b, name)
			b.SetBytes(int64(text.Len()))
			for b.Loop() {
				_, err := tok.Encode(text.String())
				require.NoError(b, err)
			}
		})
	}
}
