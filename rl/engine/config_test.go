package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const goodConfig = `{
  "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": 11, "hidden_size": 12,
  "intermediate_size": 10, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
  "head_dim": 4, "max_position_embeddings": 24, "rms_norm_eps": 1e-06, "rope_theta": 100.0,
  "tie_word_embeddings": true, "hidden_act": "silu"%s}`

// family builds the config.json of a published model from what its family shares
// and what the model has of its own.
func family(shared, own string) string { return "{" + own + ", " + shared + "}" }

const (
	qwen25Keys = `"architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151645,
		"hidden_act": "silu", "initializer_range": 0.02, "model_type": "qwen2", "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
		"torch_dtype": "bfloat16", "transformers_version": "4.43.1", "use_cache": true, "use_sliding_window": false`
	llama3Keys = `"architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 128000,
		"hidden_act": "silu", "initializer_range": 0.02, "model_type": "llama", "num_key_value_heads": 8, "pretraining_tp": 1,
		"rms_norm_eps": 1e-05, "rope_theta": 500000.0, "torch_dtype": "bfloat16", "use_cache": true, "vocab_size": 128256`
)

// TestPublishedConfigsAreRead has the config.json of models as Hugging Face ships
// them, and the same in the spelling of transformers 5.
func TestPublishedConfigsAreRead(t *testing.T) {
	qwen := Config{Architecture: Qwen2, VocabSize: 151936, HiddenSize: 896, IntermediateSize: 4864, NumHiddenLayers: 24, NumAttentionHeads: 14,
		NumKeyValueHeads: 2, HeadDim: 64, MaxPositionEmbeddings: 32768, RMSNormEps: 1e-6, RopeTheta: 1e6, TieWordEmbeddings: true}
	llama := Config{Architecture: Llama, VocabSize: 128256, HiddenSize: 2048, IntermediateSize: 8192, NumHiddenLayers: 16, NumAttentionHeads: 32,
		NumKeyValueHeads: 8, HeadDim: 64, MaxPositionEmbeddings: 131072, RMSNormEps: 1e-5, RopeTheta: 5e5, RopeScaling: llama32, TieWordEmbeddings: true}
	qwen72 := Config{Architecture: Qwen2, VocabSize: 152064, HiddenSize: 8192, IntermediateSize: 29568, NumHiddenLayers: 80, NumAttentionHeads: 64,
		NumKeyValueHeads: 8, HeadDim: 128, MaxPositionEmbeddings: 32768, RMSNormEps: 1e-6, RopeTheta: 1e6}
	llama8 := Config{Architecture: Llama, VocabSize: 128256, HiddenSize: 4096, IntermediateSize: 14336, NumHiddenLayers: 32, NumAttentionHeads: 32,
		NumKeyValueHeads: 8, HeadDim: 128, MaxPositionEmbeddings: 131072, RMSNormEps: 1e-5, RopeTheta: 5e5, RopeScaling: llama31}
	llama3 := llama8
	llama3.MaxPositionEmbeddings, llama3.RopeScaling = 8192, RopeScaling{}
	llama2 := Config{Architecture: Llama, VocabSize: 32000, HiddenSize: 4096, IntermediateSize: 11008, NumHiddenLayers: 32, NumAttentionHeads: 32,
		NumKeyValueHeads: 32, HeadDim: 128, MaxPositionEmbeddings: 4096, RMSNormEps: 1e-5, RopeTheta: 1e4}

	const qwenShape = `"hidden_size": 896, "intermediate_size": 4864, "max_position_embeddings": 32768, "num_attention_heads": 14,
		"num_hidden_layers": 24, "num_key_value_heads": 2, "tie_word_embeddings": true, "vocab_size": 151936`
	const llamaShape = `"head_dim": 64, "hidden_size": 2048, "intermediate_size": 8192, "max_position_embeddings": 131072, "mlp_bias": false,
		"num_attention_heads": 32, "num_hidden_layers": 16, "tie_word_embeddings": true`
	const llama8Shape = `"hidden_size": 4096, "intermediate_size": 14336, "num_attention_heads": 32, "num_hidden_layers": 32, "tie_word_embeddings": false`
	full := strings.TrimSuffix(strings.Repeat(`"full_attention", `, 24), ", ")
	for _, c := range []struct {
		name, text string
		want       Config
		parameters int64
	}{
		{"Qwen2.5-0.5B", family(qwen25Keys, qwenShape+`, "max_window_layers": 24, "sliding_window": 32768, "use_mrope": false`), qwen, 494032768},
		{"Qwen2.5-0.5B-Instruct", family(qwen25Keys, qwenShape+`, "max_window_layers": 21, "sliding_window": 32768`), qwen, 494032768},
		{"Qwen2.5-72B-Instruct", family(qwen25Keys, `"hidden_size": 8192, "intermediate_size": 29568, "max_position_embeddings": 32768, "max_window_layers": 70,
			"num_attention_heads": 64, "num_hidden_layers": 80, "num_key_value_heads": 8, "sliding_window": 131072, "tie_word_embeddings": false, "vocab_size": 152064`), qwen72, 72706203648},
		{"Qwen2.5-0.5B, transformers 5", `{"architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643, "dtype": "bfloat16", "eos_token_id": 151645,
			"hidden_act": "silu", "initializer_range": 0.02, "layer_types": [` + full + `], "max_window_layers": 21, "model_type": "qwen2", "pad_token_id": null, "rms_norm_eps": 1e-06,
			"rope_parameters": {"rope_theta": 1000000.0, "rope_type": "default"}, "sliding_window": null, "transformers_version": "5.0.0", "use_cache": true, "use_sliding_window": false, ` + qwenShape + `}`, qwen, 494032768},
		{"Llama-3.2-1B", family(llama3Keys, llamaShape+`, "eos_token_id": 128001, "transformers_version": "4.45.0.dev0",
			"rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"}`), llama, 1235814400},
		{"Llama-3.2-1B, transformers 5", strings.Replace(family(llama3Keys, llamaShape+`, "eos_token_id": [128001, 128008, 128009], "transformers_version": "5.0.0",
			"rope_parameters": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_theta": 500000.0, "rope_type": "llama3"}`),
			`"rope_theta": 500000.0, "torch_dtype"`, `"dtype"`, 1), llama, 1235814400},
		{"Llama-3.1-8B-Instruct", family(llama3Keys, llama8Shape+`, "mlp_bias": false, "max_position_embeddings": 131072, "eos_token_id": [128001, 128008, 128009], "transformers_version": "4.42.3",
			"rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"}`), llama8, 8030261248},
		{"Llama-3-8B", family(llama3Keys, llama8Shape+`, "max_position_embeddings": 8192, "eos_token_id": 128001, "rope_scaling": null, "transformers_version": "4.40.0.dev0"`), llama3, 8030261248},
		{"Llama-2-7b", `{"_name_or_path": "meta-llama/Llama-2-7b-hf", "architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 4096,
			"initializer_range": 0.02, "intermediate_size": 11008, "max_position_embeddings": 4096, "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 32, "pretraining_tp": 1,
			"rms_norm_eps": 1e-05, "rope_scaling": null, "tie_word_embeddings": false, "torch_dtype": "float16", "transformers_version": "4.31.0.dev0", "use_cache": true, "vocab_size": 32000}`, llama2, 6738415616},
	} {
		got, err := ParseConfig([]byte(c.text))
		if err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v", c.name, got, err)
		}
		if n := c.want.Parameters(); n != c.parameters {
			t.Errorf("%s: %d parameters, published as %d", c.name, n, c.parameters)
		}
	}
}

