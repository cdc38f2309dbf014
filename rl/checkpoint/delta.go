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
)

// A delta is another way to bring a checkpoint to whoever has its parent. It says of each 16-bit word, which is to say of
// each bf16 weight, by how many steps its bits moved from the parent's; applying it is exact, and no rounding is done. It
// is trusted for nothing, since what it makes is held against the manifest, as whole shards are. Beside the manifest it
// lies as
//
//	 8 bytes  "GALADEL1"
//	32        digest of the parent
//	32        digest of the parent's parent, or zeros: without it steps cost more, since no trend is known
//	 4        number of shards, big-endian
//	 8        for each shard: bytes of its steps, big-endian; 0: it is the parent's
//	          for each shard: its steps, as wordModel codes them
//
// Whoever followed the last two versions has what it needs. It makes no more than the parent's bytes, whatever it holds,
// so no bomb is possible.

// DeltaFile is a delta's name in a checkpoint's folder.
const DeltaFile = "delta.bin"

const deltaMagic = "GALADEL1"

// ErrDelta is wrapped when there is no delta between two checkpoints, or when one is malformed.
var ErrDelta = errors.New("checkpoint: no usable delta")

// WriteDelta writes the delta of a checkpoint below root from its parent there, and returns its size in bytes. Errors:
// ErrDelta if it has no parent, or its shards have other names or sizes; the disk's.
func WriteDelta(w io.Writer, root string, digest []byte) (size int64, err error) {
	child, err := readManifest(os.DirFS(Dir(root, digest)), digest)
	if err != nil {
		return 0, err
	}
	from, err := newLine(root, child)
	if err != nil {
		return 0, err
	}
	head := append(append([]byte(deltaMagic), from.parent...), from.grand...)
	head = binary.BigEndian.AppendUint32(head, uint32(len(child.Shards)))
	var body bytes.Buffer
	for _, s := range child.Shards {
		steps, err := from.encode(s, filepath.Join(Dir(root, digest), s.Name))
		if err != nil {
			return 0, err
		}
		head = binary.BigEndian.AppendUint64(head, uint64(len(steps)))
		body.Write(steps)
	}
	for _, part := range [][]byte{head, body.Bytes()} {
		if _, err := w.Write(part); err != nil {
			return 0, err
		}
		size += int64(len(part))
	}
	return size, nil
}

// line are a checkpoint's parent and, if it is known, the parent's parent, whose files are below root.
type line struct {
	root          string
	parent, grand []byte // digests; grand is zeros if it is not known
}

// newLine finds the line of a checkpoint.
func newLine(root string, child Manifest) (line, error) {
	l := line{root: root, grand: make([]byte, 32)}
	var err error
	if l.parent, err = hex.DecodeString(child.Parent); err != nil || len(l.parent) == 0 {
		return l, fmt.Errorf("%w: it has no parent", ErrDelta)
	}
	parent, err := readManifest(os.DirFS(Dir(root, l.parent)), l.parent)
	if err != nil {
		return l, err
	}
	if err := sameShape(parent, child); err != nil {
		return l, err
	}
	if digest, err := hex.DecodeString(parent.Parent); err == nil && len(digest) > 0 {
		if grand, err := readManifest(os.DirFS(Dir(root, digest)), digest); err == nil && sameShape(grand, child) == nil {
			l.grand = digest
		}
	}
	return l, nil
}

// sameShape is nil if two checkpoints have the same shards of the same sizes.
func sameShape(a, b Manifest) error {
	if len(a.Shards) != len(b.Shards) {
		return fmt.Errorf("%w: %d shards and %d", ErrDelta, len(a.Shards), len(b.Shards))
	}
	for i, s := range b.Shards {
		if a.Shards[i].Name != s.Name || a.Shards[i].Size != s.Size {
			return fmt.Errorf("%w: shard %s of %d bytes and %s of %d", ErrDelta, a.Shards[i].Name, a.Shards[i].Size, s.Name, s.Size)
		}
	}
	return nil
}

// open opens a shard of the parent and of its parent; where that is not known, the parent's twice: no trend.
func (l line) open(name string) (*past, error) {
	grand := l.grand
	if bytes.Equal(grand, make([]byte, 32)) {
		grand = l.parent
	}
	p := &past{}
	for i, digest := range [][]byte{grand, l.parent} {
		f, err := os.Open(filepath.Join(Dir(l.root, digest), name))
		if err != nil {
			p.Close()
			return nil, &ShardError{name, err.Error()}
		}
		p.files[i], p.readers[i] = f, bufio.NewReaderSize(f, 1<<16)
	}
	return p, nil
}

// past reads what a shard's words were: before, and then from.
type past struct {
	files   [2]*os.File
	readers [2]*bufio.Reader
}

// Close closes the files.
func (p *past) Close() {
	for _, f := range p.files {
		if f != nil {
			_ = f.Close() // was only read
		}
	}
}

// next returns io.EOF at the end of both.
func (p *past) next() (before, from word, err error) {
	before, errA := readWord(p.readers[0])
	from, errB := readWord(p.readers[1])
	if errA == io.EOF && errB == io.EOF {
		return before, from, io.EOF
	}
	return before, from, errors.Join(errA, errB)
}

