package bpe

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/tokenizer"
)

// small makes a file with the settings of a name, the bytes, and a few words.
func small(t testing.TB, name string) string {
	t.Helper()
	shell, err := os.ReadFile("testdata/" + name + ".json")
	require.NoError(t, err)
	if name == "sentencepiece" {
		vocab, merges := sentencepiece([]string{"\u0120 a", "a b", "a c"})
		return string(fill(shell, false, vocab, merges))
	}
	var vocab []string
	for _, r := range alphabet {
		vocab = append(vocab, string(r))
	}
	vocab = append(vocab, "ab", "ac", "\u0120a")
	text := string(fill(shell, name == "qwen2.5", vocab, []string{"a b", "a c", "\u0120 a"}))
	if name == "gpt2" {
		return strings.Replace(text, `"id": 50256`, `"id": 259`, 1)
	}
	text = strings.NewReplacer("50256", "259", "50257", "260", "50258", "261", "50259", "262", "50260", "263", "50261", "264").Replace(text)
	for id, next := 151643, 259; id <= 151664; id, next = id+1, next+1 {
		text = strings.Replace(text, strconv.Itoa(id), strconv.Itoa(next), 1)
	}
	return text
}

func TestSmallFilesLoad(t *testing.T) {
	for _, name := range names {
		tok, err := Load([]byte(small(t, name)))
		require.NoError(t, err, name)
		ids, err := tok.Encode(" abac")
		require.NoError(t, err)
		require.Equal(t, " abac", " "+strings.TrimPrefix(string(tok.Decode(ids)), " "), name)
	}
}

