package rollout

import (
	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
)

// AutoCLIOptions describes the module's commands. `query rollout commitments` is
// written by hand, since it prints a table (client/cli).
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "galahad.rollout.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{
					RpcMethod: "Params",
					Use:       "params",
					Short:     "Show the rollout module's parameters",
				},
				{
					RpcMethod:      "Commitment",
					Use:            "commitment RUN WINDOW MINER",
					Short:          "Show a miner's commitment to a window",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "run"}, {ProtoField: "window"}, {ProtoField: "miner"}},
				},
				{RpcMethod: "Commitments", Skip: true},
			},
			EnhanceCustomCommand: true,
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "galahad.rollout.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{
					RpcMethod: "CommitRollouts",
					Use:       "commit RUN WINDOW CHECKPOINT CONFORMANCE ROOT GROUPS BYTES LOCATOR",
					Short:     "Commit to a batch by hand (galahad-miner does this for you)",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{
						{ProtoField: "run"}, {ProtoField: "window"}, {ProtoField: "checkpoint_digest"}, {ProtoField: "conformance_digest"},
						{ProtoField: "root"}, {ProtoField: "groups"}, {ProtoField: "bytes"}, {ProtoField: "locator"},
					},
				},
				{
					RpcMethod:      "UpdateParams",
					Use:            "update-params-proposal PARAMS",
					Short:          "Propose new parameters, all of them, as JSON",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "params"}},
					GovProposal:    true,
				},
			},
		},
	}
}