// encode codes how a shard differs from the parent's; nothing if it does not.
func (l line) encode(s Shard, child string) ([]byte, error) {
	p, err := l.open(s.Name)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	f, err := os.Open(child)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	to := bufio.NewReaderSize(f, 1<<16)
	e := newRangeEncoder()
	m := &wordModel{code: func(c *bitContext, bit int) int { e.encode(c, bit); return bit }}
	same := true
	for {
		before, from, err := p.next()
		now, errNow := readWord(to)
		if err == io.EOF && errNow == io.EOF {
			break
		}
		if err := errors.Join(err, errNow); err != nil {
			return nil, err
		}
		m.word(before.value, from.value, now.value)
		same = same && from == now
	}
	if same {
		return nil, nil
	}
	return e.finish(), nil
}

// word is a 16-bit word or, at the end of a file of odd size, half of one.
type word struct {
	value uint16 // little-endian
	bytes int
}

// readWord returns io.EOF where nothing is left.
func readWord(r io.Reader) (word, error) {
	var b [2]byte
	n, err := io.ReadFull(r, b[:])
	if n == 0 {
		return word{}, err
	}
	if n == 1 {
		err = nil
	}
	return word{binary.LittleEndian.Uint16(b[:]), n}, err
}

// fetchDelta makes the shards of a checkpoint below tmp out of the delta that src has, of at most so many bytes, and of
// what is below root. Errors: ErrDelta, *ShardError, the transport's and the disk's; whatever it is, no shard is left below
// tmp, and whole ones may still be had.
func fetchDelta(ctx context.Context, src source, m Manifest, root, tmp string, most int64, progress func(int64)) error {
	from, err := newLine(root, m)
	if err != nil {
		return err
	}
	body, err := src.Open(ctx, DeltaFile)
	if err != nil {
		return err
	}
	defer body.Close()
	path := filepath.Join(tmp, DeltaFile)
	defer os.Remove(path)
	if err := writeFile(path, func(w io.Writer) error {
		n, err := io.Copy(w, &meter{r: io.LimitReader(body, most+1), report: progress})
		if err == nil && n > most {
			err = fmt.Errorf("%w: larger than %d bytes, which the checkpoint itself has", ErrDelta, most)
		}
		return err
	}); err != nil {
		return err
	}
	if err := from.apply(path, m, tmp); err != nil {
		return errors.Join(err, removeShards(tmp, m.Shards...))
	}
	return nil
}

// apply makes the shards below tmp, each held against the manifest.
func (l line) apply(path string, m Manifest, tmp string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	const fixed = len(deltaMagic) + 32 + 32 + 4
	head := make([]byte, fixed+8*len(m.Shards))
	if _, err := io.ReadFull(f, head); err != nil {
		return fmt.Errorf("%w: header: %w", ErrDelta, err)
	}
	grand := head[40:72]
	switch {
	case string(head[:8]) != deltaMagic:
		return fmt.Errorf("%w: it begins with %q", ErrDelta, head[:8])
	case !bytes.Equal(head[8:40], l.parent):
		return fmt.Errorf("%w: of parent %x, the manifest names %x", ErrDelta, head[8:40], l.parent)
	case !bytes.Equal(grand, make([]byte, 32)) && !bytes.Equal(grand, l.grand):
		return fmt.Errorf("%w: of the parent's parent %x, which is not here", ErrDelta, grand)
	case binary.BigEndian.Uint32(head[72:]) != uint32(len(m.Shards)):
		return fmt.Errorf("%w: of %d shards, the manifest has %d", ErrDelta, binary.BigEndian.Uint32(head[72:]), len(m.Shards))
	}
	l.grand = grand
	at := int64(len(head))
	for i, s := range m.Shards {
		size := binary.BigEndian.Uint64(head[fixed+8*i:])
		if size > uint64(m.Size()) {
			return fmt.Errorf("%w: shard %s: steps of %d bytes", ErrDelta, s.Name, size)
		}
		if err := l.patch(s, filepath.Join(tmp, s.Name), io.NewSectionReader(f, at, int64(size))); err != nil {
			return err
		}
		at += int64(size)
	}
	return nil
}

// patch makes a shard: the parent's, its words moved by the steps.
func (l line) patch(s Shard, to string, steps *io.SectionReader) error {
	p, err := l.open(s.Name)
	if err != nil {
		return err
	}
	defer p.Close()
	var r io.Reader = p.readers[1]
	if steps.Size() > 0 {
		d := newRangeDecoder(bufio.NewReader(steps))
		r = &moved{past: p, model: wordModel{code: func(c *bitContext, _ int) int { return d.decode(c) }}}
	}
	return writeFile(to, func(w io.Writer) error { _, err := copyVerified(w, r, s); return err })
}

// moved reads a shard whose words have moved.
type moved struct {
	past  *past
	model wordModel
	buf   [2]byte
	rest  []byte // of buf, not yet handed out
}

// Read implements io.Reader.
func (m *moved) Read(dst []byte) (n int, err error) {
	for n < len(dst) {
		if len(m.rest) == 0 {
			before, from, err := m.past.next()
			if err != nil {
				return n, err
			}
			binary.LittleEndian.PutUint16(m.buf[:], m.model.word(before.value, from.value, 0))
			m.rest = m.buf[:from.bytes]
		}
		k := copy(dst[n:], m.rest)
		n, m.rest = n+k, m.rest[k:]
	}
	return n, nil
}
