package tokenizer

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func arithmetic(t testing.TB) Tokenizer {
	t.Helper()
	tok, err := Load(ArithmeticFile())
	require.NoError(t, err)
	return tok
}

func TestArithmeticVocabulary(t *testing.T) {
	tok := arithmetic(t)
	require.Equal(t, 32, tok.VocabSize())
	bos, ok := tok.BOS()
	require.True(t, ok)
	require.Equal(t, int32(1), bos)
	require.Equal(t, int32(2), tok.EOS())
	ids, err := tok.Encode("347+589=")
	require.NoError(t, err)
	require.Equal(t, []int32{6, 7, 10, 13, 8, 11, 12, 16}, ids)
	d := tok.Digest()
	require.Equal(t, "a9b11426cb09907da4493e9412d50d913a63d9f1f38a0c914bbd59e350c13f12", hex.EncodeToString(d[:]))
}

func TestDecodeGivesNoBytesForControlTokensAndUnknownIDs(t *testing.T) {
	tok := arithmetic(t)
	require.Equal(t, "12", string(tok.Decode([]int32{1, 4, 0, 5, 2, 32, -1, 1 << 30})))
	for _, id := range []int32{0, 1, 2, 32, -1} {
		require.True(t, tok.Special(id))
	}
	require.False(t, tok.Special(3))
}

func TestEncodeNeverMakesControlTokens(t *testing.T) {
	tok := arithmetic(t)
	_, err := tok.Encode("<eos>")
	require.ErrorIs(t, err, ErrUnknown) // 'e' is no character of it
	file := `{"format":"galahad-char-v1","vocab":["<eos>","<","e","o","s",">"],"eos":0}`
	full, err := Load([]byte(file))
	require.NoError(t, err)
	ids, err := full.Encode("<eos>")
	require.NoError(t, err)
	require.Equal(t, []int32{1, 2, 3, 4, 5}, ids)
}

func TestEncodeNamesTheUnknownCharacter(t *testing.T) {
	tok := arithmetic(t)
	for _, text := range []string{"12x", "1\u0663", "12\xff", "1\n"} {
		_, err := tok.Encode(text)
		require.ErrorIs(t, err, ErrUnknown, "%q", text)
	}
	_, err := tok.Encode("12x")
	require.ErrorContains(t, err, `'x' at byte 2`)
}

func TestLoadRefusesMalformedFiles(t *testing.T) {
	vocab := func(entries string) string {
		return `{"format":"galahad-char-v1","vocab":[` + entries + `],"eos":0}`
	}
	for name, c := range map[string]struct {
		file string
		err  error
	}{
		"empty":             {"", ErrSyntax},
		"not JSON":          {"vocab", ErrSyntax},
		"array":             {"[]", ErrSyntax},
		"unknown key":       {`{"format":"galahad-char-v1","vocab":["<eos>"],"eos":0,"x":1}`, ErrSyntax},
		"other format":      {`{"format":"bpe","vocab":["<eos>"],"eos":0}`, ErrFormat},
		"id is a string":    {`{"format":"galahad-char-v1","vocab":["<eos>"],"eos":"0"}`, ErrSyntax},
		"key twice":         {`{"format":"galahad-char-v1","vocab":["<eos>","a"],"vocab":["<eos>"],"eos":0}`, ErrCanonical},
		"key in upper case": {`{"FORMAT":"galahad-char-v1","vocab":["<eos>"],"eos":0}`, ErrCanonical},
		"keys out of order": {`{"vocab":["<eos>"],"format":"galahad-char-v1","eos":0}`, ErrCanonical},
		"escaped character": {vocab(`"<eos>","\u0061"`), ErrCanonical},
		"invalid UTF-8":     {vocab("\"<eos>\",\"\xff\""), ErrCanonical},
		"trailing object":   {vocab(`"<eos>"`) + "{}", ErrSyntax},
		"trailing bytes":    {vocab(`"<eos>"`) + "x", ErrSyntax},
		"null vocabulary":   {`{"format":"galahad-char-v1","vocab":null,"eos":0}`, ErrVocab},
		"no entries":        {vocab(``), ErrVocab},
		"repeated entry":    {vocab(`"<eos>","a","a"`), ErrVocab},
		"empty entry":       {vocab(`"<eos>",""`), ErrVocab},
		"two characters":    {vocab(`"<eos>","ab"`), ErrVocab},
		"replacement rune":  {vocab("\"<eos>\",\"\ufffd\""), ErrVocab},
		"eos is text":       {vocab(`"a","<eos>"`), ErrVocab},
		"eos missing":       {`{"format":"galahad-char-v1","vocab":["<eos>"],"eos":null}`, ErrVocab},
		"eos out of range":  {`{"format":"galahad-char-v1","vocab":["<eos>"],"eos":1}`, ErrVocab},
		"eos negative":      {`{"format":"galahad-char-v1","vocab":["<eos>"],"eos":-1}`, ErrVocab},
		"bos is eos":        {`{"format":"galahad-char-v1","vocab":["<eos>"],"bos":0,"eos":0}`, ErrVocab},
		"too large":         {strings.Repeat(" ", MaxFileBytes+1), ErrTooLarge},
	} {
		tok, err := Load([]byte(c.file))
		require.ErrorIs(t, err, c.err, name)
		require.Nil(t, tok, name)
	}
}

func TestWhiteSpaceIsFreeButChangesTheDigest(t *testing.T) {
	plain := `{"format":"galahad-char-v1","vocab":["<eos>","é"],"eos":0}`
	spaced := "{\n \"format\": \"galahad-char-v1\", \"vocab\": [\"<eos>\", \"é\"], \"eos\": 0 }\n"
	a, err := Load([]byte(plain))
	require.NoError(t, err)
	b, err := Load([]byte(spaced))
	require.NoError(t, err)
	require.NotEqual(t, a.Digest(), b.Digest())
	ids, err := b.Encode("éé")
	require.NoError(t, err)
	require.Equal(t, "éé", string(b.Decode(ids)))
}

func FuzzLoad(f *testing.F) {
	f.Add(ArithmeticFile())
	f.Add([]byte(`{"format":"galahad-char-v1","vocab":["<eos>","a"],"eos":0}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tok, err := Load(data)
		if err != nil {
			if tok != nil {
				t.Fatal("a tokenizer with an error")
			}
			return
		}
		if !tok.Special(tok.EOS()) || tok.VocabSize() < 1 {
			t.Fatalf("eos %d of %d", tok.EOS(), tok.VocabSize())
		}
		for id := int32(0); int(id) < tok.VocabSize(); id++ {
			text := tok.Decode([]int32{id})
			if len(text) == 0 {
				continue
			}
			ids, err := tok.Encode(string(text))
			if err != nil || len(ids) != 1 || ids[0] != id || !utf8.Valid(text) {
				t.Fatalf("token %d %q encodes to %v, %v", id, text, ids, err)
			}
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	f.Add("347+589=#936")
	tok := arithmetic(f)
	f.Fuzz(func(t *testing.T, text string) {
		ids, err := tok.Encode(text)
		if err != nil {
			return
		}
		if got := tok.Decode(ids); !bytes.Equal(got, []byte(text)) {
			t.Fatalf("%q became %q", text, got)
		}
	})
}
