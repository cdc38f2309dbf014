package table

import "strings"

// shorten maps each address to its prefix up to bech32's separator, a few
// characters behind it, and its last four: as few as keep all of them apart, and
// at least four. Addresses of fewer than 20 characters stay whole.
func shorten(all []string) map[string]string {
	distinct := map[string]bool{}
	longest := 0
	for _, a := range all {
		distinct[a] = true
		longest = max(longest, len(a))
	}
	for keep := 4; keep < longest; keep++ {
		out := make(map[string]string, len(distinct))
		used := make(map[string]bool, len(distinct))
		for _, a := range all {
			if _, done := out[a]; done {
				continue
			}
			s := cut(a, keep)
			out[a] = s
			used[s] = true
		}
		if len(used) == len(distinct) {
			return out
		}
	}
	return nil
}

// cut keeps the human-readable part, keep characters after it and the last four.
func cut(address string, keep int) string {
	if len(address) < 20 {
		return address
	}
	head := strings.IndexByte(address, '1') + 1 + keep
	if head+4 >= len(address) {
		return address
	}
	return address[:head] + "…" + address[len(address)-4:]
}
