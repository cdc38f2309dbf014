package types

// CheckMetadata returns ErrInvalidMetadata unless metadata has at most limit bytes,
// all of them printable ASCII: what a terminal shows as it is.
func CheckMetadata(metadata string, limit uint32) error {
	if uint64(len(metadata)) > uint64(limit) {
		return ErrInvalidMetadata.Wrapf("%d bytes, at most %d", len(metadata), limit)
	}
	for i := range len(metadata) {
		if c := metadata[i]; c < ' ' || c > '~' {
			return ErrInvalidMetadata.Wrapf("byte %d is not printable ASCII", i)
		}
	}
	return nil
}