func TestParametersCountEveryTensor(t *testing.T) {
	for name, c := range tinyConfigs {
		n := 0
		for _, s := range c.layout() {
			n += s.size
		}
		if c.Parameters() != int64(n) {
			t.Errorf("%s: %d parameters, the tensors have %d", name, c.Parameters(), n)
		}
	}
}

func TestConfigJSONRoundTrip(t *testing.T) {
	scaled := tinyConfigs["untied without bias"]
	scaled.RopeScaling = RopeScaling{Factor: 8.5, LowFreqFactor: 0.1, HighFreqFactor: 4, OriginalMaxPositionEmbeddings: 16}
	for name, c := range map[string]Config{"tied": tinyConfigs["tied with bias"], "untied": tinyConfigs["untied without bias"], "scaled": scaled} {
		got, err := ParseConfig(c.JSON())
		if err != nil || got != c {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

// TestConfigRefusedByName: whatever the engine does not implement is refused, and
// the error names the field.
func TestConfigRefusedByName(t *testing.T) {
	base := fmt.Sprintf(goodConfig, "")
	swap := func(old, new string) string {
		if !strings.Contains(base, old) {
			t.Fatalf("%q is not in the config", old)
		}
		return strings.Replace(base, old, new, 1)
	}
	add := func(s string) string { return fmt.Sprintf(goodConfig, ", "+s) }
	scaling := func(s string) string {
		return add(`"rope_scaling": {"rope_type": "llama3", "original_max_position_embeddings": 8192, ` + s + `}`)
	}
	for _, c := range []struct{ field, text string }{
		{"architectures", swap(`["Qwen2ForCausalLM"]`, `["MistralForCausalLM"]`)},
		{"architectures", swap(`["Qwen2ForCausalLM"]`, `["Gemma2ForCausalLM"]`)},
		{"architectures", swap(`["Qwen2ForCausalLM"]`, `["Qwen3ForCausalLM"]`)},
		{"architectures", swap(`["Qwen2ForCausalLM"]`, `["Qwen2MoeForCausalLM"]`)},
		{"architectures", swap(`["Qwen2ForCausalLM"]`, `["Qwen2ForCausalLM", "LlamaForCausalLM"]`)},
		{"architectures", swap(`["Qwen2ForCausalLM"]`, `[]`)},
		{"architectures", swap(`["Qwen2ForCausalLM"]`, `"Qwen2ForCausalLM"`)},
		{"architectures", `{}`},
		{"model_type", swap(`"qwen2"`, `"llama"`)},
		{"hidden_act", swap(`"silu"`, `"gelu"`)},
		{"hidden_act", swap(`, "hidden_act": "silu"`, ``)},
		{"rope_scaling", add(`"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}`)},
		{"rope_scaling", add(`"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}`)},
		{"rope_scaling", add(`"rope_scaling": {"type": "linear", "rope_type": "llama3", "factor": 2.0}`)},
		{"rope_scaling", add(`"rope_scaling": {"rope_type": "llama3"}`)},
		{"rope_scaling", add(`"rope_scaling": {"rope_type": "default", "rope_theta": 1.0}`)},
		{"rope_scaling", add(`"rope_scaling": "llama3"`)},
		{"rope_scaling", scaling(`"factor": 0.5, "low_freq_factor": 1, "high_freq_factor": 4`)},
		{"rope_scaling", scaling(`"factor": 8, "low_freq_factor": 4, "high_freq_factor": 4`)},
		{"rope_scaling", scaling(`"factor": 8, "low_freq_factor": -1, "high_freq_factor": 4`)},
		{"rope_scaling", scaling(`"factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "attention_factor": 2`)},
		{"rope_scaling", scaling(`"factor": "8", "low_freq_factor": 1, "high_freq_factor": 4`)},
		{"rope_parameters", add(`"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}`)},
		{"rope_parameters", add(`"rope_parameters": {"rope_type": "proportional", "rope_theta": 100.0}`)},
		{"rope_parameters", add(`"rope_parameters": {"rope_theta": 100.0, "partial_rotary_factor": 0.5}`)},
		{"rope_parameters", add(`"rope_parameters": {"full_attention": {"rope_theta": 100.0}}`)},
		{"use_sliding_window", add(`"use_sliding_window": true`)},
		{"use_mrope", add(`"use_mrope": true`)},
		{"rope_interleaved", add(`"rope_interleaved": true`)},
		{"attention_bias", add(`"attention_bias": false`)},
		{"mlp_bias", add(`"mlp_bias": true`)},
		{"pretraining_tp", add(`"pretraining_tp": 2`)},
		{"layer_types", add(`"layer_types": ["full_attention", "sliding_attention"]`)},
		{"layer_types", add(`"layer_types": ["full_attention"]`)},
		{"quantization_config", add(`"quantization_config": {"quant_method": "gptq", "bits": 4}`)},
		{"dual_chunk_attention_config", add(`"dual_chunk_attention_config": {"chunk_size": 262144}`)},
		{"Vocab_Size", add(`"Vocab_Size": 12`)},
		{"config.json", add(`"vocab_size": 12`)},
		{"config.json", base + "{}"},
		{"config.json", base[:40]},
		{"config.json", `null`},
		{"config.json", `[]`},
		{"config.json", `null` + strings.Repeat(" ", maxConfigBytes)},
		{"vocab_size", swap(`"vocab_size": 11`, `"vocab_size": 0`)},
		{"vocab_size", swap(`"vocab_size": 11, `, ``)},
		{"vocab_size", swap(`"vocab_size": 11`, `"vocab_size": "11"`)},
		{"vocab_size", swap(`"vocab_size": 11`, `"vocab_size": 11.0`)},
		{"hidden_size", swap(`"hidden_size": 12`, `"hidden_size": 4294967296`)},
		{"hidden_size", swap(`"hidden_size": 12`, `"hidden_size": 99999999999999999999`)},
		{"num_key_value_heads", swap(`"num_key_value_heads": 2`, `"num_key_value_heads": 3`)},
		{"num_attention_heads", swap(`"num_attention_heads": 4`, `"num_attention_heads": 0`)},
		{"head_dim", swap(`"head_dim": 4`, `"head_dim": 3`)},
		{"head_dim", swap(`"head_dim": 4`, `"head_dim": 1048576`)},
		{"tie_word_embeddings", swap(`"tie_word_embeddings": true`, `"tie_word_embeddings": 1`)},
		{"rms_norm_eps", swap(`1e-06`, `0`)},
		{"rms_norm_eps", swap(`"rms_norm_eps": 1e-06, `, ``)},
		{"rope_theta", swap(`100.0`, `0.5`)},
		{"rope_theta", swap(`100.0`, `1e999`)},
	} {
		_, err := ParseConfig([]byte(c.text))
		var e *ConfigError
		if !errors.As(err, &e) || e.Field != c.field {
			t.Errorf("%s: got error %v for %.80s", c.field, err, c.text)
		}
	}
}

func TestEOSTokenIDs(t *testing.T) {
	for _, c := range []struct {
		text string
		want []int32
	}{{`{}`, nil}, {`{"eos_token_id": null}`, nil}, {`{"eos_token_id": 2}`, []int32{2}}, {`{"x": 1, "eos_token_id": [151645, 151643]}`, []int32{151645, 151643}}} {
		if got, err := EOSTokenIDs([]byte(c.text)); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, %v", c.text, got, err)
		}
	}
	for _, text := range []string{``, `[]`, `{"eos_token_id": "2"}`, `{"eos_token_id": [2.5]}`, `{"eos_token_id": 4294967296}`} {
		var e *ConfigError
		if got, err := EOSTokenIDs([]byte(text)); !errors.As(err, &e) {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
}

// FuzzConfig: no text makes the parser panic, and one that parses is valid and
// writes back to a text of the same config.
func FuzzConfig(f *testing.F) {
	f.Add(fmt.Sprintf(goodConfig, ""))
	f.Add(fmt.Sprintf(goodConfig, `, "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"}`))
	f.Add(strings.Replace(fmt.Sprintf(goodConfig, `, "rope_parameters": {"rope_theta": 100.0}, "eos_token_id": [1, 2]`), `"rope_theta": 100.0,`, "", 1))
	f.Fuzz(func(t *testing.T, text string) {
		ids, err := EOSTokenIDs([]byte(text))
		if err != nil && ids != nil {
			t.Fatal("ids with an error")
		}
		c, err := ParseConfig([]byte(text))
		if err != nil {
			var e *ConfigError
			if !errors.As(err, &e) {
				t.Fatalf("%+v, %v", c, err)
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		if again, err := ParseConfig(c.JSON()); err != nil || again != c {
			t.Fatalf("%+v became %+v, %v", c, again, err)
		}
	})
}
