package bpe

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/dlclark/regexp2"
	"github.com/stretchr/testify/require"
)

// The scanners are held to the patterns themselves, run by an engine that knows
// look-ahead.
func TestScannersCutAsTheirPatterns(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	alphabet := []rune("  \t\n\r\n\u00a0\u3000\u0085\u2028'''srtvmdlSRTVMDLLlleE\u017f\u212a19\u0663\u00bd\u4e94aZ\u00e9\u4e16\u01c5.,!-(_\u0301\u200d\x00\x1c\u2581\U0001f44d\U0001d518\U00010437")
	for pattern, split := range splits {
		// regexp2 does not fold the long s to s; the original does, as a vector shows.
		re := regexp2.MustCompile(strings.Replace(pattern, "(?i:", "(?i:'\u017f|", 1), regexp2.None)
		for range 4000 {
			text := make([]rune, 1+rnd.IntN(20))
			for i := range text {
				text[i] = alphabet[rnd.IntN(len(alphabet))]
				if rnd.IntN(20) == 0 {
					text[i] = rnd.Int32N(0xd800)
				}
			}
			require.Equal(t, cutByPattern(t, re, string(text)), cut(split, string(text)), "%s on %q, seed %d", pattern, string(text), seed)
		}
	}
}

func cut(split func(string) int, text string) (pieces []string) {
	for text != "" {
		n := split(text)
		pieces, text = append(pieces, text[:n]), text[n:]
	}
	return pieces
}

func cutByPattern(t *testing.T, re *regexp2.Regexp, text string) (pieces []string) {
	m, err := re.FindStringMatch(text)
	for ; m != nil && err == nil; m, err = re.FindNextMatch(m) {
		pieces = append(pieces, m.String())
	}
	require.NoError(t, err)
	return pieces
}
