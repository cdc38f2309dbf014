package bpe

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/galahad-network/galahad/rl/tokenizer"
)

// maxVocab bounds ids, so that they and ranks fit 32 bits whatever a file says.
const maxVocab = 1 << 24

// maxAdded bounds the length of an added token in bytes.
const maxAdded = 256

// Load reads a tokenizer.json. Error: *FileError. Memory is a small multiple of
// the file's size, whatever it holds.
func Load(data []byte) (*Tokenizer, error) {
	file, err := parse(data)
	if err != nil {
		return nil, err
	}
	top, err := file.object("version", "truncation", "padding", "added_tokens", "normalizer",
		"pre_tokenizer", "post_processor", "decoder", "model")
	if err != nil {
		return nil, err
	}
	// Truncation and padding would change ids.
	for _, s := range []setting{{"version", "1.0"}, {"truncation", nil}, {"padding", nil}} {
		if err := top.get(s.name).is(s.want); err != nil {
			return nil, err
		}
	}
	p, err := readPipeline(top)
	if err != nil {
		return nil, err
	}
	l := loader{t: &Tokenizer{split: p.split, nfc: p.nfc, digest: sha256.Sum256(data)}}
	if err := l.readAdded(top.get("added_tokens"), p); err != nil {
		return nil, err
	}
	if err := l.readModel(top.get("model")); err != nil {
		return nil, err
	}
	if err := l.setEnds(top, p); err != nil {
		return nil, err
	}
	return l.t, nil
}

// setting is a key and what it may be.
type setting struct {
	name string
	want shape
}

// loader is the state of a Load.
type loader struct {
	t     *Tokenizer
	added map[int32]addedToken
	ids   map[string]int32 // tokens that merges may name, by their bytes or, SentencePiece-style, their text
}

type addedToken struct {
	value
	text    string
	control bool
}

