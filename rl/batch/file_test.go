package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

var wide = Limits{FileBytes: 1 << 20, PayloadBytes: 1 << 20, Leaves: 1 << 10}

func fileOf(t testing.TB, b Batch) []byte {
	t.Helper()
	var buf bytes.Buffer
	require.NoError(t, b.WriteFile(&buf))
	return buf.Bytes()
}

func TestFileRoundTrip(t *testing.T) {
	for _, n := range []uint64{0, 1, 7, 64} {
		b := testBatch(t, n)
		data := fileOf(t, b)
		got, err := ReadFile(iotest.OneByteReader(bytes.NewReader(data)), b.Root(), wide)
		require.NoError(t, err)
		require.Equal(t, int(n), len(got.Leaves))
		require.Equal(t, b.Root(), got.Root())
		exact := Limits{FileBytes: uint64(len(data)), PayloadBytes: b.PayloadBytes(), Leaves: n}
		_, err = ReadFile(bytes.NewReader(data), b.Root(), exact)
		require.NoError(t, err, "limits are inclusive")
	}
}

func TestFileLimits(t *testing.T) {
	b := testBatch(t, 8)
	data := fileOf(t, b)
	for name, l := range map[string]Limits{
		"file":    {uint64(len(data)) - 1, 1 << 20, 1 << 10},
		"payload": {1 << 20, b.PayloadBytes() - 1, 1 << 10},
		"leaves":  {1 << 20, 1 << 20, 7},
		"zero":    {},
	} {
		_, err := ReadFile(bytes.NewReader(data), b.Root(), l)
		require.ErrorIs(t, err, ErrTooLarge, name)
	}
	big := Batch{Leaves: [][]byte{make([]byte, MaxLeafBytes+1)}}
	require.ErrorIs(t, big.WriteFile(io.Discard), ErrTooLarge)
}

// An endless server costs no more than the limit.
func TestEndlessFileIsCut(t *testing.T) {
	data := fileOf(t, testBatch(t, 4))
	endless := &countingReader{r: io.MultiReader(bytes.NewReader(data), zeros{})}
	_, err := ReadFile(endless, testBatch(t, 4).Root(), wide)
	require.Error(t, err)
	require.LessOrEqual(t, endless.n, wide.FileBytes+1)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type countingReader struct {
	r io.Reader
	n uint64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += uint64(n)
	return n, err
}

// forge makes a file with any header and any payload.
func forge(leaves, size uint64, root, payload []byte) []byte {
	out := append([]byte{}, fileMagic...)
	out = binary.BigEndian.AppendUint64(out, leaves)
	out = binary.BigEndian.AppendUint64(out, size)
	out = append(out, root...)
	z, _ := zstd.NewWriter(nil)
	return z.EncodeAll(payload, out)
}

// A zip bomb states a small payload and decompresses to a large one, or states
// a large one; neither is ever held in memory.
func TestZipBombIsRefused(t *testing.T) {
	root := testBatch(t, 1).Root()
	bomb := make([]byte, 256<<20)
	small := forge(1, 1<<10, root, bomb)
	require.Less(t, len(small), 64<<10)
	large := forge(1, 256<<20, root, bomb)
	claim := append(binary.BigEndian.AppendUint32(nil, 1<<31), bomb[:1<<20]...)
	for name, data := range map[string][]byte{
		"hidden": small, "open": large, "leaf length": forge(1, 1<<20, root, claim),
		"many empty leaves": forge(1<<10, 4<<10, root, bomb),
	} {
		allocated := testing.AllocsPerRun(1, func() {
			_, err := ReadFile(bytes.NewReader(data), root, wide)
			require.Error(t, err, name)
			require.True(t, errors.Is(err, ErrTooLarge) || errors.Is(err, ErrFile) || errors.Is(err, ErrRoot), "%s: %v", name, err)
		})
		require.Less(t, allocated, 20_000.0, name)
	}
}

// A leaf longer than what the header leaves for it is refused before it is read.
func TestLeafBeyondThePayloadIsNotRead(t *testing.T) {
	root := testBatch(t, 1).Root()
	payload := append(binary.BigEndian.AppendUint32(nil, 1<<20), make([]byte, 1<<20)...)
	_, err := ReadFile(bytes.NewReader(forge(1, 1<<10, root, payload)), root, wide)
	require.ErrorIs(t, err, ErrFile)
	require.ErrorContains(t, err, "leaf 0 of 1048576 bytes")
}

func TestCorruptFiles(t *testing.T) {
	b := testBatch(t, 8)
	root, data := b.Root(), fileOf(t, b)
	other := testBatch(t, 7)
	for i := range data {
		flipped := bytes.Clone(data)
		flipped[i] ^= 0x10
		got, err := ReadFile(bytes.NewReader(flipped), root, wide)
		if err == nil { // a bit of the zstd frame that does not matter
			require.Equal(t, b.Leaves, got.Leaves)
		}
		_, err = ReadFile(bytes.NewReader(data[:i]), root, wide)
		require.ErrorIs(t, err, ErrFile, "cut at %d", i)
	}
	_, err := ReadFile(bytes.NewReader(data), other.Root(), wide)
	require.ErrorIs(t, err, ErrRoot)
	_, err = ReadFile(bytes.NewReader(fileOf(t, other)), root, wide)
	require.ErrorIs(t, err, ErrRoot)
	_, err = ReadFile(bytes.NewReader(append(bytes.Clone(data), "tail"...)), root, wide)
	require.ErrorIs(t, err, ErrFile)
	lie := append(bytes.Clone(data[:24]), root...)
	_, err = ReadFile(bytes.NewReader(append(lie, fileOf(t, other)[headerBytes:]...)), root, wide)
	require.ErrorIs(t, err, ErrFile)
	_, err = ReadFile(iotest.ErrReader(io.ErrClosedPipe), root, wide)
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

func FuzzReadFile(f *testing.F) {
	b := testBatch(f, 4)
	root := b.Root()
	f.Add(fileOf(f, b))
	f.Add(forge(1, 8, root, []byte{0, 0, 0, 4, 1, 2, 3, 4}))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := ReadFile(bytes.NewReader(data), root, wide)
		if err == nil && !bytes.Equal(got.Root(), root) {
			t.Fatal("accepted another batch")
		}
	})
}
