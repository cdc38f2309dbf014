package checkpoint

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// A delta is another way to bring a checkpoint to whoever has its parent. It holds the 16-bit words, which is to say the
// bf16 weights, whose bits are not the parent's, as they are in the child: applying it is overwriting, and no rounding is
// done. It is trusted for nothing, since what it makes is held against the manifest, as whole shards are. Beside the
// manifest it lies as
//
//	 8 bytes  "GALADEL1"
//	32        digest of the parent
//	 4        number of shards, big-endian
//	24        for each shard: words that differ, bytes of their gaps, bytes of their values; big-endian uint64
//	          for each shard: its gaps and then its values, zstd each
//
// Gaps are varints: the first word's index, and then from each to the next, less one. Values are little-endian.

// DeltaFile is a delta's name in a checkpoint's folder.
const DeltaFile = "delta.zst"

const (
	deltaMagic = "GALADEL1"
	// maxDeltaWindow bounds what decompression may hold in memory.
	maxDeltaWindow = 8 << 20
)

// ErrDelta is wrapped when there is no delta between two checkpoints, or when one is malformed.
var ErrDelta = errors.New("checkpoint: no usable delta")

// deltaSection is what a delta has of one shard.
type deltaSection struct {
	words, gaps, values uint64 // words that differ, and bytes
}

// WriteDelta writes the delta from one checkpoint's folder to another's, and returns its size in bytes. Error: ErrDelta if
// their shards have other names or sizes, the disk's.
func WriteDelta(w io.Writer, parentDir, childDir string) (size int64, err error) {
	parent, err := readManifest(os.DirFS(parentDir), nil)
	if err != nil {
		return 0, err
	}
	child, err := readManifest(os.DirFS(childDir), nil)
	if err != nil {
		return 0, err
	}
	if len(parent.Shards) != len(child.Shards) {
		return 0, fmt.Errorf("%w: %d shards and %d", ErrDelta, len(parent.Shards), len(child.Shards))
	}
	head := append([]byte(deltaMagic), parent.Digest()...)
	head = binary.BigEndian.AppendUint32(head, uint32(len(child.Shards)))
	var body bytes.Buffer
	for i, s := range child.Shards {
		if p := parent.Shards[i]; p.Name != s.Name || p.Size != s.Size {
			return 0, fmt.Errorf("%w: shard %s of %d bytes and %s of %d", ErrDelta, p.Name, p.Size, s.Name, s.Size)
		}
		section, err := appendSection(&body, filepath.Join(parentDir, s.Name), filepath.Join(childDir, s.Name))
		if err != nil {
			return 0, err
		}
		for _, n := range []uint64{section.words, section.gaps, section.values} {
			head = binary.BigEndian.AppendUint64(head, n)
		}
	}
	for _, part := range [][]byte{head, body.Bytes()} {
		if _, err := w.Write(part); err != nil {
			return 0, err
		}
		size += int64(len(part))
	}
	return size, nil
}

// appendSection compares two files of equal size word by word. An odd last byte is a word of its own.
func appendSection(body *bytes.Buffer, parent, child string) (s deltaSection, err error) {
	a, err := os.Open(parent)
	if err != nil {
		return s, err
	}
	defer a.Close()
	b, err := os.Open(child)
	if err != nil {
		return s, err
	}
	defer b.Close()
	ra, rb := bufio.NewReaderSize(a, 1<<16), bufio.NewReaderSize(b, 1<<16)
	var gaps, values []byte
	last := int64(-1)
	for at := int64(0); ; at++ {
		var wa, wb [2]byte
		_, errA := io.ReadFull(ra, wa[:])
		n, errB := io.ReadFull(rb, wb[:])
		if n == 0 {
			break
		}
		for _, err := range []error{errA, errB} {
			if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				return s, err
			}
		}
		if wa != wb {
			gaps = binary.AppendUvarint(gaps, uint64(at-last-1))
			values = append(values, wb[:]...)
			last = at
			s.words++
		}
	}
	if s.words == 0 {
		return s, nil
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	if err != nil {
		return s, err
	}
	defer z.Close()
	gaps, values = z.EncodeAll(gaps, nil), z.EncodeAll(values, nil)
	s.gaps, s.values = uint64(len(gaps)), uint64(len(values))
	body.Write(gaps)
	body.Write(values)
	return s, nil
}

// fetchDelta makes the shards of a checkpoint below tmp out of its parent's, which is in a folder here, and the delta that
// src has. Errors: ErrDelta, *ShardError, the transport's and the disk's; whatever it is, whole shards may still be had.
func fetchDelta(ctx context.Context, src source, m Manifest, parentDir, tmp string, progress func(int64)) error {
	body, err := src.Open(ctx, DeltaFile)
	if err != nil {
		return err
	}
	defer body.Close()
	path := filepath.Join(tmp, DeltaFile)
	defer os.Remove(path)
	// More than the checkpoint itself would be of no use.
	if err := writeFile(path, func(w io.Writer) error {
		n, err := io.Copy(w, &meter{r: io.LimitReader(body, m.Size()+1), report: progress})
		if err == nil && n > m.Size() {
			err = fmt.Errorf("%w: larger than the %d bytes of the checkpoint", ErrDelta, m.Size())
		}
		return err
	}); err != nil {
		return err
	}
	return applyDelta(path, m, parentDir, tmp)
}

