// Package batch holds the canonical rollout and a miner's batch of a window:
// encoding, Merkle tree, file format and group extracts.
//
// # Canonical rollout
//
// One CBOR map in core deterministic encoding (RFC 8949, 4.2.1) with exactly
// these text keys; proof, reward, archive and learner all read these bytes.
//
//	run, window, group, index   unsigned integers
//	checkpoint                  byte string, 32 bytes
//	miner                       byte string, the address, 1 to 64 bytes
//	env                         text, 1 to 64 bytes
//	prompt, completion          arrays of integers (int32); of an environment that answers
//	                            the completion holds its replies, too (package env)
//	logprobs                    byte string: big-endian f32 bits, one per completion token
//	finish                      text, "end" or "length"
//	reward                      unsigned integer, millionths (uint32)
//	proof                       byte string, empty in exact mode
//
// Bytes are canonical if decoding and encoding them again gives the same bytes.
//
// # Tree
//
// The leaves of a batch are its rollouts in order group*K + index, hashed into
// CometBFT's (RFC 6962) Merkle tree. A proof verifies under several totals, so
// a path counts only with the Total and the Index that are expected.
//
// # Batch file
//
//	 8 bytes  "GALABAT1"
//	 8        number of leaves, big-endian
//	 8        payload bytes, big-endian
//	32        Merkle root of the leaves
//	          zstd of the payload: for each leaf uint32 big-endian length, then its bytes
//
// Readers state limits; nothing is allocated from a number in the file before
// it was held against them, and decompression stops at the stated payload size.
//
// The chain decodes leaves with this code: no floats, no panics.
package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

const (
	// MaxLeafBytes bounds an encoded rollout, whatever the run allows.
	MaxLeafBytes = 2 << 20
	// MinLeafBytes is the length of the shortest encoded rollout.
	MinLeafBytes = 140
	// MaxTokens bounds the prompt and the completion of a rollout, each.
	MaxTokens = 1 << 17
	// DigestBytes is the length of checkpoint digests and Merkle roots.
	DigestBytes = 32
	// MaxMinerBytes bounds a miner's address.
	MaxMinerBytes = 64
	// MaxEnvBytes bounds an environment's id.
	MaxEnvBytes = 64
	// MaxProofBytes bounds the proof field.
	MaxProofBytes = 1 << 20
	// MaxFinishBytes bounds the finish reason.
	MaxFinishBytes = 16
)

// Finish reasons of a rollout.
const (
	FinishEnd    = "end"    // the last token is an end token
	FinishLength = "length" // the length limit was reached
)

// Errors of the decoder; test with errors.Is.
var (
	ErrTooLarge     = errors.New("batch: too large")
	ErrMalformed    = errors.New("batch: malformed rollout")
	ErrNotCanonical = errors.New("batch: rollout not in canonical form")
	ErrField        = errors.New("batch: field out of bounds")
)

// Rollout is the decoded canonical rollout.
type Rollout struct {
	Run        uint64  `cbor:"run"`
	Window     uint64  `cbor:"window"`
	Checkpoint []byte  `cbor:"checkpoint"`
	Miner      []byte  `cbor:"miner"`
	Group      uint64  `cbor:"group"`
	Index      uint64  `cbor:"index"`
	Env        string  `cbor:"env"`
	Prompt     []int32 `cbor:"prompt"`
	Completion []int32 `cbor:"completion"`
	LogProbs   []byte  `cbor:"logprobs"` // PackBits of the f32 bits, one per completion token
	Finish     string  `cbor:"finish"`
	Reward     uint32  `cbor:"reward"` // millionths
	Proof      []byte  `cbor:"proof"`
}

// SameGroup reports whether both rollouts answer one group of one miner: its number alone is that of a group in every
// window of every run.
func (r Rollout) SameGroup(other Rollout) bool {
	return r.Group == other.Group && r.Window == other.Window && r.Run == other.Run && bytes.Equal(r.Miner, other.Miner)
}

// Encode returns the canonical bytes. Errors: those of Validate.
func (r Rollout) Encode() ([]byte, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	return r.marshal()
}

func (r Rollout) marshal() ([]byte, error) {
	enc, err := encMode()
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	b, err := enc.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return b, nil
}

