package batch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"testing"

	"github.com/cometbft/cometbft/crypto/merkle"
	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"
)

// sample is a well-formed rollout; n varies it.
func sample(n uint64) Rollout {
	ck := sha256.Sum256([]byte("checkpoint"))
	return Rollout{
		Run: 1, Window: 2, Checkpoint: ck[:], Miner: []byte("miner address 20 by."), Group: n / 4, Index: n % 4,
		Env: "arithmetic-3", Prompt: []int32{1, 6, 7}, Completion: []int32{18, int32(n), 2},
		LogProbs: PackBits([]uint32{math.Float32bits(-0.5), math.Float32bits(-2), 0}),
		Finish:   FinishEnd, Reward: 1_000_000, Proof: nil,
	}
}

func testBatch(t testing.TB, n uint64) Batch {
	t.Helper()
	rs := make([]Rollout, n)
	for i := range rs {
		rs[i] = sample(uint64(i))
	}
	b, err := New(rs)
	require.NoError(t, err)
	return b
}

// The golden bytes fix the format: a map of 13 text keys, shortest first, then
// in byte order, as RFC 8949 section 4.2.1 orders encoded keys.
func TestCanonicalBytes(t *testing.T) {
	leaf, err := sample(5).Encode()
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, cbor.Unmarshal(leaf, &m))
	require.Len(t, m, 13)
	order := []string{"env", "run", "group", "index", "miner", "proof", "finish", "prompt", "reward", "window", "logprobs", "checkpoint", "completion"}
	at := 0
	for _, k := range order {
		i := bytes.Index(leaf, append([]byte{0x60 | byte(len(k))}, k...))
		require.Greater(t, i, at-1, k)
		at = i
	}
	require.Equal(t, byte(0xad), leaf[0])
	got, err := Decode(leaf)
	require.NoError(t, err)
	again, err := got.Encode()
	require.NoError(t, err)
	require.Equal(t, leaf, again)
	sum := sha256.Sum256(leaf)
	require.Equal(t, "e03571c971225def9f434d9d68088a3bf693980046128d1d6591f2b75676c46b", hex.EncodeToString(sum[:]))
}

// edit decodes a leaf into a generic map, changes it and encodes it again in
// deterministic order, so that only the change can be what is refused.
func edit(t *testing.T, change func(m map[string]any)) []byte {
	t.Helper()
	leaf, err := sample(0).Encode()
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, cbor.Unmarshal(leaf, &m))
	change(m)
	enc, err := cbor.CoreDetEncOptions().EncMode()
	require.NoError(t, err)
	out, err := enc.Marshal(m)
	require.NoError(t, err)
	return out
}

func TestDecodeRefusesWhatIsNotARollout(t *testing.T) {
	set := func(key string, v any) []byte {
		return edit(t, func(m map[string]any) { m[key] = v })
	}
	for name, c := range map[string]struct {
		leaf []byte
		err  error
	}{
		"empty":              {nil, ErrMalformed},
		"not a map":          {[]byte{0x01}, ErrMalformed},
		"unknown key":        {set("seed", 1), ErrMalformed},
		"key in upper case":  {edit(t, func(m map[string]any) { m["Run"] = m["run"]; delete(m, "run") }), ErrMalformed},
		"missing key":        {edit(t, func(m map[string]any) { delete(m, "proof") }), ErrNotCanonical},
		"missing run":        {edit(t, func(m map[string]any) { delete(m, "run") }), ErrNotCanonical},
		"null prompt":        {set("prompt", nil), ErrNotCanonical},
		"null run":           {set("run", nil), ErrNotCanonical},
		"negative run":       {set("run", -1), ErrMalformed},
		"float run":          {set("run", 1.0), ErrMalformed},
		"text as bytes":      {set("env", []byte("arithmetic-3")), ErrMalformed},
		"bytes as text":      {set("miner", "miner"), ErrMalformed},
		"invalid UTF-8":      {set("env", "\xff"), ErrMalformed},
		"token over int32":   {set("completion", []int64{1, 2, 1 << 31}), ErrMalformed},
		"reward over uint32": {set("reward", uint64(1<<32)), ErrMalformed},
		"short checkpoint":   {set("checkpoint", make([]byte, 31)), ErrField},
		"empty miner":        {set("miner", []byte{}), ErrField},
		"long miner":         {set("miner", make([]byte, 65)), ErrField},
		"empty env":          {set("env", ""), ErrField},
		"long env":           {set("env", string(make([]byte, 65))), ErrField},
		"long finish":        {set("finish", string(make([]byte, 17))), ErrField},
		"logprobs too short": {set("logprobs", make([]byte, 8)), ErrField},
		"logprobs of 3 byte": {set("logprobs", make([]byte, 11)), ErrField},
		"NaN":                {set("logprobs", PackBits([]uint32{0, 0x7fc00000, 0})), ErrField},
		"minus infinity":     {set("logprobs", PackBits([]uint32{0, 0, 0xff800000})), ErrField},
		"too large":          {make([]byte, MaxLeafBytes+1), ErrTooLarge},
	} {
		_, err := Decode(c.leaf)
		require.ErrorIs(t, err, c.err, name)
	}
}

