package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Config is the part of a Hugging Face config.json that shapes the computation.
type Config struct {
	// Architecture is "Qwen2ForCausalLM" (biases on q, k and v) or
	// "LlamaForCausalLM" (no biases).
	Architecture          string
	VocabSize             int
	HiddenSize            int
	IntermediateSize      int
	NumHiddenLayers       int
	NumAttentionHeads     int
	NumKeyValueHeads      int
	HeadDim               int
	MaxPositionEmbeddings int // the context: longest prompt plus completion
	RMSNormEps            float32
	RopeTheta             float64
	TieWordEmbeddings     bool
}

// The architectures that the engine runs.
const (
	Qwen2 = "Qwen2ForCausalLM"
	Llama = "LlamaForCausalLM"
)

// ConfigError names the field of a config.json that the engine cannot accept.
type ConfigError struct {
	Field  string
	Reason string
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("engine: config field %q: %s", e.Field, e.Reason)
}

// maxConfigBytes bounds a config.json; real ones have about 1 KiB.
const maxConfigBytes = 1 << 20

// rawConfig lists every key that a config.json may have. A key that is not here
// might change the computation, so it is refused by name.
type rawConfig struct {
	Architectures         []string    `json:"architectures"`
	ModelType             string      `json:"model_type"`
	VocabSize             int         `json:"vocab_size"`
	HiddenSize            int         `json:"hidden_size"`
	IntermediateSize      int         `json:"intermediate_size"`
	NumHiddenLayers       int         `json:"num_hidden_layers"`
	NumAttentionHeads     int         `json:"num_attention_heads"`
	NumKeyValueHeads      *int        `json:"num_key_value_heads"`
	HeadDim               *int        `json:"head_dim"`
	MaxPositionEmbeddings int         `json:"max_position_embeddings"`
	RMSNormEps            json.Number `json:"rms_norm_eps"`
	RopeTheta             json.Number `json:"rope_theta"`
	TieWordEmbeddings     bool        `json:"tie_word_embeddings"`
	HiddenAct             string      `json:"hidden_act"`

	// Keys that would change the computation if they had any other value.
	AttentionBias    *bool           `json:"attention_bias"`
	MLPBias          bool            `json:"mlp_bias"`
	RopeScaling      json.RawMessage `json:"rope_scaling"`
	UseSlidingWindow bool            `json:"use_sliding_window"`
	PretrainingTP    *int            `json:"pretraining_tp"`
	LayerTypes       []string        `json:"layer_types"`

	// Keys that do not touch the forward pass.
	AttentionDropout    json.RawMessage `json:"attention_dropout"`
	BOSTokenID          json.RawMessage `json:"bos_token_id"`
	EOSTokenID          json.RawMessage `json:"eos_token_id"`
	PadTokenID          json.RawMessage `json:"pad_token_id"`
	DType               json.RawMessage `json:"dtype"`
	TorchDType          json.RawMessage `json:"torch_dtype"`
	InitializerRange    json.RawMessage `json:"initializer_range"`
	MaxWindowLayers     json.RawMessage `json:"max_window_layers"`
	SlidingWindow       json.RawMessage `json:"sliding_window"`
	TransformersVersion json.RawMessage `json:"transformers_version"`
	UseCache            json.RawMessage `json:"use_cache"`
	NameOrPath          json.RawMessage `json:"_name_or_path"`
}

// ParseConfig reads a config.json. Anything the engine does not implement, such
// as an architecture, a rope_scaling or an unknown key, is a *ConfigError that
// names it.
func ParseConfig(data []byte) (Config, error) {
	if len(data) > maxConfigBytes {
		return Config{}, &ConfigError{"config.json", fmt.Sprintf("%d bytes, at most %d", len(data), maxConfigBytes)}
	}
	if err := noDuplicateKeys(data); err != nil {
		return Config{}, &ConfigError{"config.json", err.Error()}
	}
	var r rawConfig
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return Config{}, &ConfigError{"config.json", err.Error()}
	}
	if err := r.refuse(); err != nil {
		return Config{}, err
	}
	c := Config{
		Architecture:          r.Architectures[0],
		VocabSize:             r.VocabSize,
		HiddenSize:            r.HiddenSize,
		IntermediateSize:      r.IntermediateSize,
		NumHiddenLayers:       r.NumHiddenLayers,
		NumAttentionHeads:     r.NumAttentionHeads,
		NumKeyValueHeads:      r.NumAttentionHeads,
		MaxPositionEmbeddings: r.MaxPositionEmbeddings,
		TieWordEmbeddings:     r.TieWordEmbeddings,
		RopeTheta:             10000,
	}
	if r.NumKeyValueHeads != nil {
		c.NumKeyValueHeads = *r.NumKeyValueHeads
	}
	if r.HeadDim != nil {
		c.HeadDim = *r.HeadDim
	} else if c.NumAttentionHeads > 0 {
		c.HeadDim = c.HiddenSize / c.NumAttentionHeads
	}
	eps, err := strconv.ParseFloat(r.RMSNormEps.String(), 32)
	if err != nil {
		return Config{}, &ConfigError{"rms_norm_eps", "missing or not a float32"}
	}
	c.RMSNormEps = float32(eps)
	if r.RopeTheta != "" {
		if c.RopeTheta, err = strconv.ParseFloat(r.RopeTheta.String(), 64); err != nil {
			return Config{}, &ConfigError{"rope_theta", "not a number"}
		}
	}
	return c, c.Validate()
}

