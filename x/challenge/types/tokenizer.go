package types

import (
	"bytes"

	"github.com/galahad-network/galahad/rl/tokenizer"
)

// CheckTokenizer refuses a file that is not the tokenizer which the run pins:
// one that does not load, has another digest, or another vocabulary. Error:
// ErrTokenizer.
func (r RunParams) CheckTokenizer(file []byte) error {
	if len(file) > tokenizer.MaxFileBytes {
		return ErrTokenizer.Wrapf("%d bytes, at most %d", len(file), tokenizer.MaxFileBytes)
	}
	t, err := tokenizer.Load(file)
	if err != nil {
		return ErrTokenizer.Wrap(err.Error())
	}
	if d := t.Digest(); !bytes.Equal(d[:], r.TokenizerDigest) {
		return ErrTokenizer.Wrapf("digest %x is not tokenizer_digest %x", d, r.TokenizerDigest)
	}
	if n := t.VocabSize(); uint64(n) > uint64(r.VocabSize) {
		return ErrTokenizer.Wrapf("%d entries, vocab_size is %d", n, r.VocabSize)
	}
	return nil
}
