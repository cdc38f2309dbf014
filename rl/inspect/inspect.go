// Package inspect says what a folder in Hugging Face's layout holds, as the
// engine understands it: the model, the memory that it needs, the tokenizer, the
// digest as a checkpoint, the speed of this machine, and whatever is refused, by
// name and with what can be done about it.
package inspect

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/kernel"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/tokenizer/auto"
	"github.com/galahad-network/galahad/rl/tokenizer/bpe"
)

// Options says how to look.
type Options struct {
	Threads int  // of the engine; 0 means one for each core
	Measure bool // load the weights, measure the speed, and replay what was sampled
	// Progress is told what begins, and how many bytes of how many are done where
	// that is known (else total is 0). It may be nil.
	Progress func(stage string, done, total int64)
}

// Report is what was found. Parts that were refused are nil.
type Report struct {
	Folder    string     `json:"folder"`
	Model     *Model     `json:"model,omitempty"`
	Tokenizer *Tokenizer `json:"tokenizer,omitempty"`
	// Digest is the digest as a checkpoint, in hexadecimal. Manifest says that the
	// folder has a manifest and agrees with it; else it is what it would be.
	Digest   string    `json:"digest,omitempty"`
	Manifest bool      `json:"manifest"`
	Kernel   string    `json:"kernel"`
	Threads  int       `json:"threads"`
	Speed    *Speed    `json:"speed,omitempty"`
	Notes    []string  `json:"notes,omitempty"`
	Refused  []Refusal `json:"refused,omitempty"`
}

// Model is what config.json and the headers of the weights say.
type Model struct {
	Architecture     string              `json:"architecture"`
	Parameters       int64               `json:"parameters"`
	Layers           int                 `json:"layers"`
	HiddenSize       int                 `json:"hidden_size"`
	IntermediateSize int                 `json:"intermediate_size"`
	Heads            int                 `json:"heads"`
	KeyValueHeads    int                 `json:"key_value_heads"`
	HeadDim          int                 `json:"head_dim"`
	Vocabulary       int                 `json:"vocabulary"`
	TiedEmbeddings   bool                `json:"tied_embeddings"`
	Context          int                 `json:"context"` // positions
	RopeTheta        float64             `json:"rope_theta"`
	RopeScaling      *engine.RopeScaling `json:"rope_scaling,omitempty"`
	EndTokens        []int32             `json:"eos_token_ids"` // as config.json and generation_config.json have them
	Stored           map[string]int64    `json:"stored"`        // weights by type
	Files            int                 `json:"files"`
	FileBytes        int64               `json:"file_bytes"`
	WeightBytes      int64               `json:"weight_bytes"`         // in memory
	CacheBytes       int64               `json:"cache_bytes_per_1000"` // keys and values of 1000 positions
}

// Tokenizer is what tokenizer.json says.
type Tokenizer struct {
	Kind      string  `json:"kind"`
	Ids       int     `json:"ids"`
	BOS       *int32  `json:"bos,omitempty"`
	EOS       int32   `json:"eos"`
	EndTokens []int32 `json:"end_tokens"`
	Digest    string  `json:"digest"` // SHA-256 of the file, which a run's parameters pin
}

// Refusal is one thing that cannot be accepted.
type Refusal struct {
	What   string `json:"what"`   // file, field, tensor or shard
	Reason string `json:"reason"` // what is wrong with it
	Do     string `json:"do"`     // what can be done
}

// Run inspects a folder. The error is ctx's, or that the folder cannot be read;
// what is wrong with the files stands in the report.
func Run(ctx context.Context, dir string, opt Options) (*Report, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a folder", dir)
	}
	if opt.Progress == nil {
		opt.Progress = func(string, int64, int64) {}
	}
	r := &Report{Folder: dir, Threads: opt.Threads}
	if r.Threads <= 0 {
		r.Threads = runtime.GOMAXPROCS(0)
	}
	k, _ := kernel.Default() // an unknown one is CheckArithmetic's error, too
	r.Kernel = k.Name()
	r.refuse("", engine.CheckArithmetic())

	r.readModel(dir)
	r.readTokenizer(dir)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.readDigest(dir, opt)
	if opt.Measure && r.Model != nil && len(r.Refused) == 0 {
		if err := r.measure(ctx, dir, opt); err != nil {
			return nil, err
		}
	}
	return r, ctx.Err()
}

