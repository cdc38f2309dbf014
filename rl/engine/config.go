package engine

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Config is the part of a Hugging Face config.json that shapes the computation.
// Configs that compute the same are equal.
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
	RopeScaling           RopeScaling
	TieWordEmbeddings     bool
}

// The architectures that the engine runs.
const (
	Qwen2 = "Qwen2ForCausalLM"
	Llama = "LlamaForCausalLM"
)

// modelTypes are the model_type of each architecture.
var modelTypes = map[string]string{Qwen2: "qwen2", Llama: "llama"}

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

// Bounds on a config, far above any model that a processor could run, so that no
// product of them overflows: Parameters stays below 2^56.
const (
	maxWidth   = 1 << 20
	maxLayers  = 1 << 12
	maxContext = 1 << 20
)

// Validate reports the first field that is out of its range as a *ConfigError.
func (c Config) Validate() error {
	if modelTypes[c.Architecture] == "" {
		return &ConfigError{"architectures", unsupportedArchitecture(c.Architecture)}
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
	return c.RopeScaling.validate()
}

func (r RopeScaling) validate() error {
	if r == (RopeScaling{}) {
		return nil
	}
	bad := func(key string, v any, want string) error {
		return &ConfigError{"rope_scaling", fmt.Sprintf("%s %v is not %s", key, v, want)}
	}
	switch {
	case !(r.Factor >= 1 && r.Factor <= maxContext):
		return bad("factor", r.Factor, fmt.Sprintf("in [1, %d]", maxContext))
	case !(r.LowFreqFactor > 0):
		return bad("low_freq_factor", r.LowFreqFactor, "above 0")
	case !(r.HighFreqFactor > r.LowFreqFactor && r.HighFreqFactor <= maxContext):
		return bad("high_freq_factor", r.HighFreqFactor, fmt.Sprintf("above low_freq_factor %v and at most %d", r.LowFreqFactor, maxContext))
	case r.OriginalMaxPositionEmbeddings < 1 || r.OriginalMaxPositionEmbeddings > maxContext:
		return bad("original_max_position_embeddings", r.OriginalMaxPositionEmbeddings, fmt.Sprintf("in 1..%d", maxContext))
	}
	return nil
}

func unsupportedArchitecture(name string) string {
	return fmt.Sprintf("%q is not supported; this version runs %q and %q", name, Qwen2, Llama)
}

// Parameters is the number of weights of a valid config, tied embeddings counted
// once.
func (c Config) Parameters() int64 {
	h, m, q, kv := int64(c.HiddenSize), int64(c.IntermediateSize), int64(c.qDim()), int64(c.kvDim())
	layer := 2*h + h*(q+2*kv) + q*h + 3*h*m
	if c.hasBias() {
		layer += q + 2*kv
	}
	n := int64(c.VocabSize)*h + h + int64(c.NumHiddenLayers)*layer
	if !c.TieWordEmbeddings {
		n += int64(c.VocabSize) * h
	}
	return n
}

// CacheBytes is the memory that the keys and values of one sequence of so many
// positions take while it is decoded.
func (c Config) CacheBytes(positions int) int64 {
	return 4 * int64(pagesFor(positions)) * int64(pageFloats(c))
}

// hasBias says whether q, k and v have biases.
func (c Config) hasBias() bool { return c.Architecture == Qwen2 }

// qDim and kvDim are the widths of the query and of the key (or value) vector.
func (c Config) qDim() int  { return c.NumAttentionHeads * c.HeadDim }
func (c Config) kvDim() int { return c.NumKeyValueHeads * c.HeadDim }

// ropeScalingJSON is a rope_scaling of type llama3 as Hugging Face writes it.
type ropeScalingJSON struct {
	Factor         json.Number `json:"factor"`
	HighFreqFactor json.Number `json:"high_freq_factor"`
	LowFreqFactor  json.Number `json:"low_freq_factor"`
	Original       int         `json:"original_max_position_embeddings"`
	RopeType       string      `json:"rope_type"`
}

// JSON returns the config as a config.json that ParseConfig and Hugging Face's
// tools read; equal configs give equal bytes.
func (c Config) JSON() []byte {
	number := func(x float64, bits int) json.Number { return json.Number(strconv.FormatFloat(x, 'g', -1, bits)) }
	var scaling *ropeScalingJSON
	if r := c.RopeScaling; r != (RopeScaling{}) {
		scaling = &ropeScalingJSON{number(r.Factor, 64), number(r.HighFreqFactor, 64), number(r.LowFreqFactor, 64), r.OriginalMaxPositionEmbeddings, "llama3"}
	}
	out, err := json.MarshalIndent(struct {
		Architectures         []string         `json:"architectures"`
		ModelType             string           `json:"model_type"`
		VocabSize             int              `json:"vocab_size"`
		HiddenSize            int              `json:"hidden_size"`
		IntermediateSize      int              `json:"intermediate_size"`
		NumHiddenLayers       int              `json:"num_hidden_layers"`
		NumAttentionHeads     int              `json:"num_attention_heads"`
		NumKeyValueHeads      int              `json:"num_key_value_heads"`
		HeadDim               int              `json:"head_dim"`
		MaxPositionEmbeddings int              `json:"max_position_embeddings"`
		RMSNormEps            json.Number      `json:"rms_norm_eps"`
		RopeTheta             json.Number      `json:"rope_theta"`
		RopeScaling           *ropeScalingJSON `json:"rope_scaling,omitempty"`
		TieWordEmbeddings     bool             `json:"tie_word_embeddings"`
		HiddenAct             string           `json:"hidden_act"`
	}{
		[]string{c.Architecture}, modelTypes[c.Architecture], c.VocabSize, c.HiddenSize, c.IntermediateSize,
		c.NumHiddenLayers, c.NumAttentionHeads, c.NumKeyValueHeads, c.HeadDim, c.MaxPositionEmbeddings,
		number(float64(c.RMSNormEps), 32), number(c.RopeTheta, 64), scaling, c.TieWordEmbeddings, "silu",
	}, "", "  ")
	if err != nil {
		return nil // unreachable for a valid config: every field marshals
	}
	return append(out, '\n')
}
