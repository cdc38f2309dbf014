package hf

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/galahad-network/galahad/rl/engine"
)

// addedToken is a token beside the vocabulary of text.
type addedToken struct {
	text    string
	special bool
}

// added lists the family's added tokens in the order of their ids.
func (m Model) added() []addedToken {
	var list []addedToken
	if m.Config.Architecture == engine.Qwen2 {
		for _, name := range strings.Fields(`endoftext im_start im_end object_ref_start object_ref_end box_start box_end
			quad_start quad_end vision_start vision_end vision_pad image_pad video_pad`) {
			list = append(list, addedToken{"<|" + name + "|>", true})
		}
		for _, text := range strings.Fields(`<tool_call> </tool_call> <|fim_prefix|> <|fim_middle|> <|fim_suffix|>
			<|fim_pad|> <|repo_name|> <|file_sep|>`) {
			list = append(list, addedToken{text, false})
		}
		return list
	}
	names := map[int]string{
		0: "begin_of_text", 1: "end_of_text", 4: "finetune_right_pad_id", 6: "start_header_id", 7: "end_header_id",
		8: "eom_id", 9: "eot_id", 10: "python_tag",
	}
	reserved := 0
	for i := range 256 {
		name, ok := names[i]
		if !ok {
			name = fmt.Sprintf("reserved_special_token_%d", reserved)
			reserved++
		}
		list = append(list, addedToken{"<|" + name + "|>", true})
	}
	return list
}

// bosName and eosName are the tokens that config.json names.
func (m Model) bosName() string {
	if m.Config.Architecture == engine.Qwen2 {
		return "<|endoftext|>"
	}
	return "<|begin_of_text|>"
}

func (m Model) eosName() string {
	if m.Config.Architecture == engine.Qwen2 {
		return "<|endoftext|>"
	}
	return "<|end_of_text|>"
}

// id returns the id of an added token.
func (m Model) id(name string) int {
	for i, a := range m.added() {
		if a.text == name {
			return m.TextTokens + i
		}
	}
	panic("hf: no token " + name) // the names are those above
}

// letters are the characters that byte-level files write for bytes: the printable
// ones of Latin-1 stand for themselves, the others follow from U+0100 on.
func letters() (of [256]string) {
	next := rune(0x100)
	for b := range of {
		switch {
		case b > ' ' && b < 0x7f, b > 0xa0 && b != 0xad:
			of[b] = string(rune(b))
		default:
			of[b] = string(next)
			next++
		}
	}
	return of
}

// maxMerges is how many merges there can be: of any two bytes, and of a pair and
// a byte.
const maxMerges = 256*256 + 256*256*256

// merges calls f with n merges. All pairs of bytes come first, those of letters,
// digits and signs before the rest; then each pair with each byte.
func merges(n int, f func(left, right string) error) error {
	of := letters()
	var order []string
	seen := [256]bool{}
	use := func(b byte) {
		if !seen[b] {
			seen[b] = true
			order = append(order, of[b])
		}
	}
	for _, b := range []byte("etaoinshrdlcumwfgypbvkjxqz 0123456789+-=*#;:,.()?ETAOINSHRDLCUMWFGYPBVKJXQZ") {
		use(b)
	}
	for b := range 256 {
		use(byte(b))
	}
	pairs := make([][2]string, 0, 256*256)
	for i := range order { // shells: pairs of the first few bytes come before others
		for j := range i + 1 {
			pairs = append(pairs, [2]string{order[j], order[i]})
		}
		for j := range i {
			pairs = append(pairs, [2]string{order[i], order[j]})
		}
	}
	for k := range n {
		left, right := "", ""
		if k < len(pairs) {
			left, right = pairs[k][0], pairs[k][1]
		} else {
			k -= len(pairs)
			p := pairs[k/256]
			left, right = p[0]+p[1], order[k%256]
		}
		if err := f(left, right); err != nil {
			return err
		}
	}
	return nil
}