func (r *Report) readModel(dir string) {
	c, err := engine.Examine(dir)
	if err != nil {
		r.refuse(dir, err)
		return
	}
	k := c.Config
	m := &Model{
		Architecture: k.Architecture, Parameters: k.Parameters(), Layers: k.NumHiddenLayers, HiddenSize: k.HiddenSize,
		IntermediateSize: k.IntermediateSize, Heads: k.NumAttentionHeads, KeyValueHeads: k.NumKeyValueHeads, HeadDim: k.HeadDim,
		Vocabulary: k.VocabSize, TiedEmbeddings: k.TieWordEmbeddings, Context: k.MaxPositionEmbeddings, RopeTheta: k.RopeTheta,
		Stored: map[string]int64{}, Files: c.Files, FileBytes: c.FileBytes, WeightBytes: c.WeightBytes(), CacheBytes: k.CacheBytes(1000),
	}
	if k.RopeScaling != (engine.RopeScaling{}) {
		m.RopeScaling = &k.RopeScaling
	}
	for dtype, n := range c.Elements {
		m.Stored[string(dtype)] = n
	}
	for _, name := range []string{engine.ConfigFile, "generation_config.json"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue // config.json was read before; the other need not be there
		}
		ids, err := engine.EOSTokenIDs(data)
		if err != nil {
			r.Notes = append(r.Notes, fmt.Sprintf("%s: %v", name, err))
		}
		m.EndTokens = append(m.EndTokens, ids...)
	}
	slices.Sort(m.EndTokens)
	m.EndTokens = slices.Compact(m.EndTokens)
	r.Model = m
}

func (r *Report) readTokenizer(dir string) {
	path := filepath.Join(dir, checkpoint.TokenizerFile)
	if info, err := os.Stat(path); err == nil && info.Size() > auto.MaxFileBytes {
		r.refuse(path, fmt.Errorf("%w: %d bytes, limit %d", tokenizer.ErrTooLarge, info.Size(), auto.MaxFileBytes))
		return
	}
	data, err := os.ReadFile(path)
	if err != nil {
		r.refuse(path, err)
		return
	}
	tok, err := auto.Load(data)
	if err != nil {
		r.refuse(path, err)
		return
	}
	digest := tok.Digest()
	t := &Tokenizer{Kind: "characters", Ids: tok.VocabSize(), EOS: tok.EOS(), EndTokens: []int32{tok.EOS()}, Digest: hex.EncodeToString(digest[:])}
	if b, ok := tok.(*bpe.Tokenizer); ok {
		t.Kind, t.EndTokens = b.Kind(), b.EndTokens()
	}
	if id, ok := tok.BOS(); ok {
		t.BOS = &id
	}
	r.Tokenizer = t
	if r.Model != nil && t.Ids > r.Model.Vocabulary {
		r.refuse(path, fmt.Errorf("%d ids, but the model has %d", t.Ids, r.Model.Vocabulary))
	}
}

func (r *Report) readDigest(dir string, opt Options) {
	const stage = "hashing the files"
	opt.Progress(stage, 0, 0)
	_, err := os.Stat(filepath.Join(dir, checkpoint.ManifestFile))
	var m checkpoint.Manifest
	if errors.Is(err, fs.ErrNotExist) {
		if r.Model == nil || r.Tokenizer == nil {
			return // there is nothing to be a checkpoint of
		}
		m, err = checkpoint.Describe(dir, func(done, total int64) { opt.Progress(stage, done, total) })
	} else if err == nil {
		m, err = checkpoint.Verify(dir, nil)
		r.Manifest = err == nil
	}
	if err != nil {
		r.refuse(dir, err)
		return
	}
	r.Digest = hex.EncodeToString(m.Digest())
}

