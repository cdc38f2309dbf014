package peak

import (
	"encoding/binary"
	"runtime"
)

// readGo is Read without a vector unit.
func readGo(p []byte) {
	var a, b, c, d uint64
	for ; len(p) >= 32; p = p[32:] {
		a ^= binary.LittleEndian.Uint64(p)
		b ^= binary.LittleEndian.Uint64(p[8:])
		c ^= binary.LittleEndian.Uint64(p[16:])
		d ^= binary.LittleEndian.Uint64(p[24:])
	}
	runtime.KeepAlive(a ^ b ^ c ^ d)
}
