package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"
)

const (
	fileMagic   = "GALABAT1"
	headerBytes = 8 + 8 + 8 + DigestBytes
	// maxWindow bounds the decoder's history; our encoder stays below it.
	maxWindow = 8 << 20
	// MaxGroupBytes bounds an encoded group extract.
	MaxGroupBytes = 64 << 20
)

// Errors of batch files; test with errors.Is. ErrTooLarge is one, too.
var (
	ErrFile = errors.New("batch: corrupt batch file")
	ErrRoot = errors.New("batch: file is not the batch of the expected root")
)

// Limits is what a reader is ready to take.
type Limits struct {
	FileBytes    uint64 // compressed, header included
	PayloadBytes uint64 // decompressed
	Leaves       uint64
}

// WriteFile writes the batch file to w. Errors: ErrTooLarge for a leaf, or w's.
func (b Batch) WriteFile(w io.Writer) error {
	head := append(make([]byte, 0, headerBytes), fileMagic...)
	head = binary.BigEndian.AppendUint64(head, uint64(len(b.Leaves)))
	head = binary.BigEndian.AppendUint64(head, b.PayloadBytes())
	head = append(head, b.Root()...)
	if _, err := w.Write(head); err != nil {
		return err
	}
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return err
	}
	for i, leaf := range b.Leaves {
		if len(leaf) > MaxLeafBytes {
			_ = z.Close() // the file is abandoned
			return fmt.Errorf("%w: leaf %d of %d bytes, limit %d", ErrTooLarge, i, len(leaf), MaxLeafBytes)
		}
		if _, err := z.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(leaf))), leaf...)); err != nil {
			_ = z.Close()
			return err
		}
	}
	return z.Close()
}

// ReadFile reads a batch file and checks it against root, the committed one.
// It reads at most limits.FileBytes+1 bytes of r and holds at most
// limits.PayloadBytes of payload. Errors: ErrTooLarge, ErrFile, ErrRoot, r's.
func ReadFile(r io.Reader, root []byte, limits Limits) (Batch, error) {
	cr := &cappedReader{r: r, left: limits.FileBytes}
	var head [headerBytes]byte
	if _, err := io.ReadFull(cr, head[:]); err != nil {
		return Batch{}, fileError("header", err)
	}
	if string(head[:8]) != fileMagic {
		return Batch{}, fmt.Errorf("%w: it begins with %q", ErrFile, head[:8])
	}
	leaves := binary.BigEndian.Uint64(head[8:])
	payload := binary.BigEndian.Uint64(head[16:])
	if leaves > limits.Leaves || payload > limits.PayloadBytes {
		return Batch{}, fmt.Errorf("%w: %d leaves and %d bytes, limits %d and %d", ErrTooLarge, leaves, payload, limits.Leaves, limits.PayloadBytes)
	}
	if leaves > payload/4 {
		return Batch{}, fmt.Errorf("%w: %d leaves in %d bytes", ErrFile, leaves, payload)
	}
	if !bytes.Equal(head[24:], root) {
		return Batch{}, fmt.Errorf("%w: it says %x, want %x", ErrRoot, head[24:], root)
	}
	b, err := readPayload(cr, leaves, payload)
	if err != nil {
		return Batch{}, err
	}
	if got := b.Root(); !bytes.Equal(got, root) {
		return Batch{}, fmt.Errorf("%w: its leaves give %x, want %x", ErrRoot, got, root)
	}
	return b, nil
}

// readPayload decompresses exactly size bytes of leaves, and nothing after them.
func readPayload(r io.Reader, leaves, size uint64) (Batch, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
	if err != nil {
		return Batch{}, fileError("zstd", err)
	}
	defer z.Close()
	var b Batch
	var l [4]byte
	left := size
	for i := uint64(0); i < leaves; i++ {
		if _, err := io.ReadFull(z, l[:]); err != nil {
			return Batch{}, fileError(fmt.Sprintf("leaf %d", i), err)
		}
		n := uint64(binary.BigEndian.Uint32(l[:]))
		if left < 4 || n > left-4 || n > MaxLeafBytes {
			return Batch{}, fmt.Errorf("%w: leaf %d of %d bytes", ErrFile, i, n)
		}
		left -= 4 + n
		leaf := make([]byte, n)
		if _, err := io.ReadFull(z, leaf); err != nil {
			return Batch{}, fileError(fmt.Sprintf("leaf %d", i), err)
		}
		b.Leaves = append(b.Leaves, leaf)
	}
	if left != 0 {
		return Batch{}, fmt.Errorf("%w: %d bytes of payload are missing", ErrFile, left)
	}
	var one [1]byte
	switch _, err := io.ReadFull(z, one[:]); {
	case err == nil:
		return Batch{}, fmt.Errorf("%w: bytes after the last leaf", ErrFile)
	case !errors.Is(err, io.EOF):
		return Batch{}, fileError("end", err)
	}
	return b, nil
}

func fileError(where string, err error) error {
	if errors.Is(err, ErrTooLarge) {
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrFile, where, err)
}

// cappedReader fails with ErrTooLarge, rather than end early, once more than
// left bytes were asked for and are there.
type cappedReader struct {
	r    io.Reader
	left uint64
}

func (c *cappedReader) Read(p []byte) (int, error) {
	if c.left == 0 {
		var one [1]byte
		n, err := c.r.Read(one[:])
		if n > 0 {
			return 0, fmt.Errorf("%w: file longer than its limit", ErrTooLarge)
		}
		return 0, err
	}
	if uint64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.r.Read(p)
	c.left -= uint64(n)
	return n, err
}

// EncodeGroup returns the extract as deterministic CBOR.
func (x Group) EncodeGroup() ([]byte, error) {
	enc, err := encMode()
	if err != nil {
		return nil, err
	}
	return enc.Marshal(x)
}

// DecodeGroup parses an extract; Verify must follow. Errors: ErrTooLarge, ErrFile.
func DecodeGroup(data []byte) (Group, error) {
	if len(data) > MaxGroupBytes {
		return Group{}, fmt.Errorf("%w: extract of %d bytes, limit %d", ErrTooLarge, len(data), MaxGroupBytes)
	}
	if groupDecoderErr != nil {
		return Group{}, groupDecoderErr
	}
	var x Group
	if err := groupDecoder.Unmarshal(data, &x); err != nil {
		return Group{}, fmt.Errorf("%w: %w", ErrFile, err)
	}
	return x, nil
}

var groupDecoder, groupDecoderErr = cbor.DecOptions{
	DupMapKey:         cbor.DupMapKeyEnforcedAPF,
	IndefLength:       cbor.IndefLengthForbidden,
	TagsMd:            cbor.TagsForbidden,
	ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
	FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	MaxNestedLevels:   6,
	MaxArrayElements:  1 << 16,
	MaxMapPairs:       16,
}.DecMode()
