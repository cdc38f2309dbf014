package main

import (
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/validator"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
)

func attestCommand() *cobra.Command {
	var digest, state string
	cmd := &cobra.Command{
		Use:   "attest RUN VERSION",
		Short: "attest a checkpoint, as a grader",
		Long: `attest sends MsgAttestCheckpoint with the operator's key: a replay of the step gave this digest and this state hash. More
than 2/3 of the graders' stake make the version active in a run that waits for attestations.

This command sends the message and replays nothing. Give what your own replay gave with --digest and --state-hash; the
chain refuses others than those that were published. Without them it repeats what was published, which says no more than
that you trust the learner.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ours := make([][]byte, 2)
			for i, s := range []string{digest, state} {
				var err error
				if ours[i], err = hex.DecodeString(s); err != nil {
					return fmt.Errorf("%q is not hexadecimal", s)
				}
			}
			return review(cmd, args, func(r validator.Reviewer, run, version uint64) (client.Result, error) {
				return r.Attest(cmd.Context(), run, version, ours[0], ours[1])
			})
		},
	}
	cmd.Flags().StringVar(&digest, "digest", "", "checkpoint digest of the replay, hexadecimal")
	cmd.Flags().StringVar(&state, "state-hash", "", "state hash of the replay, hexadecimal")
	return cmd
}

func rejectCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "reject RUN VERSION",
		Short: "reject a checkpoint, as a grader",
		Long: `reject sends MsgRejectCheckpoint with the operator's key: a replay of the step gave something else than what was
published. More than 1/3 of the graders' stake make the version fall, with all that follow it. It replays nothing itself.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return review(cmd, args, func(r validator.Reviewer, run, version uint64) (client.Result, error) {
				return r.Reject(cmd.Context(), run, version, reason)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", fmt.Sprintf("why, at most %d bytes of printable ASCII", policytypes.MaxReasonLength))
	return cmd
}

// review opens chain and key, votes, and says in which block the vote is.
func review(cmd *cobra.Command, args []string, vote func(r validator.Reviewer, run, version uint64) (client.Result, error)) error {
	var of [2]uint64
	for i, name := range []string{"RUN", "VERSION"} {
		n, err := strconv.ParseUint(args[i], 10, 64)
		if err != nil {
			return fmt.Errorf("%s %q is not a number", name, args[i])
		}
		of[i] = n
	}
	config, log, err := settings(cmd)
	if err != nil {
		return err
	}
	c, err := config.Chain.Open(log)
	if err != nil {
		return err
	}
	defer c.Close()
	w, err := config.Chain.OpenWriter(c, daemon.Home(cmd), cmd.InOrStdin())
	if err != nil {
		return err
	}
	r := validator.Reviewer{Chain: c, Sender: w}
	if config.Grader.Operator != "" {
		if r.Operator, err = sdk.ValAddressFromBech32(config.Grader.Operator); err != nil {
			return fmt.Errorf("grader.operator: %w", err)
		}
	}
	res, err := vote(r, of[0], of[1])
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "voted on version %d of run %d in block %d, transaction %X\n", of[1], of[0], res.Height, res.Hash)
	return err
}
