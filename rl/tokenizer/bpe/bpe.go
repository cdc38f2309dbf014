// Package bpe reads the tokenizer.json of Hugging Face's tokenizers library and
// encodes as that library does. Two families are understood:
//
//   - byte-level BPE: GPT-2, Qwen2.5 (with NFC) and Llama 3 (whole words of the
//     vocabulary are taken before any merge), each with its own splitting pattern;
//   - SentencePiece-style BPE: Llama 2, with fallback to bytes.
//
// Whatever else a file asks for is refused with a *FileError that names the key:
// to ignore a setting would be to make other tokens than the model was trained on.
//
// # What differs from the original
//
//   - Encode takes text for text: a control token (an added token that the file
//     calls special) never comes out of it, whatever the text says. EncodeControls
//     and Chat are the ways to make control tokens. An added token that is not
//     special, such as <tool_call> of Qwen2.5, is text and is recognised, as in
//     the original.
//   - A file must have a token for each of the 256 bytes, so every text can be
//     encoded; text that is not UTF-8 is refused. Ids must be 0 to n-1 without holes.
//   - Decode gives the bytes as they are, also where they are not UTF-8; the
//     original puts replacement characters there.
//   - Letters, numbers, spaces and compositions are those of Unicode 15.0, so that
//     ids do not depend on who built the program; a test holds the version. The
//     original's version moves with its releases: characters that are newer than
//     15.0 may be split otherwise there.
//   - For SentencePiece-style files the character U+2581 decodes to a space, in the
//     original too, so text that contains it does not come back as it was.
//
// # Bos and eos
//
// Both follow from tokenizer.json alone, because it is what a checkpoint's digest
// pins; tokenizer_config.json and generation_config.json are not read.
//
//   - bos is the control token that the post-processor's template puts before the
//     text; without a template, <|begin_of_text|> or <s>. GPT-2 and Qwen have none.
//   - eos is the control token that the template puts after the text; else the
//     first of <|im_end|>, <|eot_id|>, <|endoftext|>, <|end_of_text|>, </s> that is
//     a control token. The first two end a turn of a chat model. A base model ends
//     with the others: EndTokens lists all of them, for a run's parameters.
package bpe

import (
	"fmt"
	"unicode/utf8"

	"github.com/galahad-network/galahad/rl/tokenizer"
)

const (
	// MaxFileBytes bounds a tokenizer.json. Llama 3's has 9 MB, Qwen3's 11 MB.
	MaxFileBytes = 32 << 20
	// MaxTextBytes bounds a text to encode.
	MaxTextBytes = 1 << 28
)

// FileError says which key of a tokenizer.json is to blame, and why. It wraps
// tokenizer.ErrTooLarge, ErrSyntax (not JSON, a value of another type, a key
// twice or missing), ErrFormat (a setting that is not understood) or ErrVocab.
type FileError struct {
	Key    string // such as "model.merges[17]"; empty for the file as a whole
	Reason string
	Err    error
}

func (e *FileError) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("%v: %s", e.Err, e.Reason)
	}
	return fmt.Sprintf("%v: %s: %s", e.Err, e.Key, e.Reason)
}

// Unwrap returns the kind of the error.
func (e *FileError) Unwrap() error { return e.Err }

// Tokenizer is a loaded tokenizer.json. It is immutable.
type Tokenizer struct {
	tokens   []string // the bytes of each id; "" for control tokens
	controls map[string]int32
	plain    matcher // added tokens that are text
	added    matcher // all added tokens
	merges   map[uint64]merge
	bytes    [256]int32 // the token of each byte

	// Byte-level files.
	split func(text string) int // length of the first piece; nil for SentencePiece-style
	words map[string]int32      // pieces that are one token before any merge; nil for none
	nfc   bool

	// SentencePiece-style files.
	runes map[rune]int32

	bos, eos int32 // bos -1 for none
	ends     []int32
	digest   [32]byte
}

var _ tokenizer.Tokenizer = (*Tokenizer)(nil)

// Encode implements tokenizer.Tokenizer. Errors: tokenizer.ErrUnknown where text
// is not UTF-8, tokenizer.ErrTooLarge above MaxTextBytes.
func (t *Tokenizer) Encode(text string) ([]int32, error) { return t.encode(text, &t.plain) }

// EncodeControls is Encode for text that may name control tokens, such as a
// rendered chat template: a control token's text becomes the token. It is not for
// text that others wrote.
func (t *Tokenizer) EncodeControls(text string) ([]int32, error) { return t.encode(text, &t.added) }

// Decode implements tokenizer.Tokenizer. SentencePiece-style files put a space
// before a text; Decode drops one space at the beginning.
func (t *Tokenizer) Decode(ids []int32) []byte {
	out := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		if id >= 0 && int(id) < len(t.tokens) {
			out = append(out, t.tokens[id]...)
		}
	}
	if t.split == nil && len(out) > 0 && out[0] == ' ' {
		out = out[1:]
	}
	return out
}

// Special implements tokenizer.Tokenizer.
func (t *Tokenizer) Special(id int32) bool {
	return id < 0 || int(id) >= len(t.tokens) || t.tokens[id] == ""
}

// VocabSize implements tokenizer.Tokenizer.
func (t *Tokenizer) VocabSize() int { return len(t.tokens) }

// BOS implements tokenizer.Tokenizer.
func (t *Tokenizer) BOS() (int32, bool) { return t.bos, t.bos >= 0 }

// EOS implements tokenizer.Tokenizer.
func (t *Tokenizer) EOS() int32 { return t.eos }

// EndTokens lists the control tokens that end a completion, ascending; EOS is
// one of them.
func (t *Tokenizer) EndTokens() []int32 { return append([]int32(nil), t.ends...) }

// Control returns the id of a control token by its text, such as "<|im_end|>".
func (t *Tokenizer) Control(text string) (int32, bool) {
	id, ok := t.controls[text]
	return id, ok
}

// Kind names the family of the file.
func (t *Tokenizer) Kind() string {
	if t.split == nil {
		return "SentencePiece-style BPE"
	}
	return "byte-level BPE"
}

// Digest implements tokenizer.Tokenizer.
func (t *Tokenizer) Digest() [32]byte { return t.digest }

// checkText refuses what cannot be encoded.
func checkText(text string) error {
	if len(text) > MaxTextBytes {
		return fmt.Errorf("%w: text of %d bytes, limit %d", tokenizer.ErrTooLarge, len(text), MaxTextBytes)
	}
	if utf8.ValidString(text) {
		return nil
	}
	for i, r := range text {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
				return fmt.Errorf("%w: byte 0x%02x at byte %d is not UTF-8", tokenizer.ErrUnknown, text[i], i)
			}
		}
	}
	return nil
}
