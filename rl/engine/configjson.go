package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// harmless are the keys of a config.json that cannot change the forward pass,
// whatever they say: dropout and initialisation of training, token ids, types of
// storage (the safetensors state their own), marks of the tools that wrote the
// file. sliding_window and max_window_layers count only with use_sliding_window.
var harmless = func() map[string]bool {
	m := map[string]bool{}
	for _, key := range strings.Fields(`
		attention_dropout initializer_range use_cache torch_dtype dtype
		bos_token_id eos_token_id pad_token_id unk_token_id decoder_start_token_id
		sliding_window max_window_layers
		transformers_version _name_or_path _commit_hash auto_map transformers.js_config
		_attn_implementation _attn_implementation_autoset attn_implementation
		is_decoder is_llama_config unsloth_fixed unsloth_version
		max_length min_length do_sample temperature top_k top_p repetition_penalty
		output_attentions output_hidden_states return_dict`) {
		m[key] = true
	}
	return m
}()

// only lists the keys of which the engine knows one value: any other asks for a
// computation that it does not have. null is as good as a missing key.
var only = map[string]string{
	"hidden_act":                  `"silu"`,
	"mlp_bias":                    "false",
	"use_sliding_window":          "false",
	"use_mrope":                   "false",
	"rope_interleaved":            "false",
	"is_encoder_decoder":          "false",
	"add_cross_attention":         "false",
	"tie_encoder_decoder":         "false",
	"pretraining_tp":              "1",
	"quantization_config":         "null",
	"adapters":                    "null",
	"pruned_heads":                "{}",
	"cross_attention_hidden_size": "null",
}

// ParseConfig reads a config.json. Anything that the engine does not implement,
// such as an architecture, a kind of rope_scaling, or a key that it does not know
// and that might change the computation, is a *ConfigError that names it.
func ParseConfig(data []byte) (Config, error) {
	r, err := newConfigReader(data)
	if err != nil {
		return Config{}, err
	}
	architecture := r.architecture()
	if r.err != nil { // first, because another architecture has other keys, too
		return Config{}, r.err
	}
	c := Config{
		Architecture:          architecture,
		VocabSize:             r.integer("vocab_size", 0),
		HiddenSize:            r.integer("hidden_size", 0),
		IntermediateSize:      r.integer("intermediate_size", 0),
		NumHiddenLayers:       r.integer("num_hidden_layers", 0),
		NumAttentionHeads:     r.integer("num_attention_heads", 0),
		MaxPositionEmbeddings: r.integer("max_position_embeddings", 0),
		RMSNormEps:            float32(r.number("rms_norm_eps", 0, 32)),
		TieWordEmbeddings:     r.boolean("tie_word_embeddings"),
	}
	c.NumKeyValueHeads = r.integer("num_key_value_heads", c.NumAttentionHeads)
	c.HeadDim = r.integer("head_dim", c.HiddenSize/max(1, c.NumAttentionHeads))
	c.RopeTheta, c.RopeScaling = r.rope()
	r.layerTypes(c.NumHiddenLayers)
	r.refuse(architecture)
	if r.err != nil {
		return Config{}, r.err
	}
	return c, c.Validate()
}

// EOSTokenIDs returns the eos_token_id of a config.json or generation_config.json,
// a number or a list in either; none is no error.
func EOSTokenIDs(data []byte) ([]int32, error) {
	r, err := newConfigReader(data)
	if err != nil {
		return nil, err
	}
	text, ok := r.take("eos_token_id")
	if !ok {
		return nil, nil
	}
	var ids []int32
	if json.Unmarshal(text, &ids) != nil {
		var id int32
		if json.Unmarshal(text, &id) != nil {
			return nil, &ConfigError{"eos_token_id", fmt.Sprintf("%s is neither a token id nor a list of them", shorten(text))}
		}
		ids = []int32{id}
	}
	return ids, nil
}

