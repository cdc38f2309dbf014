// Package peak measures what a processor could do at most, so that benchmarks
// can say what share of it they reach.
package peak

// MulAdds does about n multiply-adds of float32 with the vector unit of the
// kernel of that name (rl/kernel), and returns how many it did: 0 if it knows no
// loop for that unit.
func MulAdds(kernel string, n int) int { return mulAdds(kernel, n) }

// Read reads p once, but for less than a kilobyte at its end, as fast as one
// thread can.
func Read(p []byte) { read(p) }