// readAdded reads the added tokens. Whether a control token is looked for before
// or after normalization, or strips spaces, makes no difference to Encode, and
// EncodeControls takes it as it is written; for those that are text only the plain
// settings are taken.
func (l *loader) readAdded(v value, p pipeline) error {
	l.added = map[int32]addedToken{}
	l.t.controls = map[string]int32{}
	plain, all := map[string]int32{}, map[string]int32{}
	if !v.null() {
		err := v.elements(func(i int, raw []byte) error {
			id, a, err := readAddedToken(v.at(i, raw), p)
			if err != nil {
				return err
			}
			if _, ok := l.added[id]; ok {
				return a.fail(tokenizer.ErrVocab, "id %d is taken", id)
			}
			if _, ok := all[a.text]; ok {
				return a.fail(tokenizer.ErrVocab, "content %s is a repetition", clip(a.text))
			}
			l.added[id], all[a.text] = a, id
			if a.control {
				l.t.controls[a.text] = id
			} else {
				plain[a.text] = id
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	l.t.plain, l.t.added = newMatcher(plain), newMatcher(all)
	return nil
}

func readAddedToken(v value, p pipeline) (int32, addedToken, error) {
	a := addedToken{value: v}
	o, err := v.object("id", "content", "single_word", "lstrip", "rstrip", "normalized", "special")
	if err != nil {
		return 0, a, err
	}
	id, err := o.get("id").integer(maxVocab)
	if err != nil {
		return 0, a, err
	}
	if a.text, err = o.get("content").text(); err != nil {
		return 0, a, err
	}
	if a.text == "" || len(a.text) > maxAdded {
		return 0, a, o.get("content").fail(tokenizer.ErrVocab, "%d bytes, want 1 to %d", len(a.text), maxAdded)
	}
	if a.control, err = o.get("special").boolean(false); err != nil {
		return 0, a, err
	}
	normalized := shape(ignored)
	if p.nfc || p.split == nil {
		normalized = oneOf{nil, false}
	}
	unset := oneOf{nil, false}
	for _, s := range []setting{{"single_word", unset}, {"lstrip", unset}, {"rstrip", unset}, {"normalized", normalized}} {
		if a.control {
			s.want = ignored
		}
		if err := o.get(s.name).is(s.want); err != nil {
			return 0, a, err
		}
	}
	return id, a, nil
}

// readModel reads vocabulary and merges.
func (l *loader) readModel(v value) error {
	o, err := v.object("type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
		"fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges")
	if err != nil {
		return err
	}
	none := oneOf{nil, ""}
	for _, s := range []setting{
		{"type", oneOf{nil, "BPE"}}, {"dropout", nil}, {"continuing_subword_prefix", none}, {"end_of_word_suffix", none},
		{"fuse_unk", ignored}, // there is a token for every byte, so nothing is unknown
	} {
		if err := o.get(s.name).is(s.want); err != nil {
			return err
		}
	}
	fallback, err := o.get("byte_fallback").boolean(false)
	if err != nil {
		return err
	}
	if bytewise := l.t.split == nil; fallback != bytewise {
		return o.get("byte_fallback").unsupported(fmt.Sprintf("%t with this pre_tokenizer", bytewise))
	}
	wholeWords, err := o.get("ignore_merges").boolean(false)
	if err != nil {
		return err
	}
	if wholeWords && l.t.split == nil {
		return o.get("ignore_merges").unsupported("false without a pre_tokenizer")
	}
	if unk := o.get("unk_token"); !unk.null() {
		if _, err := unk.text(); err != nil {
			return err
		}
	}
	if err := l.readVocab(o.get("vocab")); err != nil {
		return err
	}
	if wholeWords {
		l.t.words = l.ids
	}
	return l.readMerges(o.get("merges"))
}

// readVocab fills the table of tokens; ids must be 0 to n-1.
func (l *loader) readVocab(v value) error {
	type entry struct {
		name string
		id   int32
	}
	var entries []entry
	err := v.members(func(name string, raw []byte) error {
		id, err := v.member(name, raw).integer(maxVocab)
		entries = append(entries, entry{name, id})
		return err
	})
	if err != nil {
		return err
	}
	n := len(entries) + len(l.added)
	for _, e := range entries {
		if _, ok := l.added[e.id]; ok {
			n-- // it is in both
		}
	}
	l.t.tokens, l.ids = make([]string, n), make(map[string]int32, len(entries))
	taken := make([]bool, n)
	if l.t.split == nil {
		l.t.runes = map[rune]int32{}
	}
	for i := range l.t.bytes {
		l.t.bytes[i] = -1
	}
	for _, e := range entries {
		m := v.member(e.name, nil)
		if int(e.id) >= n {
			return m.fail(tokenizer.ErrVocab, "id %d of a vocabulary of %d: there are holes", e.id, n)
		}
		if taken[e.id] {
			return m.fail(tokenizer.ErrVocab, "id %d is taken", e.id)
		}
		taken[e.id] = true
		if err := l.addToken(m, e.name, e.id); err != nil {
			return err
		}
	}
	for id, a := range l.added {
		if int(id) >= n {
			return a.fail(tokenizer.ErrVocab, "id %d of a vocabulary of %d: there are holes", id, n)
		}
		if a.control {
			continue
		}
		if text := l.t.tokens[id]; text != "" && text != a.text {
			return a.fail(tokenizer.ErrVocab, "in the vocabulary it stands for %s", clip(text))
		}
		l.t.tokens[id] = a.text
	}
	for b, id := range l.t.bytes {
		if id < 0 {
			return v.fail(tokenizer.ErrVocab, "no token for byte 0x%02x", b)
		}
	}
	return nil
}

// addToken enters a token of the vocabulary. Control tokens are not entered: no
// text and no merge can make them.
func (l *loader) addToken(v value, name string, id int32) error {
	if a, ok := l.added[id]; ok {
		if a.text != name {
			return v.fail(tokenizer.ErrVocab, "id %d is the added token %s", id, clip(a.text))
		}
		if a.control {
			return nil
		}
	} else if _, ok := l.t.added.ids[name]; ok {
		return v.fail(tokenizer.ErrVocab, "an added token has another id than %d", id)
	}
	if name == "" {
		return v.fail(tokenizer.ErrVocab, "empty token")
	}
	key := name
	if l.t.split == nil {
		if b, ok := fallbackByte(name); ok {
			l.t.bytes[b], l.t.tokens[id] = id, string([]byte{b})
			return nil
		}
		if r, n := utf8.DecodeRuneInString(name); n == len(name) {
			l.t.runes[r] = id // merges start from single characters
		}
		l.t.tokens[id] = surface(name)
	} else {
		raw, ok := fromAlphabet(nil, name)
		if !ok {
			return v.fail(tokenizer.ErrVocab, "not written in the alphabet of bytes")
		}
		key = string(raw)
		if len(key) == 1 {
			l.t.bytes[key[0]] = id
		}
		l.t.tokens[id] = key
	}
	if _, ok := l.ids[key]; ok {
		return v.fail(tokenizer.ErrSyntax, "the key is there twice")
	}
	l.ids[key] = id
	return nil
}

// readMerges reads the merges, the earliest first: "left right" or ["left", "right"].
func (l *loader) readMerges(v value) error {
	l.t.merges = map[uint64]merge{}
	var joined []byte
	return v.elements(func(i int, raw []byte) error {
		left, right, err := l.readMerge(v, i, raw)
		if err != nil {
			return err
		}
		var at [2]int
		var ids [2]int32
		joined = joined[:0]
		for k, side := range []string{left, right} {
			ok := true
			if at[k] = len(joined); l.t.split == nil {
				joined = append(joined, side...)
			} else {
				joined, ok = fromAlphabet(joined, side)
			}
			if ok {
				ids[k], ok = l.ids[string(joined[at[k]:])]
			}
			if !ok {
				return v.at(i, raw).fail(tokenizer.ErrVocab, "%s is not a token of text", clip(side))
			}
		}
		id, ok := l.ids[string(joined)]
		if !ok {
			return v.at(i, raw).fail(tokenizer.ErrVocab, "%s and %s make no token of text", clip(left), clip(right))
		}
		pair := pairOf(ids[0], ids[1])
		if m, ok := l.t.merges[pair]; ok {
			return v.at(i, raw).fail(tokenizer.ErrVocab, "a repetition of merge %d", m.rank)
		}
		l.t.merges[pair] = merge{int32(i), id}
		return nil
	})
}

func (l *loader) readMerge(v value, i int, raw []byte) (left, right string, err error) {
	m := value{v.key, raw}
	if raw[0] == '[' {
		var sides []string
		m = v.at(i, raw)
		err := m.elements(func(k int, raw []byte) error {
			s, err := m.at(k, raw).text()
			sides = append(sides, s)
			return err
		})
		if err == nil && len(sides) != 2 {
			err = m.fail(tokenizer.ErrSyntax, "%d tokens, want 2", len(sides))
		}
		if err != nil {
			return "", "", err
		}
		return sides[0], sides[1], nil
	}
	s, err := m.text()
	if err != nil {
		return "", "", v.at(i, raw).mistyped("a string or two")
	}
	left, right, ok := strings.Cut(s, " ")
	if !ok || strings.Contains(right, " ") {
		return "", "", v.at(i, raw).fail(tokenizer.ErrSyntax, "%s, want two tokens", clip(s))
	}
	return left, right, nil
}

// The names of tokens that begin a text and that end one, by which a file without
// a template is read. The order is that of preference.
var (
	startNames = []string{"<|begin_of_text|>", "<s>"}
	endNames   = []string{"<|im_end|>", "<|eot_id|>", "<|endoftext|>", "<|end_of_text|>", "</s>", "<|eom_id|>"}
)

// setEnds sets bos, eos and the end tokens; see the package's comment.
func (l *loader) setEnds(top object, p pipeline) error {
	t := l.t
	for _, name := range []string{p.bos, p.eos} {
		if name == "" {
			continue
		}
		id, ok := t.controls[name]
		if !ok {
			return top.get("post_processor").fail(tokenizer.ErrVocab, "%s is not a control token", clip(name))
		}
		err := p.specials.members(func(n string, raw []byte) error {
			if n != name {
				return nil // of the template for pairs
			}
			return p.specials.member(n, raw).is(fields{"id": name, "ids": list{int(id)}, "tokens": list{name}})
		})
		if err != nil {
			return err
		}
	}
	control := func(names ...string) int32 {
		for _, name := range names {
			if id, ok := t.controls[name]; ok {
				return id
			}
		}
		return -1
	}
	t.bos = control(append([]string{p.bos}, startNames...)...)
	t.eos = control(append([]string{p.eos}, endNames...)...)
	if t.eos < 0 {
		return top.get("added_tokens").fail(tokenizer.ErrVocab, "no control token that ends a text, such as %s", strings.Join(endNames[:5], ", "))
	}
	t.ends = []int32{t.eos}
	for _, name := range endNames {
		if id := control(name); id >= 0 && id != t.eos && id != t.bos {
			t.ends = append(t.ends, id)
		}
	}
	slices.Sort(t.ends)
	return nil
}
