package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/validator"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
)

// errRejected makes the exit status 1 for a version that its replay does not make.
var errRejected = errors.New("the version was rejected")

func attestCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "attest RUN VERSION",
		Short: "replay a checkpoint's step and vote on it, as a grader",
		Long: `attest does once what the running daemon does with every version that waits: it holds the rollout set against the
miners' batches, makes the step again, and sends the vote that follows with the operator's key: an attestation, signed with
what only the step's gradient gives, or a rejection with its reason; then the exit status is 1. More than 2/3 of the graders'
stake make the version active in a run that waits for attestations. Stop the daemon first: both keep one journal.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			run, version, err := versionOf(args)
			if err != nil {
				return err
			}
			config, log, err := settings(cmd)
			if err != nil {
				return err
			}
			config.Run = run
			g, err := openGrader(cmd, config, log)
			if err != nil {
				return err
			}
			defer g.Close()
			attested, reason, err := g.Attest(cmd.Context(), version)
			switch {
			case err != nil:
				return err
			case !attested:
				return fmt.Errorf("%w: %s", errRejected, reason)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "version %d of run %d is what its step makes: attested\n", version, run)
			return err
		},
	}
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
			run, version, err := versionOf(args)
			if err != nil {
				return err
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
			var operator sdk.ValAddress
			if config.Grader.Operator != "" {
				if operator, err = sdk.ValAddressFromBech32(config.Grader.Operator); err != nil {
					return fmt.Errorf("grader.operator: %w", err)
				}
			}
			res, err := validator.Reject(cmd.Context(), w, operator, run, version, reason)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "voted on version %d of run %d in block %d, transaction %X\n", version, run, res.Height, res.Hash)
			return err
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", fmt.Sprintf("why, at most %d bytes of printable ASCII", policytypes.MaxReasonLength))
	return cmd
}

func versionOf(args []string) (run, version uint64, err error) {
	for i, to := range []*uint64{&run, &version} {
		if *to, err = strconv.ParseUint(args[i], 10, 64); err != nil {
			return 0, 0, fmt.Errorf("%s %q is not a number", []string{"RUN", "VERSION"}[i], args[i])
		}
	}
	return run, version, nil
}