// applyDelta makes the shards below tmp, each held against the manifest.
func applyDelta(path string, m Manifest, parentDir, tmp string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, len(deltaMagic)+32+4+24*len(m.Shards))
	if _, err := io.ReadFull(f, head); err != nil {
		return fmt.Errorf("%w: header: %w", ErrDelta, err)
	}
	switch {
	case string(head[:8]) != deltaMagic:
		return fmt.Errorf("%w: it begins with %q", ErrDelta, head[:8])
	case hex.EncodeToString(head[8:40]) != m.Parent:
		return fmt.Errorf("%w: of parent %x, the manifest names %s", ErrDelta, head[8:40], m.Parent)
	case binary.BigEndian.Uint32(head[40:]) != uint32(len(m.Shards)):
		return fmt.Errorf("%w: of %d shards, the manifest has %d", ErrDelta, binary.BigEndian.Uint32(head[40:]), len(m.Shards))
	}
	at := int64(len(head))
	for i, s := range m.Shards {
		numbers := head[44+24*i:]
		section := deltaSection{
			binary.BigEndian.Uint64(numbers), binary.BigEndian.Uint64(numbers[8:]), binary.BigEndian.Uint64(numbers[16:]),
		}
		if max(section.words, section.gaps, section.values) > uint64(m.Size()) {
			return fmt.Errorf("%w: shard %s: sizes beyond the checkpoint's", ErrDelta, s.Name)
		}
		gaps := io.NewSectionReader(f, at, int64(section.gaps))
		values := io.NewSectionReader(f, at+int64(section.gaps), int64(section.values))
		at += int64(section.gaps + section.values)
		if err := patch(filepath.Join(parentDir, s.Name), filepath.Join(tmp, s.Name), s, section.words, gaps, values); err != nil {
			return err
		}
	}
	return nil
}

// patch copies a parent's shard with some words overwritten.
func patch(from, to string, s Shard, words uint64, gaps, values io.Reader) error {
	parent, err := os.Open(from)
	if err != nil {
		return &ShardError{s.Name, err.Error()}
	}
	defer parent.Close()
	p := &patched{parent: bufio.NewReaderSize(parent, 1<<16), left: words}
	if words > 0 {
		for _, one := range []struct {
			r   io.Reader
			dst **bufio.Reader
		}{{gaps, &p.gaps}, {values, &p.values}} {
			z, err := zstd.NewReader(one.r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxDeltaWindow), zstd.WithDecoderLowmem(true))
			if err != nil {
				return fmt.Errorf("%w: %w", ErrDelta, err)
			}
			defer z.Close()
			*one.dst = bufio.NewReader(z)
		}
		if err := p.advance(-1); err != nil {
			return err
		}
	}
	return writeFile(to, func(w io.Writer) error { _, err := copyVerified(w, p, s); return err })
}

// patched reads a file with some of its words overwritten.
type patched struct {
	parent       *bufio.Reader
	gaps, values *bufio.Reader
	left         uint64 // words to come, the next one among them
	next         int64  // index of the next word that differs
	at           int64  // of the word that is read next
	word         [2]byte
	rest         []byte // of word, not yet handed out
}

// advance reads where the word after last is. Words that never come are ones too many, and found by the shard's hash.
func (p *patched) advance(last int64) error {
	gap, err := binary.ReadUvarint(p.gaps)
	if err != nil || gap > 1<<50 {
		return fmt.Errorf("%w: gaps: %v", ErrDelta, err)
	}
	p.next = last + 1 + int64(gap)
	return nil
}

// Read implements io.Reader.
func (p *patched) Read(dst []byte) (n int, err error) {
	for n < len(dst) {
		if len(p.rest) == 0 {
			got, err := io.ReadFull(p.parent, p.word[:])
			if got == 0 {
				return n, err
			}
			if p.left > 0 && p.at == p.next {
				var value [2]byte
				if _, err := io.ReadFull(p.values, value[:]); err != nil {
					return n, fmt.Errorf("%w: values: %w", ErrDelta, err)
				}
				p.word = value
				if p.left--; p.left > 0 {
					if err := p.advance(p.at); err != nil {
						return n, err
					}
				}
			}
			p.at++
			p.rest = p.word[:got]
		}
		k := copy(dst[n:], p.rest)
		n, p.rest = n+k, p.rest[k:]
	}
	return n, nil
}