// Decode parses canonical bytes. Errors: ErrTooLarge, ErrMalformed,
// ErrNotCanonical, ErrField.
func Decode(leaf []byte) (Rollout, error) {
	if len(leaf) > MaxLeafBytes {
		return Rollout{}, fmt.Errorf("%w: leaf of %d bytes, limit %d", ErrTooLarge, len(leaf), MaxLeafBytes)
	}
	dec, err := decMode()
	if err != nil {
		return Rollout{}, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	var r Rollout
	if err := dec.Unmarshal(leaf, &r); err != nil {
		return Rollout{}, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	if err := r.Validate(); err != nil {
		return Rollout{}, err
	}
	again, err := r.marshal()
	if err != nil {
		return Rollout{}, err
	}
	if !bytes.Equal(again, leaf) {
		return Rollout{}, ErrNotCanonical
	}
	return r, nil
}

// Validate checks the bounds that hold in every run. Log-probabilities must be
// finite and as many as completion tokens. Error: ErrField, naming the field.
func (r Rollout) Validate() error {
	switch {
	case len(r.Checkpoint) != DigestBytes:
		return fmt.Errorf("%w: checkpoint of %d bytes, want %d", ErrField, len(r.Checkpoint), DigestBytes)
	case len(r.Miner) == 0 || len(r.Miner) > MaxMinerBytes:
		return fmt.Errorf("%w: miner of %d bytes, want 1 to %d", ErrField, len(r.Miner), MaxMinerBytes)
	case len(r.Env) == 0 || len(r.Env) > MaxEnvBytes:
		return fmt.Errorf("%w: env of %d bytes, want 1 to %d", ErrField, len(r.Env), MaxEnvBytes)
	case len(r.Prompt) > MaxTokens:
		return fmt.Errorf("%w: prompt of %d tokens, limit %d", ErrField, len(r.Prompt), MaxTokens)
	case len(r.Completion) > MaxTokens:
		return fmt.Errorf("%w: completion of %d tokens, limit %d", ErrField, len(r.Completion), MaxTokens)
	case len(r.LogProbs) != 4*len(r.Completion):
		return fmt.Errorf("%w: logprobs of %d bytes, want 4 for each of %d tokens", ErrField, len(r.LogProbs), len(r.Completion))
	case len(r.Finish) > MaxFinishBytes:
		return fmt.Errorf("%w: finish of %d bytes, limit %d", ErrField, len(r.Finish), MaxFinishBytes)
	case len(r.Proof) > MaxProofBytes:
		return fmt.Errorf("%w: proof of %d bytes, limit %d", ErrField, len(r.Proof), MaxProofBytes)
	}
	const exponent = 0x7F800000 // all ones: infinity or NaN
	for i, b := range r.LogProbBits() {
		if b&exponent == exponent {
			return fmt.Errorf("%w: log-probability %d is not finite", ErrField, i)
		}
	}
	return nil
}

// LogProbBits returns the f32 bits of the log-probabilities; a tail of fewer
// than 4 bytes is ignored.
func (r Rollout) LogProbBits() []uint32 {
	out := make([]uint32, len(r.LogProbs)/4)
	for i := range out {
		out[i] = binary.BigEndian.Uint32(r.LogProbs[4*i:])
	}
	return out
}

// PackBits returns the logprobs byte string of f32 bits.
func PackBits(bits []uint32) []byte {
	out := make([]byte, 0, 4*len(bits))
	for _, b := range bits {
		out = binary.BigEndian.AppendUint32(out, b)
	}
	return out
}

// encMode is core deterministic encoding; a nil slice encodes as an empty one.
func encMode() (cbor.EncMode, error) { return encoder, encoderErr }

// decMode refuses what no canonical rollout contains.
func decMode() (cbor.DecMode, error) { return decoder, decoderErr }

var (
	encoder, encoderErr = func() (cbor.EncMode, error) {
		o := cbor.CoreDetEncOptions()
		o.NilContainers = cbor.NilContainerAsEmpty
		return o.EncMode()
	}()
	decoder, decoderErr = cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		UTF8:              cbor.UTF8RejectInvalid,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		MaxNestedLevels:   4,
		MaxArrayElements:  MaxTokens,
		MaxMapPairs:       16,
	}.DecMode()
)
