// Package hftokenizer makes small tokenizer.json files in Hugging Face's format for
// tests: the settings and control tokens of a family, with the 256 bytes and a few
// words as the vocabulary, so that any text can be encoded.
package hftokenizer

import (
	"encoding/json"
	"strings"
	"testing"
)

// words are the vocabulary beyond the bytes, with the merge that makes each; a
// space is written as U+0120, as everywhere in such files.
var words = []string{"t h", "th e", "i n", "in g", "a n", "an d", "\u0120 the", "\u0120 and"}

// Qwen25 has the ids 0 to 255 for bytes, then words, then Qwen2.5's control tokens
// from <|endoftext|> to <|im_end|> and <tool_call>, </tool_call>, which are text.
func Qwen25(t testing.TB) []byte {
	return file(t, object{"type": "NFC"}, `\p{N}`, false, []string{"<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"})
}

// Llama3 has the ids 0 to 255 for bytes, then words, then Llama 3's control tokens.
func Llama3(t testing.TB) []byte {
	return file(t, nil, `\p{N}{1,3}`, true, []string{"<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>"})
}

type object = map[string]any

// file makes a tokenizer.json. An added token of the form <|name|> is special.
func file(t testing.TB, normalizer any, numbers string, wholeWords bool, added []string) []byte {
	t.Helper()
	vocab := object{}
	next := rune(256)
	for b := range rune(256) {
		r := b
		if prints := b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae; !prints {
			r, next = next, next+1
		}
		vocab[string(r)] = int(b)
	}
	for _, w := range words {
		vocab[strings.Replace(w, " ", "", 1)] = len(vocab)
	}
	var tokens []object
	for _, content := range added {
		tokens = append(tokens, object{
			"id": len(vocab) + len(tokens), "content": content, "special": strings.HasPrefix(content, "<|"),
			"single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
		})
	}
	pattern := `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|` + numbers + `| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	step := object{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false}
	data, err := json.MarshalIndent(object{
		"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": tokens, "normalizer": normalizer,
		"pre_tokenizer": object{"type": "Sequence", "pretokenizers": []object{
			{"type": "Split", "pattern": object{"Regex": pattern}, "behavior": "Isolated", "invert": false}, step,
		}},
		"post_processor": step, "decoder": step,
		"model": object{
			"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil,
			"fuse_unk": false, "byte_fallback": false, "ignore_merges": wholeWords, "vocab": vocab, "merges": words,
		},
	}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return data
}
