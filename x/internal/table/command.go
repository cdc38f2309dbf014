package table

import (
	"context"

	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/cosmos/gogoproto/proto"
	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
)

// Query asks the node and lays out the answer: the response, which --output json
// prints, and the table that people read.
type Query func(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *Table, error)

// flagFull shows addresses whole.
const flagFull = "full"

// Command is a query command that prints a table. It has the flags of the
// generated query commands, and --full for addresses that can be copied.
func Command(use, short string, args cobra.PositionalArgs, query Query) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  args,
		RunE: func(cmd *cobra.Command, args []string) error {
			clientCtx, err := client.GetClientQueryContext(cmd)
			if err != nil {
				return err
			}
			cmd.SilenceUsage = true // from here on an error is not about usage
			res, t, err := query(cmd.Context(), clientCtx, args)
			if err != nil {
				return err
			}
			if clientCtx.OutputFormat == flags.OutputFormatJSON || t == nil {
				return clientCtx.PrintProto(res)
			}
			full, err := cmd.Flags().GetBool(flagFull)
			if err != nil {
				return err
			}
			return t.Full(full).Write(cmd.OutOrStdout())
		},
	}
	flags.AddQueryFlagsToCmd(cmd)
	cmd.Flags().Bool(flagFull, false, "show addresses whole")
	return cmd
}

// Parent is a module's query command, the place for Command's.
func Parent(module, short string, children ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: module, Short: short, SuggestionsMinimumDistance: 2, RunE: client.ValidateCmd}
	cmd.AddCommand(children...)
	return cmd
}
