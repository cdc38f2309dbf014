package challenge

import (
	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
)

// AutoCLIOptions describes the generated commands. run, window and windows are
// written by hand, as tables.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	run := &autocliv1.PositionalArgDescriptor{ProtoField: "run"}
	window := &autocliv1.PositionalArgDescriptor{ProtoField: "window"}
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service:              "galahad.challenge.v1.Query",
			EnhanceCustomCommand: true,
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Params", Use: "params", Short: "The module's parameters"},
				{RpcMethod: "Run", Skip: true},
				{RpcMethod: "Window", Skip: true},
				{RpcMethod: "Runs", Use: "runs", Short: "All runs"},
				{
					RpcMethod: "OpenWindows", Use: "open-windows [run]", Short: "The windows of a run that are neither CLOSED nor VOID",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run},
				},
				{
					RpcMethod: "WindowMiners", Use: "window-miners [run] [window]", Short: "The miners frozen into a window",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run, window},
				},
				{
					RpcMethod: "WindowGraders", Use: "window-graders [run] [window]", Short: "The graders frozen into a window",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run, window},
				},
				{
					RpcMethod: "Beacon", Use: "beacon [round]", Short: "A verified beacon round",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "round"}},
				},
				{
					RpcMethod: "Assignment", Use: "assignment [run] [window] [miner]", Short: "The groups and problems that a miner owes in a window",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run, window, {ProtoField: "miner"}},
				},
				{
					RpcMethod: "Load", Use: "load [run]", Short: "Both sides of the audit load rule",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run},
				},
				{
					RpcMethod: "Tokenizer", Use: "tokenizer [run]", Short: "The tokenizer file that a run registered",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run},
				},
				{RpcMethod: "PendingRounds", Use: "pending-rounds", Short: "The beacon rounds that windows wait for"},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service:              "galahad.challenge.v1.Msg",
			EnhanceCustomCommand: true,
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{
					RpcMethod: "SubmitBeacon", Use: "submit-beacon [round] [signature]",
					Short: "Prove a beacon round that some window waits for; the signature is base64 or a file",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{
						{ProtoField: "round"}, {ProtoField: "signature"},
					},
				},
				{
					RpcMethod: "CreateRun", Use: "create-run [learner] [name] [params] [deposit] [base-digest] [base-locator]",
					Short: "Create a run; params are JSON or a file of it, the digest is base64 or a file",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{
						{ProtoField: "learner"}, {ProtoField: "name"}, {ProtoField: "params"}, {ProtoField: "deposit"},
						{ProtoField: "base_digest"}, {ProtoField: "base_locator"},
					},
				},
				{
					RpcMethod: "UpdateRun", Use: "update-run [run] [learner] [params]", Short: "Change a run from its next window on",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run, {ProtoField: "learner"}, {ProtoField: "params"}},
				},
				{
					RpcMethod: "PauseRun", Use: "pause-run [run] [reason]", Short: "Stop a run from opening windows",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run, {ProtoField: "reason"}},
				},
				{
					RpcMethod: "ResumeRun", Use: "resume-run [run]", Short: "Let a paused run open windows again",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run},
				},
				{
					RpcMethod: "CloseRun", Use: "close-run [run]", Short: "End a run for good",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run},
				},
				{
					RpcMethod: "SetEmissionShare", Use: "set-emission-share-proposal [run] [ppm]", Short: "Propose a run's share of emission to governance",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run, {ProtoField: "ppm"}}, GovProposal: true,
				},
				{
					RpcMethod: "UpdateParams", Use: "update-params-proposal [params]",
					Short:          "Propose new parameters to governance; all of them must be given",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "params"}},
					GovProposal:    true,
				},
			},
		},
	}
}
