package bpe

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// names are the files that build makes; testdata/README.md says what they are.
var names = []string{"gpt2", "qwen2.5", "llama3", "sentencepiece"}

// load returns a tokenizer of testdata by its name.
func load(t testing.TB, name string) *Tokenizer {
	t.Helper()
	tok, err := loaded[name]()
	require.NoError(t, err)
	return tok
}

var loaded = map[string]func() (*Tokenizer, error){}

func init() {
	for _, name := range names {
		loaded[name] = sync.OnceValues(func() (*Tokenizer, error) {
			data, err := build(name)
			if err != nil {
				return nil, err
			}
			return Load(data)
		})
	}
}

// build makes a tokenizer.json: the settings of testdata/NAME.json with vocabulary
// and merges in their places.
func build(name string) ([]byte, error) {
	shell, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		return nil, err
	}
	source := "gpt2"
	if name == "qwen2.5" {
		source = name
	}
	text, err := unzip("testdata/" + source + ".merges.gz")
	if err != nil {
		return nil, err
	}
	merges := strings.Split(strings.TrimSpace(string(text)), "\n")
	vocab := make([]string, 0, 256+len(merges))
	switch name {
	case "sentencepiece":
		vocab, merges = sentencepiece(merges)
	default:
		// The first 256 are the bytes, those that stand for themselves first.
		for _, own := range []bool{true, false} {
			for b, r := range alphabet {
				if (rune(b) == r) == own {
					vocab = append(vocab, string(r))
				}
			}
		}
		kept := merges[:0:0]
		for i, m := range merges {
			vocab = append(vocab, strings.Replace(m, " ", "", 1))
			if name != "llama3" || i%7 != 3 {
				kept = append(kept, m)
			}
		}
		merges = kept
		if name == "gpt2" {
			vocab = append(vocab, "<|endoftext|>")
		}
	}
	return fill(shell, name == "qwen2.5", vocab, merges), nil
}

// sentencepiece makes the vocabulary of a file of Llama 2's kind out of merges of
// GPT-2: the first 12,000 of printable ASCII.
func sentencepiece(from []string) (vocab, merges []string) {
	vocab = []string{"<unk>", "<s>", "</s>"}
	for b := range 256 {
		vocab = append(vocab, fmt.Sprintf("<0x%02X>", b))
	}
	vocab = append(vocab, "\u2581")
	for c := '!'; c <= '~'; c++ {
		vocab = append(vocab, string(c))
	}
	vocab = append(vocab, "\u00e9", "\u4e16", "\u754c")
	have := map[string]bool{}
	for _, s := range vocab {
		have[s] = true
	}
	for _, m := range from {
		m = strings.ReplaceAll(m, "\u0120", "\u2581")
		left, right, _ := strings.Cut(m, " ")
		if !have[left] || !have[right] || len(merges) == 12000 {
			continue
		}
		merges = append(merges, m)
		if joined := left + right; !have[joined] {
			have[joined] = true
			vocab = append(vocab, joined)
		}
	}
	return vocab, merges
}

// fill puts vocabulary and merges into a shell; pairs writes merges as arrays.
func fill(shell []byte, pairs bool, vocab, merges []string) []byte {
	var v, m bytes.Buffer
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`) // there are no control characters
	quote := func(s string) string { return `"` + escape.Replace(s) + `"` }
	sep := "{"
	for id, s := range vocab {
		fmt.Fprintf(&v, "%s%s:%d", sep, quote(s), id)
		sep = ","
	}
	v.WriteByte('}')
	sep = "["
	for _, s := range merges {
		left, right, _ := strings.Cut(s, " ")
		if pairs {
			fmt.Fprintf(&m, "%s[%s,%s]", sep, quote(left), quote(right))
		} else {
			fmt.Fprintf(&m, "%s%s", sep, quote(s))
		}
		sep = ","
	}
	m.WriteByte(']')
	out := bytes.Replace(shell, []byte(`"vocab": 0`), append([]byte(`"vocab": `), v.Bytes()...), 1)
	return bytes.Replace(out, []byte(`"merges": 0`), append([]byte(`"merges": `), m.Bytes()...), 1)
}

func unzip(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// vectors are testdata/vectors.json.gz: what the original library gives.
type vectors struct {
	Texts      []string
	Tokenizers map[string]struct {
		Text     [][]int32 // ids of each text, no control token looked for
		Controls [][]int32 // ids with control tokens
		Decoded  []string  // text of Controls, without control tokens
		GSM8K    string    // SHA-256 over the ids of questions and answers
	}
	Chats map[string][]struct {
		Messages []Message
		Reply    bool
		Rendered string
		IDs      []int32
	}
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	data, err := unzip("testdata/vectors.json.gz")
	require.NoError(t, err)
	var v vectors
	require.NoError(t, json.Unmarshal(data, &v))
	require.Greater(t, len(v.Texts), 250)
	return v
}
