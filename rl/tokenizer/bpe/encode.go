package bpe

import (
	"cmp"
	"slices"
	"strings"
)

// encode makes tokens of text: the added tokens that found knows become their
// ids, what is between them is encoded piece by piece.
func (t *Tokenizer) encode(text string, found *matcher) ([]int32, error) {
	if err := checkText(text); err != nil {
		return nil, err
	}
	e := encoder{t: t, out: make([]int32, 0, len(text)/3+8)}
	for text != "" {
		start, end, id := found.next(text)
		e.segment(text[:start])
		if end > start {
			e.out = append(e.out, id)
		}
		text = text[end:]
	}
	return e.out, nil
}

// encoder is the state of one call.
type encoder struct {
	t   *Tokenizer
	out []int32
	m   merger
}

// segment encodes text between added tokens.
func (e *encoder) segment(text string) {
	if text == "" {
		return
	}
	if e.t.split == nil {
		e.sentence(text)
		return
	}
	if e.t.nfc {
		text = composed(text)
	}
	for text != "" {
		n := e.t.split(text)
		e.word(text[:n])
		text = text[n:]
	}
}

// word encodes a piece of the splitting pattern.
func (e *encoder) word(piece string) {
	if id, ok := e.t.words[piece]; ok {
		e.out = append(e.out, id)
		return
	}
	start := len(e.out)
	for i := 0; i < len(piece); i++ {
		e.out = append(e.out, e.t.bytes[piece[i]])
	}
	e.merge(start)
}

// sentence encodes a whole text in SentencePiece's manner: a space goes before
// it, spaces are written as U+2581, and characters without a token as bytes.
func (e *encoder) sentence(text string) {
	start := len(e.out)
	for _, r := range " " + text {
		if r == ' ' {
			r = wordStart
		}
		if id, ok := e.t.runes[r]; ok {
			e.out = append(e.out, id)
			continue
		}
		for _, b := range []byte(string(r)) {
			e.out = append(e.out, e.t.bytes[b])
		}
	}
	e.merge(start)
}

func (e *encoder) merge(start int) {
	e.out = e.out[:start+e.m.run(e.t.merges, e.out[start:])]
}

// matcher finds added tokens in text.
type matcher struct {
	ids map[string]int32
	// lengths lists the lengths of the tokens that begin with a byte, longest first.
	lengths [256][]int
}

func newMatcher(ids map[string]int32) matcher {
	m := matcher{ids: ids}
	for text := range ids {
		if l := m.lengths[text[0]]; !slices.Contains(l, len(text)) {
			m.lengths[text[0]] = append(l, len(text))
		}
	}
	for _, l := range m.lengths {
		slices.SortFunc(l, func(a, b int) int { return cmp.Compare(b, a) })
	}
	return m
}

// next returns where the first added token is in text, the longest where several
// begin at one place, and its id. Without one, start and end are len(text).
func (m *matcher) next(text string) (start, end int, id int32) {
	if len(m.ids) == 0 {
		return len(text), len(text), 0
	}
	for i := 0; i < len(text); i++ {
		for _, n := range m.lengths[text[i]] {
			if n > len(text)-i {
				continue
			}
			if id, ok := m.ids[text[i:i+n]]; ok {
				return i, i + n, id
			}
		}
	}
	return len(text), len(text), 0
}

// wordStart is how SentencePiece writes a space.
const wordStart = '\u2581'

// surface is a SentencePiece token's text.
func surface(token string) string { return strings.ReplaceAll(token, string(wordStart), " ") }
