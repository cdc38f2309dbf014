// Package auto loads a checkpoint's tokenizer.json, whichever of the two kinds it
// is: this project's character files (package tokenizer) or Hugging Face's (package
// bpe). The chain does not import it: it knows the character files alone.
package auto

import (
	"bytes"

	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/tokenizer/bpe"
)

// MaxFileBytes bounds a tokenizer.json of any kind.
const MaxFileBytes = bpe.MaxFileBytes

// Load parses a tokenizer.json. A file with a "model" is Hugging Face's, and so is
// one that is too large for a character file; a character file has a "format".
// Errors: those of tokenizer.Load and bpe.Load.
func Load(data []byte) (tokenizer.Tokenizer, error) {
	if len(data) <= tokenizer.MaxFileBytes && !bytes.Contains(data, []byte(`"model"`)) {
		return tokenizer.Load(data)
	}
	t, err := bpe.Load(data)
	if err != nil {
		return nil, err // not a nil *bpe.Tokenizer within an interface
	}
	return t, nil
}
