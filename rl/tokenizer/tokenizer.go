// Package tokenizer turns text into token ids and back, by the tokenizer.json
// of the checkpoint itself. It holds the interface and the character-level kind,
// which the chain runs too; package bpe reads the files of Hugging Face's library,
// and package auto whichever a checkpoint has.
//
// # File format of the character level
//
//	{
//	  "format": "galahad-char-v1",
//	  "vocab": ["<pad>", "<bos>", "<eos>", "0", "1", ...],
//	  "pad": 0, "bos": 1, "eos": 2
//	}
//
// A token's id is its place in vocab. Entries of one Unicode character are text;
// all longer ones are control tokens and must read <name>. eos is required, pad
// and bos may be left out; all three must be control tokens and differ. White
// space between JSON tokens is free; apart from that the file must be exactly
// what the package writes (keys in this order, no escapes but those needed), so
// that no two readers can see different content. At most 64 KiB.
//
// The chain runs this code on the tokenizer of a run: integers only, no panics.
package tokenizer

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxFileBytes bounds a tokenizer.json.
const MaxFileBytes = 64 << 10

// MaxVocab bounds the number of entries of a vocabulary.
const MaxVocab = 1 << 14

// Format names the character-level file format.
const Format = "galahad-char-v1"

// Errors that Load and Encode wrap; test with errors.Is.
var (
	ErrTooLarge  = errors.New("tokenizer: file too large")
	ErrSyntax    = errors.New("tokenizer: malformed file")
	ErrFormat    = errors.New("tokenizer: unsupported format")
	ErrVocab     = errors.New("tokenizer: invalid vocabulary")
	ErrUnknown   = errors.New("tokenizer: character not in the vocabulary")
	ErrCanonical = errors.New("tokenizer: file not in canonical form")
)

// Tokenizer maps text to token ids and ids to bytes. Implementations are
// immutable and safe for concurrent use.
type Tokenizer interface {
	// Encode returns the ids of text, without bos or eos. It never produces a
	// control token, whatever text says. Error: ErrUnknown with the byte offset of
	// a character without a token, or of a byte that is not UTF-8.
	Encode(text string) ([]int32, error)
	// Decode concatenates the bytes of the ids. Control tokens and ids outside
	// the vocabulary give no bytes. Where Encode puts a space before the text,
	// Decode drops it.
	Decode(ids []int32) []byte
	// Special reports whether id is a control token (it has no bytes). Ids
	// outside the vocabulary are special.
	Special(id int32) bool
	// VocabSize is the number of ids; ids are 0..VocabSize-1.
	VocabSize() int
	// BOS is the id that starts a prompt, and whether there is one.
	BOS() (int32, bool)
	// EOS is the id that ends a completion.
	EOS() int32
	// Digest is the SHA-256 of the tokenizer's file.
	Digest() [32]byte
}

// Load parses a tokenizer.json. Errors: ErrTooLarge, ErrSyntax, ErrFormat,
// ErrVocab, ErrCanonical.
func Load(data []byte) (Tokenizer, error) {
	if len(data) > MaxFileBytes {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, len(data), MaxFileBytes)
	}
	var f file
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrSyntax, err)
	}
	if f.Format != Format {
		return nil, fmt.Errorf("%w: %q, want %q", ErrFormat, f.Format, Format)
	}
	// Catches what encoding/json lets through: repeated keys, keys in another
	// case, other escapes, bytes after the object.
	want, err := f.marshal()
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrSyntax, err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrSyntax, err)
	}
	if !bytes.Equal(compact.Bytes(), want) {
		return nil, ErrCanonical
	}
	t, err := newChar(f, sha256.Sum256(data))
	if err != nil {
		return nil, err
	}
	return t, nil
}

// file mirrors tokenizer.json; the order of fields is the order of keys.
type file struct {
	Format string   `json:"format"`
	Vocab  []string `json:"vocab"`
	Pad    *int32   `json:"pad,omitempty"`
	BOS    *int32   `json:"bos,omitempty"`
	EOS    *int32   `json:"eos"`
}

func (f file) marshal() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(f); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// char is the character-level tokenizer.
type char struct {
	vocab  []string // "" for control tokens
	ids    map[rune]int32
	bos    int32
	hasBOS bool
	eos    int32
	digest [32]byte
}

var _ Tokenizer = (*char)(nil)

func newChar(f file, digest [32]byte) (*char, error) {
	if len(f.Vocab) == 0 || len(f.Vocab) > MaxVocab {
		return nil, fmt.Errorf("%w: %d entries, want 1 to %d", ErrVocab, len(f.Vocab), MaxVocab)
	}
	t := &char{vocab: make([]string, len(f.Vocab)), ids: map[rune]int32{}, digest: digest}
	seen := make(map[string]bool, len(f.Vocab))
	for id, s := range f.Vocab {
		if seen[s] {
			return nil, fmt.Errorf("%w: entry %d %q is a repetition", ErrVocab, id, s)
		}
		seen[s] = true
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case s == "" || r == utf8.RuneError:
			return nil, fmt.Errorf("%w: entry %d is empty or not valid UTF-8", ErrVocab, id)
		case size == len(s):
			t.vocab[id], t.ids[r] = s, int32(id)
		case len(s) < 3 || s[0] != '<' || s[len(s)-1] != '>':
			return nil, fmt.Errorf("%w: entry %d %q is neither one character nor <name>", ErrVocab, id, s)
		}
	}
	return t, t.setControls(f)
}

// setControls checks pad, bos and eos and takes them over.
func (t *char) setControls(f file) error {
	if f.EOS == nil {
		return fmt.Errorf("%w: eos is missing", ErrVocab)
	}
	var used []int32
	for _, c := range []struct {
		name string
		id   *int32
	}{{"pad", f.Pad}, {"bos", f.BOS}, {"eos", f.EOS}} {
		if c.id == nil {
			continue
		}
		if *c.id < 0 || int(*c.id) >= len(t.vocab) || t.vocab[*c.id] != "" {
			return fmt.Errorf("%w: %s %d is not a control token", ErrVocab, c.name, *c.id)
		}
		for _, u := range used {
			if u == *c.id {
				return fmt.Errorf("%w: %s %d is in use", ErrVocab, c.name, *c.id)
			}
		}
		used = append(used, *c.id)
	}
	t.eos = *f.EOS
	if f.BOS != nil {
		t.bos, t.hasBOS = *f.BOS, true
	}
	return nil
}

// Encode implements Tokenizer.
func (t *char) Encode(text string) ([]int32, error) {
	ids := make([]int32, 0, len(text))
	for i, r := range text {
		id, ok := t.ids[r]
		if !ok {
			return nil, fmt.Errorf("%w: %q at byte %d", ErrUnknown, r, i)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// Decode implements Tokenizer.
func (t *char) Decode(ids []int32) []byte {
	out := make([]byte, 0, len(ids))
	for _, id := range ids {
		if id >= 0 && int(id) < len(t.vocab) {
			out = append(out, t.vocab[id]...)
		}
	}
	return out
}

// Special implements Tokenizer.
func (t *char) Special(id int32) bool {
	return id < 0 || int(id) >= len(t.vocab) || t.vocab[id] == ""
}

// VocabSize implements Tokenizer.
func (t *char) VocabSize() int { return len(t.vocab) }

// BOS implements Tokenizer.
func (t *char) BOS() (int32, bool) { return t.bos, t.hasBOS }

// EOS implements Tokenizer.
func (t *char) EOS() int32 { return t.eos }

// Digest implements Tokenizer.
func (t *char) Digest() [32]byte { return t.digest }
