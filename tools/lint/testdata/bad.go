// Package bad breaks every rule of the consensus path once or more. The comment
// at the end of a line names the rules that must be found on it.
package bad

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand"
	randv2 "math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"
)

var half = 0.5 // want float

type weights []float64 // want float

func MustParse(s string) int { return len(s) }

type keeper struct{}

func (keeper) MustMarshal() {}

func calls(m map[string]int, k keeper) {
	panic("no")     // want panic
	MustParse("x")  // want must
	k.MustMarshal() // want must
	mustard()
	_ = time.Now() // want clock
	_ = time.Unix(0, 0)
	_ = os.Getenv("HOME") // want env
	os.Exit(1)            // want panic
	_ = rand.Int()        // want rand
	_ = randv2.Uint64()   // want rand
	r := randv2.New(randv2.NewPCG(1, 2))
	_ = r.Uint64()
	randv2.Shuffle(1, func(i, j int) {}) // want rand
	go mustard()                         // want go
}

func mustard() {}

func ranges(m map[string]int, s []int) {
	for k := range m { // want maprange
		fmt.Println(k)
	}
	for i := range s {
		fmt.Println(i)
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		fmt.Println(k)
	}
	for k := range maps.Keys(m) { // want maprange
		fmt.Println(k)
	}
	for v := range maps.Values(m) { // want maprange
		fmt.Println(v)
	}
}

type set map[int]bool

func (s set) named() {
	for k := range s { // want maprange
		_ = k
	}
}

func floats(a, b int) int {
	x := float32(a)       // want float
	if float64(b) > 0.1 { // want float
		return 1
	}
	var z []float32 // want float
	_ = z           // want float
	return int(x)   // want float
}

func generic[T any](v T) T { return v }

func fails() (int, error) { return 0, nil }

func unchecked() {
	fails()       // want unchecked
	defer fails() // want unchecked
	_, _ = fails()
	var b strings.Builder
	b.WriteString("never fails")
	fmt.Fprintf(&b, "x")
	h := sha256.New()
	h.Write(nil)
}

func inClosure() {
	f := func() {
		panic("hidden") // want panic
	}
	f()
	_ = generic[int](1)
}