// Encodings of the same content other than the canonical one are refused.
func TestDecodeRefusesOtherEncodingsOfTheSameContent(t *testing.T) {
	leaf, err := sample(0).Encode()
	require.NoError(t, err)
	replace := func(old, repl []byte) []byte {
		require.Equal(t, 1, bytes.Count(leaf, old))
		return bytes.Replace(leaf, old, repl, 1)
	}
	run := []byte("\x63run\x01")
	for name, other := range map[string][]byte{
		"long integer":      replace(run, []byte("\x63run\x18\x01")),
		"long key":          replace(run, []byte("\x78\x03run\x01")),
		"indefinite array":  replace([]byte("\x66prompt\x83\x01\x06\x07"), []byte("\x66prompt\x9f\x01\x06\x07\xff")),
		"indefinite string": replace([]byte("\x66finish\x63end"), []byte("\x66finish\x7f\x63end\xff")),
		"tag":               replace(run, []byte("\x63run\xc1\x01")),
		"key twice":         append([]byte{0xae}, append(bytes.Clone(leaf[1:]), run...)...),
		"bytes after":       append(bytes.Clone(leaf), 0),
		"cut":               leaf[:len(leaf)-1],
	} {
		_, err := Decode(other)
		require.Error(t, err, name)
	}
	// the first pair moved to the end
	env := []byte("\x63env\x6carithmetic-3")
	require.True(t, bytes.HasPrefix(leaf[1:], env))
	_, err = Decode(append(append([]byte{leaf[0]}, leaf[1+len(env):]...), env...))
	require.ErrorIs(t, err, ErrNotCanonical)
}

func TestEncodeRefusesWhatDecodeWould(t *testing.T) {
	r := sample(0)
	r.LogProbs = r.LogProbs[:4]
	_, err := r.Encode()
	require.ErrorIs(t, err, ErrField)
	_, err = New([]Rollout{sample(0), r})
	require.ErrorIs(t, err, ErrField)
	require.ErrorContains(t, err, "leaf 1")
}

func TestEmptySlicesHaveOneEncoding(t *testing.T) {
	a, b := sample(0), sample(0)
	a.Completion, a.LogProbs, a.Proof = nil, nil, nil
	b.Completion, b.LogProbs, b.Proof = []int32{}, []byte{}, []byte{}
	ea, err := a.Encode()
	require.NoError(t, err)
	eb, err := b.Encode()
	require.NoError(t, err)
	require.Equal(t, ea, eb)
	_, err = Decode(ea)
	require.NoError(t, err)
}

func TestProofsVerifyOnlyAtTheirPlace(t *testing.T) {
	for n := uint64(1); n <= 17; n++ {
		b := testBatch(t, n)
		root := b.Root()
		require.Equal(t, merkle.HashFromByteSlices(b.Leaves), root)
		for i := uint64(0); i < n; i++ {
			p, err := b.Proof(i)
			require.NoError(t, err)
			require.NoError(t, VerifyProof(root, n, i, b.Leaves[i], p))
			for j := uint64(0); j < n; j++ {
				if j != i {
					require.ErrorIs(t, VerifyProof(root, n, j, b.Leaves[i], p), ErrProof)
					require.ErrorIs(t, VerifyProof(root, n, i, b.Leaves[j], p), ErrProof)
				}
			}
		}
		_, err := b.Proof(n)
		require.ErrorIs(t, err, ErrIndex)
	}
}

// A path of RFC 6962 trees verifies under several totals; the expected total
// decides.
func TestProofUnderAnotherTotalIsRefused(t *testing.T) {
	b := testBatch(t, 8)
	p, err := b.Proof(0)
	require.NoError(t, err)
	lie := merkle.Proof{Total: 7, Index: 0, LeafHash: merkle.HashFromByteSlices(b.Leaves[:1]), Aunts: p.Aunts}
	require.NoError(t, lie.Verify(b.Root(), b.Leaves[0]), "the attack works on the bare proof")
	require.ErrorIs(t, VerifyProof(b.Root(), 7, 0, b.Leaves[0], p), ErrProof)
	require.ErrorIs(t, VerifyProof(b.Root(), 8, 0, b.Leaves[0], Proof{Total: 7, Aunts: p.Aunts}), ErrProof)
}

