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
					RpcMethod: "UpdateParams", Use: "update-params-proposal [params]",
					Short:          "Propose new parameters to governance; all of them must be given",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "params"}},
					GovProposal:    true,
				},
			},
		},
	}
}
