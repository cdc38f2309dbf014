package kernel

// alloc returns zeroed memory for weights.
func alloc[T float32 | uint32](n int) []T { return make([]T, n) }