func TestMalformedProofsAreRefused(t *testing.T) {
	b := testBatch(t, 8)
	p, err := b.Proof(3)
	require.NoError(t, err)
	root, leaf := b.Root(), b.Leaves[3]
	change := func(f func(*Proof)) Proof {
		q := Proof{Total: p.Total, Index: p.Index}
		for _, a := range p.Aunts {
			q.Aunts = append(q.Aunts, bytes.Clone(a))
		}
		f(&q)
		return q
	}
	for name, q := range map[string]Proof{
		"no aunts":   change(func(q *Proof) { q.Aunts = nil }),
		"one fewer":  change(func(q *Proof) { q.Aunts = q.Aunts[1:] }),
		"one more":   change(func(q *Proof) { q.Aunts = append(q.Aunts, make([]byte, 32)) }),
		"short aunt": change(func(q *Proof) { q.Aunts[0] = q.Aunts[0][1:] }),
		"long aunt":  change(func(q *Proof) { q.Aunts[2] = append(q.Aunts[2], 0) }),
		"bit":        change(func(q *Proof) { q.Aunts[1][4] ^= 1 }),
		"many aunts": change(func(q *Proof) { q.Aunts = make([][]byte, 1000) }),
	} {
		require.ErrorIs(t, VerifyProof(root, 8, 3, leaf, q), ErrProof, name)
	}
	require.ErrorIs(t, VerifyProof(nil, 8, 3, leaf, p), ErrProof)
	huge := Proof{Total: math.MaxUint64, Index: 3, Aunts: p.Aunts}
	require.ErrorIs(t, VerifyProof(root, math.MaxUint64, 3, leaf, huge), ErrProof)
}

func TestGroupExtract(t *testing.T) {
	b := testBatch(t, 12)
	root := b.Root()
	for g := uint64(0); g < 3; g++ {
		x, err := b.Group(g, 4)
		require.NoError(t, err)
		data, err := x.EncodeGroup()
		require.NoError(t, err)
		y, err := DecodeGroup(data)
		require.NoError(t, err)
		require.NoError(t, y.Verify(root, 3, g, 4))
		require.ErrorIs(t, y.Verify(root, 3, (g+1)%3, 4), ErrProof)
		require.ErrorIs(t, y.Verify(root, 4, g, 3), ErrProof)
		require.ErrorIs(t, y.Verify(make([]byte, 32), 3, g, 4), ErrProof)
		require.ErrorIs(t, y.Verify(root, math.MaxUint64, g, 4), ErrProof)
		require.ErrorIs(t, y.Verify(root, 3, g, 0), ErrProof)
		y.Leaves[1] = y.Leaves[2]
		require.ErrorIs(t, y.Verify(root, 3, g, 4), ErrProof)
	}
	for _, c := range [][2]uint64{{3, 4}, {0, 5}, {0, 0}, {math.MaxUint64, 4}} {
		_, err := b.Group(c[0], c[1])
		require.ErrorIs(t, err, ErrIndex)
	}
	_, err := DecodeGroup([]byte("junk"))
	require.ErrorIs(t, err, ErrFile)
	_, err = DecodeGroup(make([]byte, MaxGroupBytes+1))
	require.ErrorIs(t, err, ErrTooLarge)
}

func FuzzDecode(f *testing.F) {
	for i := uint64(0); i < 3; i++ {
		leaf, err := sample(i).Encode()
		require.NoError(f, err)
		f.Add(leaf)
	}
	f.Fuzz(func(t *testing.T, leaf []byte) {
		r, err := Decode(leaf)
		if err != nil {
			return
		}
		again, err := r.Encode()
		if err != nil || !bytes.Equal(again, leaf) {
			t.Fatalf("accepted %x, which encodes to %x, %v", leaf, again, err)
		}
	})
}

func FuzzDecodeGroup(f *testing.F) {
	x, err := testBatch(f, 8).Group(1, 4)
	require.NoError(f, err)
	data, err := x.EncodeGroup()
	require.NoError(f, err)
	f.Add(data)
	root := testBatch(f, 8).Root()
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := DecodeGroup(data)
		if err != nil || x.Verify(root, 2, 1, 4) != nil {
			return
		}
		want, _ := testBatch(t, 8).Group(1, 4)
		for i := range x.Leaves {
			if !bytes.Equal(x.Leaves[i], want.Leaves[i]) {
				t.Fatalf("leaf %d was forged", i)
			}
		}
	})
}

func TestTheShortestRollout(t *testing.T) {
	leaf, err := Rollout{Checkpoint: make([]byte, DigestBytes), Miner: []byte{1}, Env: "e"}.Encode()
	require.NoError(t, err)
	require.Len(t, leaf, MinLeafBytes)
}