// measure loads the model and times it, unless the machine has too little memory.
func (r *Report) measure(ctx context.Context, dir string, opt Options) error {
	need := r.Model.WeightBytes + 8*r.Model.CacheBytes
	if free := availableMemory(); free > 0 && free < need {
		r.Notes = append(r.Notes, fmt.Sprintf("not measured: it needs %s of memory, and %s are free", Bytes(need), Bytes(free)))
		return nil
	}
	opt.Progress(fmt.Sprintf("loading %s of weights", Bytes(r.Model.FileBytes)), 0, 0)
	began := time.Now()
	m, err := engine.Load(dir)
	if err != nil {
		r.refuse(dir, err)
		return nil
	}
	s := &Speed{LoadSeconds: time.Since(began).Seconds()}
	r.Model.WeightBytes = m.Bytes()
	if err := s.run(ctx, engine.New(m, engine.Options{Threads: opt.Threads}), opt.Progress); err != nil {
		return err
	}
	r.Speed = s
	if !s.Exact {
		r.Refused = append(r.Refused, Refusal{"this machine", "what was sampled and its replay differ", "do not mine or grade on it; report it as a bug, with the output of --output json"})
	}
	return nil
}

// Bytes writes a size for people.
func Bytes(n int64) string {
	const k = 1024
	switch {
	case n < 10*k:
		return fmt.Sprintf("%d B", n)
	case n < 10*k*k:
		return fmt.Sprintf("%.1f KiB", float64(n)/k)
	case n < 10*k*k*k:
		return fmt.Sprintf("%.1f MiB", float64(n)/(k*k))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(k*k*k))
}

// refuse adds an error, if it is one, to what is refused; where names the file
// where the error does not.
func (r *Report) refuse(where string, err error) {
	if err == nil {
		return
	}
	what, reason := where, err.Error()
	var config *engine.ConfigError
	var tensor *engine.TensorError
	var file *engine.FileError
	var shard *checkpoint.ShardError
	var path *fs.PathError
	var tok *bpe.FileError
	switch {
	case errors.As(err, &config):
		what, reason = engine.ConfigFile+": "+config.Field, config.Reason
	case errors.As(err, &tensor):
		what, reason = "tensor "+tensor.Tensor, tensor.Reason
	case errors.As(err, &file):
		what, reason = file.File, file.Reason
	case errors.As(err, &shard):
		what, reason = shard.Shard, shard.Reason
	case errors.As(err, &tok) && tok.Key != "":
		what = checkpoint.TokenizerFile + ": " + tok.Key
	case errors.As(err, &path):
		what, reason = path.Path, path.Err.Error()
	case where == "":
		what = "this machine"
	}
	r.Refused = append(r.Refused, Refusal{what, reason, advice(err)})
}

// advice says what can be done about an error.
func advice(err error) string {
	const none = "nothing, in this version"
	var config *engine.ConfigError
	var tensor *engine.TensorError
	switch {
	case errors.As(err, &config):
		switch config.Field {
		case "architectures", "model_type":
			return "use a model of the Qwen2 (Qwen2.5) or Llama (2, 3) family"
		case "rope_scaling", "rope_parameters":
			return "where it only lengthens the context: remove it, and set max_position_embeddings to the context before it"
		case "quantization_config":
			return "use the weights that the quantized ones were made from, in bf16, f16 or f32"
		}
		return none
	case errors.As(err, &tensor) && strings.Contains(tensor.Reason, "dtype"):
		return "store the weights in bf16, f16 or f32"
	case errors.As(err, &tensor), errors.Is(err, checkpoint.ErrCorrupt), errors.Is(err, checkpoint.ErrManifest), errors.As(err, new(*engine.FileError)):
		return "fetch the files again; if they were changed on purpose, remove " + checkpoint.ManifestFile
	case errors.Is(err, fs.ErrNotExist):
		return "the folder must hold " + engine.ConfigFile + ", " + checkpoint.TokenizerFile + ", and " + engine.WeightsFile +
			" or shards and their index; older files (pytorch_model.bin, tokenizer.model) have to be converted"
	case errors.Is(err, tokenizer.ErrFormat):
		return "use the tokenizer.json of GPT-2, Qwen2.5, Llama 2 or Llama 3; other settings make other tokens"
	case errors.Is(err, tokenizer.ErrSyntax), errors.Is(err, tokenizer.ErrVocab):
		return "fetch " + checkpoint.TokenizerFile + " again"
	case errors.Is(err, kernel.ErrUnknown):
		return "unset " + kernel.Env
	}
	return none
}