// configReader takes keys out of a config.json and keeps the first error. Keys
// are compared byte for byte: encoding/json's structs would take "Vocab_Size" for
// vocab_size, where other readers would not.
type configReader struct {
	keys map[string]json.RawMessage
	err  error
}

func newConfigReader(data []byte) (*configReader, error) {
	if len(data) > maxConfigBytes {
		return nil, &ConfigError{"config.json", fmt.Sprintf("%d bytes, at most %d", len(data), maxConfigBytes)}
	}
	if err := noDuplicateKeys(data); err != nil {
		return nil, &ConfigError{"config.json", err.Error()}
	}
	r := &configReader{}
	if err := json.Unmarshal(data, &r.keys); err != nil || r.keys == nil {
		return nil, &ConfigError{"config.json", "is not a JSON object"}
	}
	return r, nil
}

func (r *configReader) fail(key, format string, args ...any) {
	if r.err == nil {
		r.err = &ConfigError{key, fmt.Sprintf(format, args...)}
	}
}

// take removes a key; one that is null counts as missing.
func (r *configReader) take(key string) (json.RawMessage, bool) {
	text, ok := r.keys[key]
	delete(r.keys, key)
	return text, ok && string(text) != "null"
}

func (r *configReader) integer(key string, fallback int) int {
	text, ok := r.take(key)
	if !ok {
		return fallback
	}
	n, err := strconv.Atoi(string(text))
	if err != nil {
		r.fail(key, "%s is not an integer in range", shorten(text))
	}
	return n
}

func (r *configReader) number(key string, fallback float64, bits int) float64 {
	text, ok := r.take(key)
	if !ok {
		return fallback
	}
	x, err := strconv.ParseFloat(string(text), bits)
	if err != nil {
		r.fail(key, "%s is not a number in range", shorten(text))
	}
	return x
}

func (r *configReader) boolean(key string) (b bool) {
	if text, ok := r.take(key); ok && json.Unmarshal(text, &b) != nil {
		r.fail(key, "%s is neither true nor false", shorten(text))
	}
	return b
}

func (r *configReader) strings(key string) (list []string) {
	if text, ok := r.take(key); ok && json.Unmarshal(text, &list) != nil {
		r.fail(key, "%s is not a list of strings", shorten(text))
	}
	return list
}

func (r *configReader) architecture() string {
	names := r.strings("architectures")
	modelType, _ := r.take("model_type")
	switch {
	case r.err != nil:
	case len(names) != 1:
		r.fail("architectures", "want exactly one, got %q", names)
	case modelTypes[names[0]] == "":
		r.fail("architectures", "%s", unsupportedArchitecture(names[0]))
	case string(modelType) != strconv.Quote(modelTypes[names[0]]):
		r.fail("model_type", "%s does not belong to %s", shorten(modelType), names[0])
	default:
		return names[0]
	}
	return ""
}

// rope reads rope_theta and rope_scaling, or rope_parameters, in which newer
// versions of transformers keep both.
func (r *configReader) rope() (theta float64, scaling RopeScaling) {
	topTheta, hasTheta := r.keys["rope_theta"]
	topScaling, hasScaling := r.keys["rope_scaling"]
	theta = r.number("rope_theta", 10000, 64) // the default of both architectures
	if text, ok := r.take("rope_scaling"); ok {
		var t float64
		if t, scaling = r.ropeObject("rope_scaling", text, theta); t != theta {
			r.fail("rope_scaling", "rope_theta %v contradicts the config's %v", t, theta)
		}
	}
	if text, ok := r.take("rope_parameters"); ok {
		t, s := r.ropeObject("rope_parameters", text, theta)
		if hasTheta && string(topTheta) != "null" && t != theta || hasScaling && string(topScaling) != "null" && s != scaling {
			r.fail("rope_parameters", "contradicts rope_theta or rope_scaling")
		}
		return t, s
	}
	return theta, scaling
}

