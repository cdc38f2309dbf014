package bpe

import (
	"github.com/galahad-network/galahad/rl/tokenizer"
)

// pipeline is what the settings around the model say.
type pipeline struct {
	split    func(text string) int // nil: SentencePiece-style
	nfc      bool
	bos, eos string // the template's control tokens; "" for none
	specials value  // what the template says of them
}

// byteLevel is a ByteLevel step with its regular expression on or off. The prefix
// space and the offsets matter to the first step only, which is without both.
func byteLevel(regex shape) fields {
	return fields{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": ignored, "use_regex": regex}
}

// anyByteLevel is ByteLevel as decoder or post-processor: its settings have no
// effect on ids or bytes.
var anyByteLevel = fields{"type": "ByteLevel", "add_prefix_space": ignored, "trim_offsets": ignored, "use_regex": ignored}

// The settings of Llama 2.
var (
	sentenceNormalizer = fields{"type": "Sequence", "normalizers": list{
		fields{"type": "Prepend", "prepend": string(wordStart)},
		fields{"type": "Replace", "pattern": fields{"String": " "}, "content": string(wordStart)},
	}}
	sentenceDecoder = fields{"type": "Sequence", "decoders": list{
		fields{"type": "Replace", "pattern": fields{"String": string(wordStart)}, "content": " "},
		fields{"type": "ByteFallback"},
		fields{"type": "Fuse"},
		fields{"type": "Strip", "content": " ", "start": 1, "stop": 0},
	}}
)

// readPipeline reads normalizer, pre_tokenizer, decoder and post_processor.
func readPipeline(top object) (pipeline, error) {
	var p pipeline
	normalizer, pre, decoder := top.get("normalizer"), top.get("pre_tokenizer"), top.get("decoder")
	if pre.null() {
		if err := normalizer.is(sentenceNormalizer); err != nil {
			return p, err
		}
		if err := decoder.is(sentenceDecoder); err != nil {
			return p, err
		}
	} else {
		var err error
		if p.split, err = readSplit(pre); err != nil {
			return p, err
		}
		if p.nfc = !normalizer.null(); p.nfc {
			if err := normalizer.is(fields{"type": "NFC"}); err != nil {
				return p, err
			}
		}
		if err := decoder.is(anyByteLevel); err != nil {
			return p, err
		}
	}
	return p, p.readTemplate(top.get("post_processor"), false)
}

// readSplit reads the pre-tokenizer of a byte-level file: ByteLevel alone, which
// has GPT-2's pattern built in, or a Split before it.
func readSplit(pre value) (func(string) int, error) {
	o, err := pre.object("type", "pretokenizers", "add_prefix_space", "trim_offsets", "use_regex")
	if err != nil {
		return nil, err
	}
	if o.get("type").is("ByteLevel") == nil {
		return splitGPT2, pre.is(byteLevel(oneOf{nil, true}))
	}
	if err := o.get("type").is("Sequence"); err != nil {
		return nil, err
	}
	var pattern string
	steps := o.get("pretokenizers")
	err = steps.elements(func(i int, raw []byte) error {
		if i > 0 {
			return nil
		}
		step, err := steps.at(i, raw).object("type", "pattern", "behavior", "invert")
		if err != nil {
			return err
		}
		regex, err := step.get("pattern").object("Regex")
		if err != nil {
			return err
		}
		pattern, err = regex.get("Regex").text()
		if err != nil {
			return err
		}
		if splits[pattern] == nil {
			return regex.get("Regex").unsupported("the pattern of GPT-2, Qwen2 or Llama 3")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return splits[pattern], pre.is(fields{"type": "Sequence", "pretokenizers": list{
		fields{"type": "Split", "pattern": fields{"Regex": pattern}, "behavior": "Isolated", "invert": false},
		byteLevel(false),
	}})
}

// readTemplate reads the post-processor: null, ByteLevel, TemplateProcessing, or
// a sequence of the latter two.
func (p *pipeline) readTemplate(v value, nested bool) error {
	if v.null() {
		return nil
	}
	o, err := v.object("type", "processors", "add_prefix_space", "trim_offsets", "use_regex", "single", "pair", "special_tokens")
	if err != nil {
		return err
	}
	kind, err := o.get("type").text()
	if err != nil {
		return err
	}
	switch kind {
	case "ByteLevel":
		return v.is(anyByteLevel)
	case "TemplateProcessing":
		if p.specials.raw != nil {
			return v.unsupported("one template")
		}
		p.specials = o.get("special_tokens")
		return p.readSingle(o.get("single"))
	case "Sequence":
		if nested {
			break
		}
		steps := o.get("processors")
		return steps.elements(func(i int, raw []byte) error { return p.readTemplate(steps.at(i, raw), true) })
	}
	return o.get("type").unsupported("ByteLevel, TemplateProcessing or one Sequence of them")
}

// readSingle reads the template for one text: control tokens before and after it,
// at most one each. The template for a pair is of no use here.
func (p *pipeline) readSingle(v value) error {
	text := false
	err := v.elements(func(i int, raw []byte) error {
		e := v.at(i, raw)
		o, err := e.object("SpecialToken", "Sequence")
		if err != nil {
			return err
		}
		if o.get("SpecialToken").null() {
			if text {
				return e.unsupported("one text")
			}
			text = true
			return o.get("Sequence").is(fields{"id": "A", "type_id": 0})
		}
		token, err := o.get("SpecialToken").object("id", "type_id")
		if err != nil {
			return err
		}
		place := &p.bos
		if text {
			place = &p.eos
		}
		if *place != "" {
			return e.unsupported("one token before the text and one after it")
		}
		*place, err = token.get("id").text()
		return err
	})
	if err == nil && !text {
		return v.fail(tokenizer.ErrFormat, "no text in the template")
	}
	return err
}
