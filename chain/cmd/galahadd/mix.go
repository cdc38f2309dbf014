package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/conformance"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/env/questions"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/tokenizer/auto"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// mixParams are the parameters of a run that a mix decides, named as RunParams has them.
type mixParams struct {
	Mix               []challengetypes.EnvironmentWeight `json:"mix"`
	ConformanceDigest []byte                             `json:"conformance_digest"`
}

// mixCmd is `galahadd mix`.
func mixCmd() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "mix MIX",
		Short: "Write a run's mix of environments out as parameters, with the digests that they pin",
		Long: `Write a mix of environments out as JSON for the params of create-run and update-run: its entries with the digests of this
build's environments, and the conformance digest of all of them. An entry is id:weight, or id:weight@from-until if it
takes part only in the windows from <= window < until; without until it has no end. For id may stand a file of questions or of
programs that ends with .jsonl.`,
		Example: `  galahadd mix arithmetic-2:3@0-40,arithmetic-3:1@20- >mix.json
  jq -s '.[0] * .[1]' params.json mix.json >new-params.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			mix, err := env.ParseMix(args[0], questions.Find)
			if err != nil {
				return err
			}
			cmd.SilenceUsage = true
			tok, err := loadTokenizer(file)
			if err != nil {
				return err
			}
			digest, err := conformance.ForMix(cmd.Context(), tok, mix)
			if err != nil {
				return err
			}
			e := json.NewEncoder(cmd.OutOrStdout())
			e.SetIndent("", "  ")
			return e.Encode(mixParams{challengetypes.WeightsOf(mix), digest[:]})
		},
	}
	cmd.Flags().StringVar(&file, "tokenizer", "", "tokenizer file of the run (default: the shipped model's)")
	return cmd
}

// loadTokenizer reads a tokenizer file; without one it is the shipped model's.
func loadTokenizer(file string) (tokenizer.Tokenizer, error) {
	if file == "" {
		base, err := models.Base()
		if err != nil {
			return nil, err
		}
		return base.Tokenizer, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	tok, err := auto.Load(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return tok, nil
}