// ropeObject reads one object of RoPE parameters.
func (r *configReader) ropeObject(key string, text json.RawMessage, theta float64) (float64, RopeScaling) {
	in := &configReader{}
	if json.Unmarshal(text, &in.keys) != nil {
		r.fail(key, "%s is not an object", shorten(text))
		return theta, RopeScaling{}
	}
	kind := in.ropeType()
	theta = in.number("rope_theta", theta, 64)
	var s RopeScaling
	switch kind {
	case "default":
	case "llama3":
		s = RopeScaling{
			Factor:                        in.number("factor", 0, 64),
			LowFreqFactor:                 in.number("low_freq_factor", 0, 64),
			HighFreqFactor:                in.number("high_freq_factor", 0, 64),
			OriginalMaxPositionEmbeddings: in.integer("original_max_position_embeddings", 0),
		}
		if s == (RopeScaling{}) { // which would mean no scaling at all
			in.fail(key, "type \"llama3\" without its factors")
		}
	default:
		in.fail(key, "type %q is not supported; this version knows \"default\" and \"llama3\"", kind)
	}
	if share := in.number("partial_rotary_factor", 1, 64); share != 1 {
		in.fail(key, "partial_rotary_factor %v is not supported", share)
	}
	for _, unknown := range in.rest() {
		in.fail(key, "key %q is not known, and might change the computation", unknown)
	}
	if e, ok := in.err.(*ConfigError); ok && e.Field != key {
		in.err = &ConfigError{key, e.Field + " " + e.Reason}
	}
	if r.err == nil {
		r.err = in.err
	}
	return theta, s
}

// ropeType reads the kind of scaling, which older files call "type"; files that
// were written in between have both.
func (r *configReader) ropeType() string {
	kinds := map[string]bool{}
	for _, key := range []string{"rope_type", "type"} {
		if text, ok := r.take(key); ok {
			var kind string
			if json.Unmarshal(text, &kind) != nil {
				r.fail(key, "%s is not a string", shorten(text))
			}
			kinds[kind] = true
		}
	}
	for kind := range kinds {
		if len(kinds) == 1 {
			return kind
		}
		r.fail("rope_type", "and type differ")
		return kind
	}
	return "default"
}

// layerTypes refuses layers that do not attend to everything before them.
func (r *configReader) layerTypes(layers int) {
	if text, ok := r.keys["layer_types"]; !ok || string(text) == "null" {
		delete(r.keys, "layer_types")
		return
	}
	types := r.strings("layer_types")
	for _, t := range types {
		if t != "full_attention" {
			r.fail("layer_types", "%q is not supported", t)
		}
	}
	if len(types) != layers {
		r.fail("layer_types", "has %d entries for %d layers", len(types), layers)
	}
}

// refuse rejects the values and keys that ask for a computation that the engine
// does not have. Keys are taken in their order, so that the error is always the
// same one.
func (r *configReader) refuse(architecture string) {
	if text, ok := r.keys["hidden_act"]; !ok || string(text) == "null" {
		r.fail("hidden_act", "is missing; want \"silu\"")
	}
	want := strconv.FormatBool(architecture == Qwen2) // biases on q, k and v
	if text, ok := r.take("attention_bias"); ok && string(text) != want {
		r.fail("attention_bias", "%s is not supported for %s", shorten(text), architecture)
	}
	for _, key := range r.rest() {
		if harmless[key] {
			continue
		}
		want, known := only[key]
		if !known {
			r.fail(key, "is not known, and might change the computation")
		}
		if text, ok := r.take(key); ok && string(text) != want {
			r.fail(key, "%s is not supported; want %s", shorten(text), want)
		}
	}
}

// rest lists the keys that were not taken, in ascending order.
func (r *configReader) rest() []string {
	keys := make([]string, 0, len(r.keys))
	for key := range r.keys {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// shorten quotes JSON text in an error message.
func shorten(text []byte) string {
	const most = 60
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}

// maxDepth bounds the nesting of JSON, which costs memory; real files have 3.
const maxDepth = 32

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
			if (t == '{' || t == '[') && len(stack) == maxDepth {
				return fmt.Errorf("nested more than %d deep", maxDepth)
			}
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
