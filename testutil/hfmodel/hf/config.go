package hf

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/galahad-network/galahad/rl/engine"
)

// object is a JSON object; its keys are written in ascending order, as the
// original does.
type object map[string]any

func (o object) text() []byte {
	out, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		panic(err) // an object of strings and numbers
	}
	return append(out, '\n')
}

// float writes a number as Python does, with a point or an exponent.
func float(x float64, bits int) json.Number {
	s := strconv.FormatFloat(x, 'g', -1, bits)
	if x >= 1 && x < 1e16 {
		s = strconv.FormatFloat(x, 'f', -1, bits)
	}
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return json.Number(s)
}

func (m Model) configJSON() []byte {
	c := m.Config
	o := object{
		"architectures": []string{c.Architecture}, "vocab_size": c.VocabSize, "hidden_size": c.HiddenSize,
		"intermediate_size": c.IntermediateSize, "num_hidden_layers": c.NumHiddenLayers,
		"num_attention_heads": c.NumAttentionHeads, "num_key_value_heads": c.NumKeyValueHeads,
		"max_position_embeddings": c.MaxPositionEmbeddings, "rms_norm_eps": float(float64(c.RMSNormEps), 32),
		"rope_theta": float(c.RopeTheta, 64), "tie_word_embeddings": c.TieWordEmbeddings,
		"attention_dropout": json.Number("0.0"), "hidden_act": "silu", "initializer_range": json.Number("0.02"),
		"torch_dtype":  map[engine.DType]string{engine.BF16: "bfloat16", engine.F16: "float16", engine.F32: "float32"}[m.DType],
		"use_cache":    true,
		"bos_token_id": m.id(m.bosName()), "eos_token_id": m.id(m.eosName()),
	}
	if c.HeadDim*c.NumAttentionHeads != c.HiddenSize || c.Architecture == engine.Llama {
		o["head_dim"] = c.HeadDim
	}
	if c.Architecture == engine.Qwen2 {
		o["model_type"], o["transformers_version"] = "qwen2", "4.43.1"
		o["use_sliding_window"], o["sliding_window"], o["max_window_layers"] = false, c.MaxPositionEmbeddings, c.NumHiddenLayers
		return o.text()
	}
	o["model_type"], o["transformers_version"] = "llama", "4.45.0.dev0"
	o["attention_bias"], o["mlp_bias"], o["pretraining_tp"] = false, false, 1
	o["rope_scaling"] = nil
	if r := c.RopeScaling; r != (engine.RopeScaling{}) {
		o["rope_scaling"] = object{
			"factor": float(r.Factor, 64), "high_freq_factor": float(r.HighFreqFactor, 64), "low_freq_factor": float(r.LowFreqFactor, 64),
			"original_max_position_embeddings": r.OriginalMaxPositionEmbeddings, "rope_type": "llama3",
		}
	}
	return o.text()
}

func (m Model) generationJSON() []byte {
	return object{
		"_from_model_config": true, "bos_token_id": m.id(m.bosName()), "eos_token_id": m.id(m.eosName()),
		"transformers_version": "4.43.1",
	}.text()
}

func (m Model) tokenizerConfigJSON() []byte {
	decoder := object{}
	for i, a := range m.added() {
		decoder[fmt.Sprint(m.TextTokens+i)] = object{
			"content": a.text, "lstrip": false, "normalized": false, "rstrip": false, "single_word": false, "special": a.special,
		}
	}
	o := object{
		"added_tokens_decoder": decoder, "clean_up_tokenization_spaces": false, "eos_token": m.eosName(),
		"model_max_length": m.Config.MaxPositionEmbeddings,
	}
	if m.Config.Architecture == engine.Qwen2 {
		o["tokenizer_class"], o["add_prefix_space"], o["bos_token"], o["pad_token"] = "Qwen2Tokenizer", false, nil, m.eosName()
	} else {
		o["tokenizer_class"], o["bos_token"] = "PreTrainedTokenizerFast", m.bosName()
	}
	return o.text()
}
