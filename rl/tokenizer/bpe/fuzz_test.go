package bpe

import (
	"errors"
	"testing"
	"unicode/utf8"
)

func FuzzLoad(f *testing.F) {
	for _, name := range names {
		f.Add([]byte(small(f, name)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tok, err := Load(data)
		if err != nil {
			if fe := new(FileError); tok != nil || !errors.As(err, &fe) {
				t.Fatalf("%v is no FileError, or comes with a tokenizer", err)
			}
			return
		}
		if n := tok.VocabSize(); n < 257 || n > len(data) || !tok.Special(tok.EOS()) || tok.EOS() < 0 || int(tok.EOS()) >= n {
			t.Fatalf("eos %d of %d", tok.EOS(), n)
		}
		for id := range int32(tok.VocabSize()) {
			checkEncoding(t, tok, string(tok.Decode([]int32{id})))
		}
		checkEncoding(t, tok, string(data))
	})
}

// checkEncoding checks what holds for every file and text.
func checkEncoding(t *testing.T, tok *Tokenizer, text string) {
	ids, err := tok.Encode(text)
	if utf8.ValidString(text) != (err == nil) {
		t.Fatalf("%q: %v", text, err)
	}
	for _, id := range ids {
		if tok.Special(id) {
			t.Fatalf("%q became the control token %d", text, id)
		}
	}
}

func FuzzTextComesBack(f *testing.F) {
	f.Add("Natalia sold 48/2 = <<48/2=24>>24 clips.\n#### 72 <|im_end|> e\u0301")
	var toks []*Tokenizer
	for _, name := range names {
		tok, err := Load([]byte(small(f, name)))
		if err != nil {
			f.Fatal(err)
		}
		toks = append(toks, tok)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, tok := range toks {
			checkEncoding(t, tok, text)
			if !utf8.ValidString(text) {
				continue
			}
			want := text
			if tok.nfc {
				want = composed(text)
			}
			if tok.split == nil {
				want = surface(text) // U+2581 is a space there
			}
			ids, err := tok.Encode(text)
			if got := string(tok.Decode(ids)); err != nil || got != want {
				t.Fatalf("%+q came back as %+q, %v", text, got, err)
			}
		}
	})
}
