package main

import (
	"github.com/spf13/cobra"

	"github.com/galahad-network/galahad/miner"
	"github.com/galahad-network/galahad/testutil/adversary"
)

// adversaryFlag makes one of the local network's cheats. It is hidden: a cheat
// earns nothing and loses its bond.
const adversaryFlag = "adversary"

func addAdversaryFlag(cmd *cobra.Command) {
	cmd.Flags().String(adversaryFlag, "", "cheat in this way, on the local network")
	cmd.Flags().Lookup(adversaryFlag).Hidden = true
}

// arm sets the strategy that the flag asks for, if any.
func arm(cmd *cobra.Command, o *miner.Options) error {
	kind, err := cmd.Flags().GetString(adversaryFlag)
	if err != nil || kind == "" {
		return err
	}
	o.Kind = kind
	o.Strategy, err = adversary.New(kind)
	return err
}
