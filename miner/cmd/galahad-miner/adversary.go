package main

import (
	"github.com/spf13/cobra"

	"github.com/galahad-network/galahad/miner"
	"github.com/galahad-network/galahad/testutil/adversary"
)

// The flags of the local network's cheats. They are hidden: a cheat earns nothing
// and loses its bond.
const (
	adversaryFlag = "adversary"      // kind
	peerFlag      = "adversary-peer" // home folder of the miner that is copied
)

func addAdversaryFlags(cmd *cobra.Command) {
	cmd.Flags().String(adversaryFlag, "", "cheat in this way, on the local network")
	cmd.Flags().String(peerFlag, "", "home folder of the miner to copy from")
	for _, name := range []string{adversaryFlag, peerFlag} {
		cmd.Flags().Lookup(name).Hidden = true
	}
}

// arm sets the strategy that the flags ask for, if any.
func arm(cmd *cobra.Command, o *miner.Options) error {
	kind, err := cmd.Flags().GetString(adversaryFlag)
	if err != nil || kind == "" {
		return err
	}
	if o.Peer, err = cmd.Flags().GetString(peerFlag); err != nil {
		return err
	}
	o.Kind = kind
	o.Strategy, err = adversary.New(kind)
	return err
}