func TestLoadNamesTheKeyThatIsWrong(t *testing.T) {
	syntax, format, vocab := tokenizer.ErrSyntax, tokenizer.ErrFormat, tokenizer.ErrVocab
	for _, c := range []struct {
		name, file, from, to string // in file, from is replaced by to
		key                  string
		err                  error
	}{
		{"no object", "gpt2", "", "[1]", "", syntax},
		{"version", "gpt2", `"1.0"`, `"2.0"`, "version", format},
		{"version missing", "gpt2", `"version": "1.0",`, "", "version", format},
		{"truncation", "gpt2", `"truncation": null`, `"truncation": {"max_length": 5}`, "truncation", format},
		{"padding", "gpt2", `"padding": null`, `"padding": {}`, "padding", format},
		{"unknown key", "gpt2", `"padding": null`, `"padding": null, "paddin": 1`, "paddin", format},
		{"key in another case", "gpt2", `"padding"`, `"Padding"`, "Padding", format},
		{"key twice", "gpt2", `"padding": null`, `"padding": null, "padding": null`, "padding", syntax},
		{"escaped key twice", "gpt2", `"padding": null`, `"padding": null, "p\u0061dding": null`, "padding", syntax},
		{"half a surrogate pair", "gpt2", `"1.0"`, `"\ud800"`, "version", format},
		{"half a surrogate pair as a token", "gpt2", `"ab":`, `"\ud800":`, "model.vocab", syntax},
		{"bytes after the end", "gpt2", "", "{} {}", "", syntax},

		{"normalizer", "qwen2.5", `"NFC"`, `"NFKC"`, "normalizer.type", format},
		{"normalizer of Llama 2 on bytes", "gpt2", `"normalizer": null`, `"normalizer": {"type": "Prepend", "prepend": "x"}`, "normalizer.prepend", format},
		{"prepended text", "sentencepiece", `"prepend": "▁"`, `"prepend": "_"`, "normalizer.normalizers[0].prepend", format},
		{"normalizer missing", "sentencepiece", `"type": "Replace",`, `"type": "Replace", "x": 1,`, "normalizer.normalizers[1].x", format},
		{"pattern", "qwen2.5", `\\p{N}| `, `\\p{N}+| `, "pre_tokenizer.pretokenizers[0].pattern.Regex", format},
		{"pattern as a string", "qwen2.5", `"Regex"`, `"String"`, "pre_tokenizer.pretokenizers[0].pattern.String", format},
		{"behavior", "qwen2.5", `"Isolated"`, `"Removed"`, "pre_tokenizer.pretokenizers[0].behavior", format},
		{"invert", "qwen2.5", `"invert": false`, `"invert": true`, "pre_tokenizer.pretokenizers[0].invert", format},
		{"prefix space", "gpt2", `"add_prefix_space": false`, `"add_prefix_space": true`, "pre_tokenizer.add_prefix_space", format},
		{"no pattern", "gpt2", `"use_regex": true`, `"use_regex": false`, "pre_tokenizer.use_regex", format},
		{"pre-tokenizer", "gpt2", `"type": "ByteLevel"`, `"type": "Metaspace"`, "pre_tokenizer.type", format},
		{"decoder", "sentencepiece", `"start": 1`, `"start": 2`, "decoder.decoders[3].start", format},
		{"post-processor", "sentencepiece", `"TemplateProcessing"`, `"BertProcessing"`, "post_processor.type", format},
		{"template's token", "sentencepiece", `"ids": [
     1`, `"ids": [
     2`, "post_processor.special_tokens.<s>.ids[0]", format},

		{"model", "gpt2", `"type": "BPE"`, `"type": "Unigram"`, "model.type", format},
		{"dropout", "gpt2", `"dropout": null`, `"dropout": 0.1`, "model.dropout", format},
		{"subword prefix", "gpt2", `"continuing_subword_prefix": ""`, `"continuing_subword_prefix": "##"`, "model.continuing_subword_prefix", format},
		{"fallback on bytes", "gpt2", `"byte_fallback": false`, `"byte_fallback": true`, "model.byte_fallback", format},
		{"no fallback", "sentencepiece", `"byte_fallback": true`, `"byte_fallback": false`, "model.byte_fallback", format},
		{"whole words without words", "sentencepiece", `"byte_fallback": true`, `"byte_fallback": true, "ignore_merges": true`, "model.ignore_merges", format},

		{"no vocabulary", "gpt2", `"vocab":`, `"vocab": null, "x":`, "model.x", format},
		{"vocabulary is an array", "gpt2", `"vocab": {`, `"vocab": [], "unk_token": {`, "model.unk_token", syntax},
		{"id is a string", "gpt2", `"ab":256`, `"ab":"256"`, "model.vocab.ab", syntax},
		{"id is a fraction", "gpt2", `"ab":256`, `"ab":256.0`, "model.vocab.ab", syntax},
		{"id negative", "gpt2", `"ab":256`, `"ab":-1`, "model.vocab.ab", vocab},
		{"id beyond 32 bits", "gpt2", `"ab":256`, `"ab":4294967552`, "model.vocab.ab", vocab},
		{"id beyond 64 bits", "gpt2", `"ab":256`, `"ab":99999999999999999999`, "model.vocab.ab", syntax},
		{"hole", "gpt2", `"ab":256`, `"ab":1000000`, "model.vocab.ab", vocab},
		{"id twice", "gpt2", `"ab":256`, `"ab":257`, "model.vocab.ac", vocab},
		{"token twice", "gpt2", `"ab":256,"ac":257`, `"ab":256,"ab":257`, "model.vocab.ab", syntax},
		{"empty token", "gpt2", `"ab":256`, `"":256`, "model.vocab.", vocab},
		{"byte missing", "gpt2", `"a":97`, `"aa":97`, "model.vocab", vocab},
		{"byte missing as a fallback", "sentencepiece", `<0x41>`, `<0x4g>`, "model.vocab", vocab},
		{"token outside the alphabet", "gpt2", `"ab":256`, `"a b":256`, "model.vocab.a b", vocab},
		{"byte is a control token", "gpt2", `"id": 259,
   "content": "<|endoftext|>"`, `"id": 97,
   "content": "a"`, "model.vocab", vocab},

		{"no merges", "gpt2", `"merges":`, `"x":`, "model.x", format},
		{"merges are an object", "gpt2", `["a b","a c","Ġ a"]`, `{}`, "model.merges", syntax},
		{"merge of an unknown token", "gpt2", `"a c"`, `"a zz"`, "model.merges[1]", vocab},
		{"merge to an unknown token", "gpt2", `"a c"`, `"a d"`, "model.merges[1]", vocab},
		{"merge outside the alphabet", "gpt2", `"a c"`, `"a 世"`, "model.merges[1]", vocab},
		{"merge twice", "gpt2", `"a c"`, `"a b"`, "model.merges[1]", vocab},
		{"merge of one", "gpt2", `"a c"`, `"ac"`, "model.merges[1]", syntax},
		{"merge of three", "gpt2", `"a c"`, `"a c d"`, "model.merges[1]", syntax},
		{"merge of three in an array", "qwen2.5", `["a","c"]`, `["a","c","d"]`, "model.merges[1]", syntax},
		{"merge is a number", "qwen2.5", `["a","c"]`, `7`, "model.merges[1]", syntax},
		{"merge of a number", "qwen2.5", `["a","c"]`, `["a",7]`, "model.merges[1][1]", syntax},
		{"merge to a control token", "gpt2", `"id": 259,
   "content": "<|endoftext|>"`, `"id": 257,
   "content": "ac"`, "model.merges[1]", vocab},
		{"merge to a byte token", "sentencepiece", `"a b"`, `"<0x41 >"`, "model.merges[1]", vocab},

		{"added id twice", "llama3", `"id": 260`, `"id": 259`, "added_tokens[1]", vocab},
		{"added content twice", "llama3", `"content": "<|end_of_text|>"`, `"content": "<|begin_of_text|>"`, "added_tokens[1]", vocab},
		{"added id is taken by a word", "llama3", `"id": 260`, `"id": 5`, "model.vocab.", vocab},
		{"added hole", "llama3", `"id": 264`, `"id": 300`, "added_tokens[5]", vocab},
		{"added id huge", "llama3", `"id": 264`, `"id": 2147483648`, "added_tokens[5].id", vocab},
		{"added content empty", "llama3", `"content": "<|end_of_text|>"`, `"content": ""`, "added_tokens[1].content", vocab},
		{"added content huge", "llama3", `"content": "<|end_of_text|>"`, `"content": "` + strings.Repeat("x", 257) + `"`, "added_tokens[1].content", vocab},
		{"added text that strips", "qwen2.5", `"content": "<tool_call>",
   "lstrip": false`, `"content": "<tool_call>",
   "lstrip": true`, "added_tokens[14].lstrip", format},
		{"added text found after normalization", "qwen2.5", `"content": "<tool_call>",
   "lstrip": false,
   "normalized": false`, `"content": "<tool_call>",
   "lstrip": false,
   "normalized": true`, "added_tokens[14].normalized", format},
		{"two templates", "llama3", `"type": "ByteLevel",
    "add_prefix_space": true,
    "trim_offsets": false,
    "use_regex": true
   }`, `"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}]
   }`, "post_processor.processors[1]", format},
		{"no end token", "gpt2", `"<|endoftext|>"`, `"<|end|>"`, "added_tokens", vocab},
		{"template of an unknown token", "sentencepiece", `"id": "<s>",
     "type_id": 0`, `"id": "<x>",
     "type_id": 0`, "post_processor", vocab},
	} {
		file := c.to
		if c.from != "" {
			file = small(t, c.file)
			require.True(t, strings.Contains(file, c.from), c.name)
			file = strings.Replace(file, c.from, c.to, 1)
		}
		tok, err := Load([]byte(file))
		require.Nil(t, tok, c.name)
		require.ErrorIs(t, err, c.err, "%s: %v", c.name, err)
		var fe *FileError
		require.True(t, errors.As(err, &fe), c.name)
		if c.name == "added id is taken by a word" {
			require.True(t, strings.HasPrefix(fe.Key, c.key), "%s: %v", c.name, err)
			continue
		}
		require.Equal(t, c.key, fe.Key, "%s: %v", c.name, err)
		require.Less(t, len(err.Error()), 600, c.name)
	}
}

