package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
)

// weightFile is a safetensors file that is open for reading: mapped where the
// system can do that, read otherwise.
type weightFile struct {
	file   *os.File
	size   int64
	mapped []byte // nil where the file is not mapped
}

// openWeights opens a safetensors file. It must be a regular one: opening a pipe,
// for one, would wait for its writer.
func openWeights(path string) (*weightFile, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &FileError{path, "is not a regular file"}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	w := &weightFile{file: f, size: info.Size()}
	w.mapped, _ = mapFile(f, w.size) // a file that cannot be mapped is read
	return w, nil
}

// ReadAt implements io.ReaderAt. Pages that were read are given back to the
// system at once: a model's weights are read once, and the mapping must not count
// as memory that loading needs.
func (w *weightFile) ReadAt(p []byte, off int64) (n int, err error) {
	if w.mapped == nil {
		return w.file.ReadAt(p, off)
	}
	if off < 0 || off > w.size {
		return 0, fmt.Errorf("read at byte %d of %d", off, w.size)
	}
	// Where the file was cut short after it was mapped, its pages fault.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			n, err = 0, fmt.Errorf("the file changed while it was read: %v", fault)
		}
	}()
	n = copy(p, w.mapped[off:])
	dropPages(w.mapped, off, int64(n))
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close ends the mapping and closes the file.
func (w *weightFile) Close() error {
	var err error
	if w.mapped != nil {
		err = unmapFile(w.mapped)
	}
	return errors.Join(err, w.file.Close())
}
