// Command page writes docs/economics.md to standard output. It runs in the repository's root.
package main

import (
	"fmt"
	"os"

	"github.com/galahad-network/galahad/testutil/economics"
)

func main() {
	coalitions, err := os.ReadFile("x/settlement/keeper/testdata/coalitions.md")
	if err == nil {
		_, err = os.Stdout.Write(economics.Page(coalitions))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
