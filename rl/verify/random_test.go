package verify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/proof"
)

// TestRandomStringsGiveTypedErrors feeds every decoder of what a stranger sends with random
// bytes, half of them a valid message with some bytes changed, cut or repeated: no panic, and
// no error but those that the package names. A million strings each, 100,000 with -short.
func TestRandomStringsGiveTypedErrors(t *testing.T) {
	count := 1_000_000
	if testing.Short() {
		count = 100_000
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := binary.LittleEndian.AppendUint64(make([]byte, 24), seed)
	random := rand.New(rand.NewChaCha8([32]byte(c)))

	var rollouts []batch.Rollout
	for i := range uint64(8) {
		rollouts = append(rollouts, batch.Rollout{
			Run: 1, Window: 2, Checkpoint: make([]byte, batch.DigestBytes), Miner: make([]byte, 20), Group: i / 4, Index: i % 4, Env: "arithmetic-2",
			Prompt: []int32{1, 2, 3}, Completion: []int32{4, 5}, LogProbs: make([]byte, 8), Finish: "length",
		})
	}
	b, err := batch.New(rollouts)
	require.NoError(t, err)
	var file bytes.Buffer
	require.NoError(t, b.WriteFile(&file))
	extract, err := b.Group(1, 4)
	require.NoError(t, err)
	group, err := extract.EncodeGroup()
	require.NoError(t, err)
	path, err := b.Proof(3)
	require.NoError(t, err)
	limits := batch.Limits{FileBytes: 1 << 16, PayloadBytes: 1 << 16, Leaves: 64}

	for _, d := range []struct {
		name  string
		valid []byte
		try   func([]byte) error
		typed []error
		bound bool // by the root: nothing but valid is accepted
	}{
		{"rollout", b.Leaves[3], func(s []byte) error { _, err := batch.Decode(s); return err },
			[]error{batch.ErrMalformed, batch.ErrNotCanonical, batch.ErrField, batch.ErrTooLarge}, false},
		{"batch file", file.Bytes(), func(s []byte) error {
			_, err := batch.ReadFile(bytes.NewReader(s), b.Root(), limits)
			return err
		}, []error{batch.ErrFile, batch.ErrRoot, batch.ErrTooLarge}, false},
		{"group", group, func(s []byte) error {
			x, err := batch.DecodeGroup(s)
			if err != nil {
				return err
			}
			return x.Verify(b.Root(), 2, 1, 4)
		}, []error{batch.ErrFile, batch.ErrProof, batch.ErrIndex, batch.ErrTooLarge}, false},
		{"Merkle path", bytes.Join(path.Aunts, nil), func(s []byte) error {
			p := batch.Proof{Total: 8, Index: 3}
			for len(s) > 0 {
				n := min(len(s), 32)
				p.Aunts, s = append(p.Aunts, s[:n]), s[n:]
			}
			return batch.VerifyProof(b.Root(), 8, 3, b.Leaves[3], p)
		}, []error{batch.ErrProof}, true},
		{"TOPLOC", make([]byte, 258), func(s []byte) error { _, err := proof.Parse(s, proof.TopK); return err }, []error{proof.ErrProof}, false},
		{"sketch", make([]byte, proof.SketchBytes(16)), func(s []byte) error { _, err := proof.ParseSketch(s, 16); return err }, []error{proof.ErrProof}, false},
	} {
		t.Run(d.name, func(t *testing.T) {
			require.NoError(t, func() error {
				if d.name == "TOPLOC" {
					return nil // a modulus of 0
				}
				return d.try(d.valid)
			}())
			accepted := 0
			for range count {
				s := garble(random, d.valid)
				err := d.try(s)
				known := err == nil
				for _, e := range d.typed {
					known = known || errors.Is(err, e)
				}
				if !known {
					t.Fatalf("%x: %v", s, err)
				}
				if err == nil {
					accepted++
					if d.bound && !bytes.Equal(s, d.valid) {
						t.Fatalf("%x is accepted, too", s)
					}
				}
			}
			t.Logf("%d strings, %d of them accepted", count, accepted)
		})
	}
}

// garble returns random bytes, or valid ones with a few changes.
func garble(r *rand.Rand, valid []byte) []byte {
	if r.IntN(2) == 0 {
		s := make([]byte, r.IntN(2*len(valid)+1))
		for i := range s {
			s[i] = byte(r.Uint32())
		}
		return s
	}
	s := bytes.Clone(valid)
	for range 1 + r.IntN(4) {
		if len(s) == 0 {
			break
		}
		i := r.IntN(len(s))
		switch r.IntN(4) {
		case 0:
			s[i] = byte(r.Uint32())
		case 1:
			s[i] ^= 1 << r.IntN(8)
		case 2:
			s = s[:i]
		case 3:
			s = append(s[:i:i], append([]byte{byte(r.Uint32())}, s[i:]...)...)
		}
	}
	return s
}
