package rollout

import (
	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
)

// AutoCLIOptions describes the module's commands. What prints a table
// or reads a file is written by hand (client/cli).
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
				{
					RpcMethod:      "Evidence",
					Use:            "evidence RUN WINDOW MINER",
					Short:          "Show what was proven against a miner in a window",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "run"}, {ProtoField: "window"}, {ProtoField: "miner"}},
				},
				{RpcMethod: "Evidences", Skip: true},
				{
					RpcMethod:      "Accusation",
					Use:            "accusation RUN ID",
					Short:          "Show an accusation and what became of it",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "run"}, {ProtoField: "id"}},
				},
				{RpcMethod: "Accusations", Skip: true},
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
				{RpcMethod: "SubmitEvidence", Skip: true},
				{
					RpcMethod: "Accuse",
					Use:       "accuse RUN WINDOW MINER LEAF",
					Short:     "Ask the graders, for a deposit, to replay a leaf",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{
						{ProtoField: "run"}, {ProtoField: "window"}, {ProtoField: "miner"}, {ProtoField: "leaf"},
					},
				},
				{
					RpcMethod:      "WithdrawAccusation",
					Use:            "withdraw-accusation RUN ID",
					Short:          "Take back the deposit of an accusation that a closed run will never judge",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "run"}, {ProtoField: "id"}},
				},
				{
					RpcMethod:      "UpdateParams",
					Use:            "update-params-proposal PARAMS",
					Short:          "Propose new parameters, all of them, as JSON",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "params"}},
					GovProposal:    true,
				},
			},
			EnhanceCustomCommand: true,
		},
	}
}
