package bpe

import (
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// composed is Unicode's normalization form C. The norm package cuts long runs of
// combining marks with U+034F (its stream-safe form), which the tokenizers of
// models do not; so it serves as the table here, and the algorithm is that of
// Unicode Standard Annex 15.
func composed(text string) string {
	if norm.NFC.IsNormalString(text) {
		return text
	}
	marks := decompose(text)
	out := make([]rune, 0, len(marks))
	starter := -1 // place in out of the last character of class 0
	last := -1    // class of the last character after it, -1 for none
	var buf []byte
	for _, m := range marks {
		if starter >= 0 && last < m.class {
			if r, ok := compose(&buf, out[starter], m.r); ok {
				out[starter] = r
				continue
			}
		}
		if m.class == 0 {
			starter, last = len(out), -1
		} else {
			last = m.class
		}
		out = append(out, m.r)
	}
	return string(out)
}

// mark is a character with its canonical combining class.
type mark struct {
	r     rune
	class int
}

// decompose is the canonical decomposition of text in canonical order. Hangul
// syllables stay whole, which composition would make them again.
func decompose(text string) []mark {
	out := make([]mark, 0, len(text))
	for i, r := range text {
		if r < utf8.RuneSelf {
			out = append(out, mark{r: r})
			continue
		}
		p := norm.NFD.PropertiesString(text[i:])
		d := p.Decomposition()
		if d == nil {
			out = append(out, mark{r, int(p.CCC())})
			continue
		}
		for len(d) > 0 {
			r, n := utf8.DecodeRune(d)
			out = append(out, mark{r, int(norm.NFD.Properties(d).CCC())})
			d = d[n:]
		}
	}
	for i := 0; i < len(out); i++ {
		if out[i].class == 0 {
			continue
		}
		j := i
		for j < len(out) && out[j].class != 0 {
			j++
		}
		slices.SortStableFunc(out[i:j], func(a, b mark) int { return a.class - b.class })
		i = j
	}
	return out
}

// compose returns the character that a and b make together, if there is one.
func compose(buf *[]byte, a, b rune) (rune, bool) {
	if b < 0x300 {
		return 0, false // no character below combines with one before it
	}
	*buf = utf8.AppendRune((*buf)[:0], b)
	if norm.NFC.Properties(*buf).BoundaryBefore() {
		return 0, false
	}
	pair := utf8.AppendRune(utf8.AppendRune(nil, a), b)
	joined := norm.NFC.Append((*buf)[:0], pair...)
	*buf = joined
	r, n := utf8.DecodeRune(joined)
	return r, n == len(joined)
}