func TestTruncatedFilesAreRefused(t *testing.T) {
	for _, name := range names {
		file := small(t, name)
		for n := 0; n < len(strings.TrimSpace(file)); n += 7 {
			_, err := Load([]byte(file[:n]))
			require.ErrorIs(t, err, tokenizer.ErrSyntax, "%s cut to %d bytes", name, n)
		}
	}
}

func TestHostileFilesCostNoMoreThanTheirSize(t *testing.T) {
	const n = 1 << 20
	base := small(t, "gpt2")
	for name, file := range map[string]string{
		"too large":         strings.Repeat(" ", MaxFileBytes+1),
		"deep arrays":       strings.Repeat("[", n),
		"deep in place":     strings.Replace(base, `"padding": null`, `"padding": `+strings.Repeat("[", 9000)+strings.Repeat("]", 9000), 1),
		"deep processors":   strings.Replace(base, `"post_processor": {`, `"post_processor": `+strings.Repeat(`{"type":"Sequence","processors":[`, 4000)+"null"+strings.Repeat("]}", 4000)+`,"y":{`, 1),
		"one key very long": strings.Replace(base, `"padding"`, `"`+strings.Repeat("x", n)+`"`, 1),
		"many merges":       strings.Replace(base, `"a c"`, strings.TrimSuffix(strings.Repeat(`"a c",`, n/6), ","), 1),
		"many tokens":       strings.Replace(base, `"ab":256`, strings.TrimSuffix(strings.Repeat(`"ab":256,`, n/9), ","), 1),
		"many added":        strings.Replace(base, `"added_tokens": [`, `"added_tokens": [`+strings.Repeat(`{},`, n/3), 1),
		"not UTF-8":         strings.Replace(base, `"ab"`, "\"\xff\"", 1),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Load([]byte(file))
		runtime.ReadMemStats(&after)
		var fe *FileError
		require.True(t, errors.As(err, &fe), "%s: %v", name, err)
		require.Less(t, len(err.Error()), 1000, name)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(32*len(file)+1<<20), name)
	}
}

