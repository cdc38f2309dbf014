package auto

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/tokenizer/bpe"
	"github.com/galahad-network/galahad/testutil/hftokenizer"
)

func TestCharacterFilesAreLoadedAsBefore(t *testing.T) {
	file := tokenizer.ArithmeticFile()
	want, err := tokenizer.Load(file)
	require.NoError(t, err)
	got, err := Load(file)
	require.NoError(t, err)
	require.Equal(t, want, got)
	tok, err := Load([]byte(`{"format":"bpe","vocab":["<eos>"],"eos":0}`))
	require.ErrorIs(t, err, tokenizer.ErrFormat)
	require.Nil(t, tok)
}

func TestFilesWithAModelAreHuggingFaces(t *testing.T) {
	for _, file := range [][]byte{hftokenizer.Qwen25(t), hftokenizer.Llama3(t)} {
		for _, data := range [][]byte{file, append(bytes.Clone(file), bytes.Repeat([]byte(" "), tokenizer.MaxFileBytes)...)} {
			tok, err := Load(data)
			require.NoError(t, err)
			require.IsType(t, (*bpe.Tokenizer)(nil), tok)
			ids, err := tok.Encode("the band\u00e9 12 <|im_end|>")
			require.NoError(t, err)
			require.Equal(t, "the band\u00e9 12 <|im_end|>", string(tok.Decode(ids)))
			require.Equal(t, int32(257), ids[0])
		}
	}
}

func TestBrokenFilesAreNoTokenizer(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		err  error
	}{
		"empty":               {nil, tokenizer.ErrSyntax},
		"truncated":           {[]byte(`{"model": {"vocab"`), tokenizer.ErrSyntax},
		"large and truncated": {bytes.Repeat([]byte("["), 1<<20), tokenizer.ErrSyntax},
		"both":                {[]byte(`{"format":"galahad-char-v1","vocab":["<eos>"],"eos":0,"model":{}}`), tokenizer.ErrFormat},
		"too large":           {bytes.Repeat([]byte(" "), MaxFileBytes+1), tokenizer.ErrTooLarge},
	} {
		tok, err := Load(c.data)
		require.ErrorIs(t, err, c.err, name)
		require.True(t, tok == nil, "%s: an interface that is not nil", name)
	}
}
