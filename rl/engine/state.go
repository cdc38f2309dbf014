package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/galahad-network/galahad/rl/kernel"
)

// Prefixes of the tensors of a trainer's state, and its metadata keys.
const (
	masterPrefix  = "master."
	moment1Prefix = "moment1."
	moment2Prefix = "moment2."
	powersName    = "beta_powers" // [2]: the products of all beta1 and of all beta2
	// coefficientName is there if the trainer has a coefficient: [1].
	coefficientName = "coefficient"
	stepsKey        = "steps"
	configKey       = "config"
)

// SaveState writes everything that the next step depends on as one safetensors
// file in float32: masters, both moments, the powers of beta, the coefficient if
// there is one and, in the metadata, the config and the number of steps. An accumulated gradient is not
// part of it: save between steps. Equal states give equal bytes.
func (t *Trainer) SaveState(w io.Writer) error {
	tensors := []outTensor{{powersName, []int{2}, 2, func() []float32 { return []float32{t.power1, t.power2} }}}
	if c, ok := t.Coefficient(); ok {
		tensors = append(tensors, outTensor{coefficientName, []int{1}, 1, func() []float32 { return []float32{c} }})
	}
	for _, part := range t.stateParts() {
		for _, s := range t.live.specs {
			tensors = append(tensors, outTensor{part.prefix + s.name, s.shape, s.size, func() []float32 { return part.flat[s.offset : s.offset+s.size] }})
		}
	}
	metadata := map[string]string{configKey: string(t.live.cfg.JSON()), stepsKey: strconv.FormatUint(t.steps, 10)}
	return writeSafetensors(w, F32, metadata, tensors)
}

// MaxStateBytes is no less than what SaveState writes of a trainer of the config.
func (c Config) MaxStateBytes() int64 {
	const entry = 512 // of a tensor in the header, with its name
	return 3*4*c.Parameters() + 12 + entry*int64(3*len(c.layout())+2) + 2*int64(len(c.JSON())) + 4<<10
}

type statePart struct {
	prefix string
	flat   []float32
}

func (t *Trainer) stateParts() []statePart {
	return []statePart{{masterPrefix, t.master.flat}, {moment1Prefix, t.moment1.flat}, {moment2Prefix, t.moment2.flat}}
}

// LoadTrainer restores what SaveState wrote; training goes on with the same bits
// as if it had not stopped. Errors are a *ConfigError, *TensorError or *FileError.
func LoadTrainer(state []byte, opt Options) (*Trainer, error) {
	r := bytes.NewReader(state)
	entries, base, err := readHeader(r, int64(len(state)))
	if err != nil {
		return nil, err
	}
	metadata, err := readMetadata(state[8:base])
	if err != nil {
		return nil, err
	}
	c, err := ParseConfig([]byte(metadata[configKey]))
	if err != nil {
		return nil, err
	}
	steps, err := strconv.ParseUint(metadata[stepsKey], 10, 64)
	if err != nil {
		return nil, &FileError{"", fmt.Sprintf("metadata %q: %q is not a number", stepsKey, metadata[stepsKey])}
	}
	byName := make(map[string]fileTensor, len(entries))
	for _, e := range entries {
		byName[e.name] = e
	}
	take := func(name string, shape []int) (fileTensor, error) {
		e, ok := byName[name]
		delete(byName, name)
		switch {
		case !ok:
			return e, &TensorError{name, "is missing"}
		case e.dtype != F32:
			return e, &TensorError{name, fmt.Sprintf("is %s; a state is F32", e.dtype)}
		case !slices.Equal(e.shape, shape):
			return e, &TensorError{name, fmt.Sprintf("has shape %v, want %v", e.shape, shape)}
		}
		return e, nil
	}
	// First all headers, then memory for the weights: the size of the file bounds it.
	specs := c.layout()
	found := make([]fileTensor, 0, 3*len(specs))
	for _, prefix := range []string{masterPrefix, moment1Prefix, moment2Prefix} {
		for _, s := range specs {
			e, err := take(prefix+s.name, s.shape)
			if err != nil {
				return nil, err
			}
			found = append(found, e)
		}
	}
	powersEntry, err := take(powersName, []int{2})
	if err != nil {
		return nil, err
	}
	var coefficient *fileTensor
	if _, has := byName[coefficientName]; has {
		e, err := take(coefficientName, []int{1})
		if err != nil {
			return nil, err
		}
		coefficient = &e
	}
	for _, e := range entries {
		if _, extra := byName[e.name]; extra {
			return nil, &TensorError{e.name, "does not belong to a trainer's state"}
		}
	}
	t := NewTrainer(newModel(c, specs, newWeights(c, specs)), opt)
	for i, part := range t.stateParts() {
		for j, s := range specs {
			if err := readTensor(r, base, found[i*len(specs)+j], part.flat[s.offset:s.offset+s.size]); err != nil {
				return nil, err
			}
		}
	}
	for i, v := range t.moment2.flat {
		if v < 0 {
			return nil, &TensorError{moment2Prefix + nameAt(specs, i), "has a negative element"}
		}
	}
	powers := make([]float32, 2)
	if err := readTensor(r, base, powersEntry, powers); err != nil {
		return nil, err
	}
	if !(powers[0] >= 0 && powers[0] <= 1 && powers[1] >= 0 && powers[1] <= 1) {
		return nil, &TensorError{powersName, fmt.Sprintf("%v is outside [0, 1]", powers)}
	}
	if coefficient != nil {
		c := make([]float32, 1)
		if err := readTensor(r, base, *coefficient, c); err != nil {
			return nil, err
		}
		if !(c[0] >= 0) || !kernel.IsFinite(c[0]) {
			return nil, &TensorError{coefficientName, fmt.Sprintf("%v is negative or not finite", c[0])}
		}
		t.SetCoefficient(c[0])
	}
	t.power1, t.power2, t.steps = powers[0], powers[1], steps
	t.repack()
	return t, nil
}

// nameAt returns the tensor that element i of the flat slice belongs to.
func nameAt(specs []tensorSpec, i int) string {
	for _, s := range specs {
		if i < s.offset+s.size {
			return s.name
		}
	}
	return ""
}

// readMetadata returns the __metadata__ of a header that readHeader accepted.
func readMetadata(header []byte) (map[string]string, error) {
	var x struct {
		Metadata map[string]string `json:"__metadata__"`
	}
	if err := json.Unmarshal(header, &x); err != nil {
		return nil, &FileError{"", "header: " + err.Error()}
	}
	return x.Metadata, nil
}