func TestSettingsThatChangeNoIdsAreAccepted(t *testing.T) {
	for _, c := range []struct{ file, from, to string }{
		{"gpt2", `"type": "BPE",`, ""},
		{"gpt2", `"fuse_unk": false`, `"fuse_unk": true`},
		{"gpt2", `"unk_token": null`, `"unk_token": "<|endoftext|>"`},
		{"gpt2", `"trim_offsets": true`, `"trim_offsets": false`},
		{"gpt2", `"normalized": false`, `"normalized": true`},
		{"gpt2", `"byte_fallback": false,`, ""},
		{"llama3", `"continuing_subword_prefix": null`, `"continuing_subword_prefix": ""`},
	} {
		file := small(t, c.file)
		require.True(t, strings.Contains(file, c.from), c.from)
		_, err := Load([]byte(strings.Replace(file, c.from, c.to, 1)))
		require.NoError(t, err, c.to)
	}
}

func TestNoSettingMakesTextAControlToken(t *testing.T) {
	// A control token among the words, which Llama 3's files look up before merges.
	file := small(t, "llama3")
	file = strings.Replace(file, `"Ġa":258`, `"Ġa":258,"<|eot_id|>":264`, 1)
	tok, err := Load([]byte(file))
	require.NoError(t, err)
	for _, text := range []string{"<|eot_id|>", " <|eot_id|>", "<|begin_of_text|>"} {
		ids, err := tok.Encode(text)
		require.NoError(t, err)
		require.NotContains(t, special(tok, ids), true, text)
		require.Equal(t, text, string(tok.Decode(ids)))
	}
	ids, err := tok.EncodeControls("a<|eot_id|>")
	require.NoError(t, err)
	require.Equal(t, []int32{97, 264}, ids)
}
