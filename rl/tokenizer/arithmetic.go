package tokenizer

// arithmeticCharacters follow <pad>, <bos> and <eos> in the vocabulary of the
// arithmetic models. Fourteen of them are used; the rest leaves room for other
// small environments without a new embedding.
const arithmeticCharacters = "0123456789+-*=;#:,.()%?<>/ ab"

// ArithmeticFile returns the tokenizer.json of the arithmetic models: 32
// entries, pad 0, bos 1, eos 2, then the characters from id 3 on.
func ArithmeticFile() []byte {
	f := file{Format: Format, Vocab: []string{"<pad>", "<bos>", "<eos>"}}
	for _, r := range arithmeticCharacters {
		f.Vocab = append(f.Vocab, string(r))
	}
	pad, bos, eos := int32(0), int32(1), int32(2)
	f.Pad, f.BOS, f.EOS = &pad, &bos, &eos
	b, err := f.marshal()
	if err != nil {
		return nil // a struct of strings and integers always marshals
	}
	return append(b, '\n')
}
