package settlement

import (
	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
)

// AutoCLIOptions describes the module's commands. The queries that print
// tables are written by hand (client/cli). Verdicts are
// committed and revealed by the validator's daemon, so their commands are left out.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	run := &autocliv1.PositionalArgDescriptor{ProtoField: "run"}
	window := &autocliv1.PositionalArgDescriptor{ProtoField: "window"}
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "galahad.settlement.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{
					RpcMethod: "Params",
					Use:       "params",
					Short:     "Show emission, its split, and what cheats lose",
				},
				{
					RpcMethod:      "Credits",
					Use:            "credits RUN MINER",
					Short:          "Show a miner's unclaimed pay, and how much of it is unlocked",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run, {ProtoField: "miner"}},
				},
				{
					RpcMethod:      "Commits",
					Use:            "commits RUN WINDOW",
					Short:          "Show which graders posted a hash for a window",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run, window},
				},
				{
					RpcMethod:      "Reveals",
					Use:            "reveals RUN WINDOW",
					Short:          "Show what graders revealed for a window",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run, window},
				},
				{
					RpcMethod:      "Totals",
					Use:            "totals RUN",
					Short:          "Show a run's running sums",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run},
				},
				{RpcMethod: "Window", Skip: true},
				{RpcMethod: "Scores", Skip: true},
				{RpcMethod: "Metagraph", Skip: true},
				{RpcMethod: "Explain", Skip: true},
				{RpcMethod: "Rewards", Skip: true},
				{RpcMethod: "Emission", Skip: true},
				{RpcMethod: "Duties", Skip: true},
				{RpcMethod: "Slashes", Skip: true},
			},
			EnhanceCustomCommand: true,
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "galahad.settlement.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{
					RpcMethod:      "Claim",
					Use:            "claim RUN",
					Short:          "Take your unlocked pay of a run",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run},
				},
				{
					RpcMethod:      "UpdateParams",
					Use:            "update-params-proposal PARAMS",
					Short:          "Propose new parameters, all of them, as JSON",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "params"}},
					GovProposal:    true,
				},
				{RpcMethod: "CommitVerdicts", Skip: true},
				{RpcMethod: "RevealVerdicts", Skip: true},
			},
		},
	}
}