// refuse rejects the values that ask for a computation the engine does not have.
func (r *rawConfig) refuse() error {
	if len(r.Architectures) != 1 {
		return &ConfigError{"architectures", fmt.Sprintf("want exactly one, got %v", r.Architectures)}
	}
	want := map[string]string{Qwen2: "qwen2", Llama: "llama"}[r.Architectures[0]]
	switch {
	case want == "":
		return &ConfigError{"architectures", fmt.Sprintf("%q is not supported; want %q or %q", r.Architectures[0], Qwen2, Llama)}
	case r.ModelType != want:
		return &ConfigError{"model_type", fmt.Sprintf("%q does not belong to %s", r.ModelType, r.Architectures[0])}
	case r.HiddenAct != "silu":
		return &ConfigError{"hidden_act", fmt.Sprintf("%q is not supported; want \"silu\"", r.HiddenAct)}
	case len(r.RopeScaling) > 0 && string(r.RopeScaling) != "null":
		return &ConfigError{"rope_scaling", fmt.Sprintf("%s is not supported", r.RopeScaling)}
	case r.AttentionBias != nil && *r.AttentionBias != (want == "qwen2"):
		return &ConfigError{"attention_bias", fmt.Sprintf("%v is not supported for %s", *r.AttentionBias, want)}
	case r.MLPBias:
		return &ConfigError{"mlp_bias", "true is not supported"}
	case r.UseSlidingWindow:
		return &ConfigError{"use_sliding_window", "true is not supported"}
	case r.PretrainingTP != nil && *r.PretrainingTP != 1:
		return &ConfigError{"pretraining_tp", fmt.Sprintf("%d is not supported", *r.PretrainingTP)}
	}
	for _, t := range r.LayerTypes {
		if t != "full_attention" {
			return &ConfigError{"layer_types", fmt.Sprintf("%q is not supported", t)}
		}
	}
	return nil
}

// Bounds on a config, far above any model that pure Go could run, so that no
// product of two of them overflows and a hostile config cannot ask for much.
const (
	maxWidth   = 1 << 20
	maxLayers  = 1 << 12
	maxContext = 1 << 20
)

// Validate reports the first field that is out of its range as a *ConfigError.
func (c Config) Validate() error {
	if c.Architecture != Qwen2 && c.Architecture != Llama {
		return &ConfigError{"architectures", fmt.Sprintf("%q is not supported; want %q or %q", c.Architecture, Qwen2, Llama)}
	}
	for _, f := range []struct {
		name   string
		v, max int
	}{
		{"vocab_size", c.VocabSize, maxWidth},
		{"hidden_size", c.HiddenSize, maxWidth},
		{"intermediate_size", c.IntermediateSize, maxWidth},
		{"num_hidden_layers", c.NumHiddenLayers, maxLayers},
		{"num_attention_heads", c.NumAttentionHeads, maxWidth},
		{"num_key_value_heads", c.NumKeyValueHeads, maxWidth},
		{"head_dim", c.HeadDim, maxWidth},
		{"max_position_embeddings", c.MaxPositionEmbeddings, maxContext},
	} {
		if f.v < 1 || f.v > f.max {
			return &ConfigError{f.name, fmt.Sprintf("%d is outside 1..%d", f.v, f.max)}
		}
	}
	switch {
	case c.HeadDim%2 != 0:
		return &ConfigError{"head_dim", fmt.Sprintf("%d is odd", c.HeadDim)}
	case c.NumAttentionHeads%c.NumKeyValueHeads != 0:
		return &ConfigError{"num_key_value_heads", fmt.Sprintf("%d does not divide num_attention_heads %d", c.NumKeyValueHeads, c.NumAttentionHeads)}
	case c.NumAttentionHeads*c.HeadDim > maxWidth:
		return &ConfigError{"head_dim", fmt.Sprintf("%d heads of %d are wider than %d", c.NumAttentionHeads, c.HeadDim, maxWidth)}
	case !(c.RMSNormEps > 0 && c.RMSNormEps < 1):
		return &ConfigError{"rms_norm_eps", fmt.Sprintf("%v is outside (0, 1)", c.RMSNormEps)}
	case !(c.RopeTheta >= 1 && c.RopeTheta <= 1e12) || math.IsInf(c.RopeTheta, 0):
		return &ConfigError{"rope_theta", fmt.Sprintf("%v is outside [1, 1e12]", c.RopeTheta)}
	}
	return nil
}

