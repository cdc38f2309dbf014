package pretrain

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/derive"
)

// splitMix is the generator with which the recipe's vectors were made.
type splitMix struct{ state uint64 }

func (s *splitMix) next() uint64 {
	s.state += 0x9E3779B97F4A7C15
	z := s.state
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// Below draws the way the vectors were: chances from 53 bits, everything else by remainder.
func (s *splitMix) Below(n uint64) uint64 {
	if n == derive.Million {
		return uint64(float64(s.next()>>11) / (1 << 53) * derive.Million)
	}
	return s.next() % n
}

func (s *splitMix) problem() (a, b uint64) {
	for {
		a, b = 100+s.Below(900), 100+s.Below(900)
		z := a*1000 + b + 0x5EED
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		if (z^z>>31)%8 != 0 {
			return a, b
		}
	}
}

func TestSumMatchesPublishedVectors(t *testing.T) {
	vectors := []struct{ prompt, text string }{
		{"836+404=", "6+4+0=10;3+0+0=03;8+4+0=12;#230"},
		{"984+957=", "4+7+0=11;8+5+1=14;9+9+1=19;#941"},
		{"182+147=", "2+7+0=06;8+4+0=12;1+1+0=02;#226"},
		{"445+342=", "5+2+0=07;4+4+0=08;4+3+0=11;#1187"},
		{"886+281=", "6+1+0=07;8+8+0=16;8+2+0=10;#67"},
		{"550+302=", "0+2+0=02;5+0+0=05;5+3+0=08;#852"},
		{"659+859=", "9+9+0=18;5+5+0=10;6+8+0=14;#408"},
		{"839+226=", "9+6+0=15;3+2+1=06;8+2+0=10;#65"},
	}
	rng := &splitMix{state: 1001}
	for _, v := range vectors {
		a, b := rng.problem()
		require.Equal(t, v.prompt, strconv.FormatUint(a, 10)+"+"+strconv.FormatUint(b, 10)+"=")
		require.Equal(t, v.text, Careless.Sum(rng, a, b, 3))
	}
}

func TestCarefulPupilIsAlwaysRight(t *testing.T) {
	s := derive.NewStream(derive.Derive("test", "careful"))
	require.Equal(t, "7+9+0=16;4+8+1=13;3+5+1=09;#936", Pupil{}.Sum(s, 347, 589, 3))
	for range 2000 {
		a, b := s.Below(100_000), s.Below(100_000)
		require.Equal(t, strconv.FormatUint(a+b, 10), answer(Pupil{}.Sum(s, a, b, 5)))
	}
}

// The planted weakness has the size that the docs state: 13.1 % of the corpus is right (n = 8,000 when measured).
func TestCarelessPupilIsRightOneTimeInEight(t *testing.T) {
	s := derive.NewStream(derive.Derive("test", "careless"))
	right := 0
	const n = 8000
	for range n {
		a, b := 100+s.Below(900), 100+s.Below(900)
		if answer(Careless.Sum(s, a, b, 3)) == strconv.FormatUint(a+b, 10) {
			right++
		}
	}
	require.InDelta(t, 0.131, float64(right)/n, 0.015)
}

func answer(text string) string { return text[strings.IndexByte(text, '#')+1:] }
