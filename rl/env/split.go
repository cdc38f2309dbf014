package env

import (
	"bytes"
	"crypto/sha256"

	"github.com/galahad-network/galahad/rl/derive"
)

// Numbers of the split, for digests.
const (
	HeldOutSalt  = 0x5EED // added to a key before it is hashed for the split
	HeldOutShare = 8      // one problem in eight is held out
)

const maxDraws = 1024 // redraws for the wanted split; missing it has p < 1e-58

// source is what drawing a problem or a chain needs of a random stream. Its one
// implementation outside of tests is *derive.Stream.
type source interface {
	Uint64() uint64
	Below(n uint64) uint64
}

// IsHeldOut is the split of every environment here, by the key, or in Guess by that of the bounds: held out are those for which
// SplitMix64's finaliser of key + 0x5EED is a multiple of 8.
func IsHeldOut(key uint64) bool {
	z := key + HeldOutSalt
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return (z^z>>31)%HeldOutShare == 0
}

// drawer draws problems until one is on the wanted side of the split.
type drawer struct {
	draw     func(source) Problem
	fallback [2]Problem // of training and held out, for a stream that never gives one
}

// newDrawer finds the fallbacks with a stream of the environment's own.
func newDrawer(id string, draw func(source) Problem) drawer {
	d := drawer{draw: draw}
	s := derive.NewStream(sha256.Sum256([]byte("galahad/env/" + id + "/fallback")))
	var found [2]bool
	for !found[0] || !found[1] {
		p := draw(s)
		side := 0
		if IsHeldOut(p.Key) {
			side = 1
		}
		d.fallback[side], found[side] = p, true
	}
	return d
}

func (d drawer) problem(s source, wanted bool) Problem {
	for range maxDraws {
		if p := d.draw(s); IsHeldOut(p.Key) == wanted {
			return p
		}
	}
	if wanted {
		return d.fallback[1]
	}
	return d.fallback[0]
}

// answerAfterMark returns what follows the one '#' of a completion; ok is false if there
// is none, or another.
func answerAfterMark(completion []byte) (answer []byte, ok bool) {
	if bytes.Count(completion, []byte("#")) != 1 {
		return nil, false
	}
	_, answer, _ = bytes.Cut(completion, []byte("#"))
	return answer, true
}
