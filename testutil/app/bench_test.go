package testapp

import "testing"

// BenchmarkStart is one build of the application over a small database, which is
// what a restart costs.
func BenchmarkStart(b *testing.B) {
	c := New(b, WithoutReplica(), WithoutTeardown())
	for range b.N {
		c.instances[0].start()
	}
}

// BenchmarkBlock is an empty block, by how many instances run it and how often one
// of them restarts.
func BenchmarkBlock(b *testing.B) {
	for name, o := range map[string]Option{
		"plain": WithoutReplica(), "three": WithRestarts(0, 0),
		"three/restart-16": WithRestarts(0, 16), "three/restart-1": WithRestarts(0, 1),
	} {
		b.Run(name, func(b *testing.B) {
			c := New(b, o, WithoutTeardown())
			b.ResetTimer()
			for range b.N {
				c.NextBlock()
			}
		})
	}
}
