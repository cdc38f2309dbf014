// Package cli holds the module's commands that print tables.
package cli

import "github.com/spf13/cobra"

// NewQueryCmd is the root of the module's hand-written queries.
func NewQueryCmd() *cobra.Command {
	return &cobra.Command{Use: "challenge", Short: "Runs, windows and beacon rounds"}
}