// JSON returns the config as a config.json that ParseConfig and Hugging Face's
// tools read; equal configs give equal bytes.
func (c Config) JSON() []byte {
	modelType := "qwen2"
	if c.Architecture == Llama {
		modelType = "llama"
	}
	out, err := json.MarshalIndent(struct {
		Architectures         []string    `json:"architectures"`
		ModelType             string      `json:"model_type"`
		VocabSize             int         `json:"vocab_size"`
		HiddenSize            int         `json:"hidden_size"`
		IntermediateSize      int         `json:"intermediate_size"`
		NumHiddenLayers       int         `json:"num_hidden_layers"`
		NumAttentionHeads     int         `json:"num_attention_heads"`
		NumKeyValueHeads      int         `json:"num_key_value_heads"`
		HeadDim               int         `json:"head_dim"`
		MaxPositionEmbeddings int         `json:"max_position_embeddings"`
		RMSNormEps            json.Number `json:"rms_norm_eps"`
		RopeTheta             json.Number `json:"rope_theta"`
		TieWordEmbeddings     bool        `json:"tie_word_embeddings"`
		HiddenAct             string      `json:"hidden_act"`
	}{
		[]string{c.Architecture}, modelType, c.VocabSize, c.HiddenSize, c.IntermediateSize,
		c.NumHiddenLayers, c.NumAttentionHeads, c.NumKeyValueHeads, c.HeadDim, c.MaxPositionEmbeddings,
		json.Number(strconv.FormatFloat(float64(c.RMSNormEps), 'g', -1, 32)),
		json.Number(strconv.FormatFloat(c.RopeTheta, 'g', -1, 64)),
		c.TieWordEmbeddings, "silu",
	}, "", "  ")
	if err != nil {
		return nil // unreachable: every field marshals
	}
	return append(out, '\n')
}

// hasBias says whether q, k and v have biases.
func (c Config) hasBias() bool { return c.Architecture == Qwen2 }

// qDim and kvDim are the widths of the query and of the key (or value) vector.
func (c Config) qDim() int  { return c.NumAttentionHeads * c.HeadDim }
func (c Config) kvDim() int { return c.NumKeyValueHeads * c.HeadDim }

// noDuplicateKeys reports a JSON object, at any depth, that has a key twice.
// encoding/json would silently keep the last one, so that two readers of one
// file could see two different values.
func noDuplicateKeys(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	type frame struct {
		keys map[string]bool // nil inside an array
		key  bool            // the next token is a key
	}
	var stack []frame
	for {
		tok, err := d.Token()
		if err != nil {
			return err // io.EOF here means that the text ended inside a value
		}
		switch t := tok.(type) {
		case json.Delim:
			switch t {
			case '{':
				stack = append(stack, frame{map[string]bool{}, true})
				continue
			case '[':
				stack = append(stack, frame{})
				continue
			}
			stack = stack[:len(stack)-1]
		case string:
			if n := len(stack); n > 0 && stack[n-1].key {
				if stack[n-1].keys[t] {
					return fmt.Errorf("key %q appears twice", t)
				}
				stack[n-1].keys[t] = true
				stack[n-1].key = false
				continue
			}
		}
		if len(stack) == 0 {
			break
		}
		if top := &stack[len(stack)-1]; top.keys != nil {
			top.key = true
		}
	}
	if d.More() || len(bytes.TrimSpace(data[d.InputOffset():])) > 0 {
		return fmt.Errorf("data after the end of the JSON value")
	}
	return nil
}
