// Command page writes docs/economics.md to standard output.
package main

import (
	"os"

	"github.com/galahad-network/galahad/testutil/economics"
)

func main() {
	if _, err := os.Stdout.Write(economics.Page()); err != nil {
		os.Exit(1)
	}
}
