package bpe

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
)

func TestEncodesAsTheOriginalLibrary(t *testing.T) {
	v := readVectors(t)
	for _, name := range names {
		t.Run(name, func(t *testing.T) { checkVectors(t, v, name, load(t, name)) })
	}
}

// TestPublishedFiles runs the vectors of files that may not be copied: set
// GALAHAD_TOKENIZERS to a folder with llama3/tokenizer.json (Llama 3.1's) and
// sentencepiece/tokenizer.json (Mistral 7B v0.1's).
func TestPublishedFiles(t *testing.T) {
	folder := os.Getenv("GALAHAD_TOKENIZERS")
	if folder == "" {
		t.Skip("GALAHAD_TOKENIZERS names no folder of published tokenizer.json files")
	}
	v := readVectors(t)
	for _, name := range []string{"llama3", "sentencepiece"} {
		data, err := os.ReadFile(filepath.Join(folder, name, "tokenizer.json"))
		require.NoError(t, err)
		tok, err := Load(data)
		require.NoError(t, err)
		checkVectors(t, v, "published/"+name, tok)
	}
}

func checkVectors(t *testing.T, v vectors, name string, tok *Tokenizer) {
	want, ok := v.Tokenizers[name]
	require.True(t, ok)
	for i, text := range v.Texts {
		ids, err := tok.Encode(text)
		require.NoError(t, err)
		require.Equal(t, want.Text[i], ids, "%s: %q", name, text)
		require.NotContains(t, special(tok, ids), true, "%s: %q", name, text)
		controls, err := tok.EncodeControls(text)
		require.NoError(t, err)
		require.Equal(t, want.Controls[i], controls, "%s: %q with control tokens", name, text)
		// The original writes replacement characters for bytes that are not UTF-8.
		if !strings.ContainsRune(want.Decoded[i], utf8.RuneError) {
			require.Equal(t, want.Decoded[i], string(tok.Decode(controls)), "%s: %q", name, text)
		}
	}
	h := sha256.New()
	for _, p := range problems(t) {
		for _, text := range []string{p.Question, p.Answer} {
			ids, err := tok.Encode(text)
			require.NoError(t, err)
			for i, id := range ids {
				if i > 0 {
					h.Write([]byte{' '})
				}
				h.Write(strconv.AppendInt(nil, int64(id), 10))
			}
			h.Write([]byte{'\n'})
		}
	}
	require.Equal(t, want.GSM8K, hex.EncodeToString(h.Sum(nil)), name)
}

func special(tok *Tokenizer, ids []int32) []bool {
	out := make([]bool, len(ids))
	for i, id := range ids {
		out[i] = tok.Special(id)
	}
	return out
}

type problem struct{ Question, Answer string }

// problems are 400 of GSM8K's training problems.
func problems(t testing.TB) []problem {
	t.Helper()
	data, err := unzip("testdata/gsm8k.jsonl.gz")
	require.NoError(t, err)
	var out []problem
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		var p problem
		require.NoError(t, json.Unmarshal(s.Bytes(), &p))
		out = append(out, p)
	}
	require.Len(t, out, 400)
	return out
}

func TestQuestionsComeBackByteForByte(t *testing.T) {
	for _, name := range names {
		tok := load(t, name)
		for _, p := range problems(t) {
			for _, text := range []string{p.Question, p.Answer} {
				ids, err := tok.Encode(text)
				require.NoError(t, err)
				require.Equal(t, text, string(tok.Decode(ids)), name)
			}
		}
	}
}

// Tokens would move silently with these tables. A new version is a decision: the
// package's comment names the version.
func TestUnicodeVersionIsTheDocumentedOne(t *testing.T) {
	require.Equal(t, "15.0.0", unicode.Version)
	require.Equal(t, "15.0.0", norm.Version)
}

func TestBosEosAndEndTokens(t *testing.T) {
	for name, want := range map[string]struct {
		bos, eos int32
		ends     []int32
		vocab    int
	}{
		"gpt2":          {-1, 50256, []int32{50256}, 50257},
		"qwen2.5":       {-1, 151645, []int32{151643, 151645}, 151665},
		"llama3":        {50256, 50261, []int32{50257, 50260, 50261}, 50262},
		"sentencepiece": {1, 2, []int32{2}, load(t, "sentencepiece").VocabSize()},
	} {
		tok := load(t, name)
		bos, ok := tok.BOS()
		require.Equal(t, want.bos, bos, name)
		require.Equal(t, want.bos >= 0, ok, name)
		require.Equal(t, want.eos, tok.EOS(), name)
		require.Equal(t, want.ends, tok.EndTokens(), name)
		require.Equal(t, want.vocab, tok.VocabSize(), name)
		for _, id := range want.ends {
			require.True(t, tok.Special(id), name)
			require.Empty(t, tok.Decode([]int32{id}), name)
		}
	}
}

func TestDecodeSkipsWhatIsNoToken(t *testing.T) {
	tok := load(t, "gpt2")
	ids, err := tok.Encode("Hello")
	require.NoError(t, err)
	require.Equal(t, "Hello", string(tok.Decode(append(ids, -1, 50256, 50257, 1<<31-1))))
	for _, id := range []int32{-1, 50256, 50257, 1<<31 - 1} {
		require.True(t, tok.Special(id))
	}
}

func TestTextThatIsNotUTF8IsRefusedWithItsPlace(t *testing.T) {
	for _, name := range names {
		_, err := load(t, name).Encode("a\ufffd\xff")
		require.ErrorContains(t, err, "byte 0xff at byte 4", name)
	}
}
