package checkpoint

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// maxWalk is over how many missing versions a checkpoint is reached by deltas. Ten deltas are about as long as the whole.
const maxWalk = 8

// ancestor is a version between what is here and what is wanted, and where it may be had.
type ancestor struct {
	Manifest
	from *mirrors
}

// walk brings the versions between the newest that is below root and the one that is wanted, each by its delta, so that
// the last delta finds its parent. They lie beside it, in folders that their digests name, as learners and mirrors serve
// them. It is worth no more bytes than the whole checkpoint has; what does not come is no error, for whole shards may
// still be had.
func (m *mirrors) walk(ctx context.Context, of Manifest, root string) {
	line, found := m.ancestors(ctx, of, root)
	defer func() {
		for _, a := range line {
			a.from.Close()
		}
	}()
	left := of.Size()
	for _, a := range slices.Backward(line) {
		if !found || a.reach(ctx, root, &left) != nil {
			return
		}
	}
}

// ancestors are the missing ones, the youngest first; found is false if there is none below root within maxWalk.
func (m *mirrors) ancestors(ctx context.Context, of Manifest, root string) (line []ancestor, found bool) {
	at := m
	for child := of; ; child = line[len(line)-1].Manifest {
		parent, err := hex.DecodeString(child.Parent)
		if err != nil || len(parent) == 0 {
			return line, false
		}
		if _, err := os.Stat(filepath.Join(Dir(root, parent), ManifestFile)); err == nil {
			return line, true
		}
		if len(line) == maxWalk {
			return line, false
		}
		var beside []string
		for _, x := range at.all {
			if l, ok := sibling(x.locator, child.Digest(), parent); ok {
				beside = append(beside, l)
			}
		}
		if len(beside) == 0 {
			return line, false
		}
		from, err := openMirrors(ctx, beside, FetchOptions{Client: m.opt.Client})
		if err != nil {
			return line, false
		}
		manifest, err := from.manifest(ctx, parent)
		if err != nil || sameShape(manifest, of) != nil {
			from.Close()
			return line, false
		}
		line, at = append(line, ancestor{manifest, from}), from
	}
}

// reach makes the ancestor out of its parent, for at most left bytes.
func (a ancestor) reach(ctx context.Context, root string, left *int64) error {
	tmp, err := makeTemp(root)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for _, x := range a.from.all {
		var took int64
		err = fetchDelta(ctx, x.src, a.Manifest, root, tmp, *left, func(n int64) { took = n })
		if *left -= took; err == nil {
			return place(tmp, Dir(root, a.Digest()), a.Manifest)
		}
	}
	return err
}

// sibling is the locator of another checkpoint beside one whose folder is named by its digest.
func sibling(locator string, digest, other []byte) (string, bool) {
	folder := strings.TrimSuffix(locator, "/")
	if path.Base(folder) != hex.EncodeToString(digest) {
		return "", false
	}
	return fmt.Sprintf("%s%x/", strings.TrimSuffix(folder, path.Base(folder)), other), true
}