// The families' patterns for cutting text into pieces; they differ in how many
// digits a piece may have.
const (
	patternHead = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|`
	patternTail = `| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// writeTokenizer writes tokenizer.json: the settings as the family's have them,
// then vocabulary and merges, one a line.
func (m Model) writeTokenizer(f *os.File) error {
	w := bufio.NewWriterSize(f, 1<<16)
	quote := func(v any) string {
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			panic(err) // strings, numbers and maps of them
		}
		return strings.TrimSuffix(b.String(), "\n")
	}
	digits := `\p{N}`
	normalizer, template := any(object{"type": "NFC"}), byteLevel(false, false, false)
	decoder, more := byteLevel(false, false, false), ""
	if m.Config.Architecture == engine.Llama {
		digits = `\p{N}{1,3}`
		normalizer, template = nil, m.llamaTemplate()
		decoder, more = byteLevel(true, true, true), "\n    \"ignore_merges\": true,"
	}
	split := object{"type": "Sequence", "pretokenizers": []any{
		object{"type": "Split", "pattern": object{"Regex": patternHead + digits + patternTail}, "behavior": "Isolated", "invert": false},
		byteLevel(false, m.Config.Architecture == engine.Llama, false),
	}}
	added := []any{}
	for i, a := range m.added() {
		added = append(added, object{
			"id": m.TextTokens + i, "content": a.text, "single_word": false, "lstrip": false, "rstrip": false,
			"normalized": false, "special": a.special,
		})
	}
	fmt.Fprintf(w, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n")
	for _, s := range []struct {
		key   string
		value any
	}{{"added_tokens", added}, {"normalizer", normalizer}, {"pre_tokenizer", split}, {"post_processor", template}, {"decoder", decoder}} {
		fmt.Fprintf(w, "  %q: %s,\n", s.key, quote(s.value))
	}
	fmt.Fprintf(w, `  "model": {
    "type": "BPE",
    "dropout": null,
    "unk_token": null,
    "continuing_subword_prefix": null,
    "end_of_word_suffix": null,
    "fuse_unk": false,
    "byte_fallback": false,%s
    "vocab": {`, more)
	id := 0
	token := func(text string) {
		sep := ","
		if id == 0 {
			sep = ""
		}
		fmt.Fprintf(w, "%s\n      %s: %d", sep, quote(text), id)
		id++
	}
	for _, own := range []bool{true, false} { // bytes that stand for themselves come first
		for b, letter := range letters() {
			if (letter == string(rune(b))) == own {
				token(letter)
			}
		}
	}
	n := m.TextTokens - id
	if err := merges(n, func(left, right string) error { token(left + right); return nil }); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n    },\n    \"merges\": [")
	sep := ""
	err := merges(n, func(left, right string) error {
		_, err := fmt.Fprintf(w, "%s\n      %s", sep, quote(left+" "+right))
		sep = ","
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\n    ]\n  }\n}\n")
	return w.Flush() // reports the first error of any write above
}

func byteLevel(prefix, trim, regex bool) object {
	return object{"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": trim, "use_regex": regex}
}

// llamaTemplate puts <|begin_of_text|> before a text.
func (m Model) llamaTemplate() object {
	name := m.bosName()
	begin := func(kind int) object { return object{"SpecialToken": object{"id": name, "type_id": kind}} }
	text := func(id string, kind int) object { return object{"Sequence": object{"id": id, "type_id": kind}} }
	return object{"type": "Sequence", "processors": []any{
		byteLevel(true, false, true),
		object{
			"type": "TemplateProcessing", "single": []any{begin(0), text("A", 0)},
			"pair":           []any{begin(0), text("A", 0), begin(1), text("B", 1)},
			"special_tokens": object{name: object{"id": name, "ids": []int{m.id(name)}, "tokens": []string{name}}},
		},
	}}
}
