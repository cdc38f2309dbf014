package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/client/tx"
	"github.com/cosmos/cosmos-sdk/codec"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/x/rollout/types"
)

// maxEvidenceFile bounds a file of evidence: the largest leaf in base64, and its path.
const maxEvidenceFile = 2*batch.MaxLeafBytes + 1<<16

// NewTxCmd returns `tx rollout`.
func NewTxCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:                        types.ModuleName,
		Short:                      "Commit to batches of rollouts, prove or accuse what is wrong with them",
		DisableFlagParsing:         true,
		SuggestionsMinimumDistance: 2,
		RunE:                       client.ValidateCmd,
	}
	submit := &cobra.Command{
		Use:   "submit-evidence FILE.json",
		Short: "Prove a failure of one leaf of a committed batch",
		Long: "FILE.json is the message as JSON: run, window, miner, leaf_index, leaf (base64) and proof (total, index,\n" +
			"leaf_hash and aunts in base64). The submitter is the account of --from, whatever the file says.\n" +
			"A simulation (--gas auto) checks nothing; evidence that proves nothing costs its fee.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, err := client.GetClientTxContext(cmd)
			if err != nil {
				return err
			}
			msg, err := ReadEvidence(ctx.Codec, args[0])
			if err != nil {
				return err
			}
			msg.Submitter = ctx.GetFromAddress().String()
			return tx.GenerateOrBroadcastTxCLI(ctx, cmd.Flags(), msg)
		},
	}
	flags.AddTxFlagsToCmd(submit)
	cmd.AddCommand(submit)
	return cmd
}

// ReadEvidence reads the JSON of a MsgSubmitEvidence, without or with a submitter.
func ReadEvidence(cdc codec.JSONCodec, path string) (*types.MsgSubmitEvidence, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	raw, err := io.ReadAll(io.LimitReader(f, maxEvidenceFile+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxEvidenceFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxEvidenceFile)
	}
	var msg types.MsgSubmitEvidence
	if err := cdc.UnmarshalJSON(raw, &msg); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &msg, nil
}
