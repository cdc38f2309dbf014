// Galahadd is the node of the Galahad chain, its command line and its local
// network.
//
//	galahadd init NAME            files of a new node
//	galahadd start                run it
//	galahadd query | tx | keys    talk to a node
//	galahadd doctor               what is wrong with a node, and what to do
//	galahadd localnet start       a whole network on this machine
package main

import (
	"os"

	svrcmd "github.com/cosmos/cosmos-sdk/server/cmd"

	"github.com/galahad-network/galahad/app"
)

// envPrefix begins the environment variables that override flags and files, such
// as GALAHADD_NODE.
const envPrefix = "GALAHADD"

func main() {
	root, err := newRootCmd()
	if err != nil {
		os.Stderr.WriteString("galahadd: " + err.Error() + "\n")
		os.Exit(1)
	}
	if err := svrcmd.Execute(root, envPrefix, app.DefaultNodeHome); err != nil {
		os.Exit(1) // cobra has printed it
	}
}
