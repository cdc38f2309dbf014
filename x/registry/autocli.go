package registry

import (
	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
)

// AutoCLIOptions describes the module's commands. `query registry miners` is written
// by hand, since it prints a table (client/cli).
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "galahad.registry.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{
					RpcMethod: "Params",
					Use:       "params",
					Short:     "Show the registry's parameters",
				},
				{
					RpcMethod:      "Miner",
					Use:            "miner RUN ADDRESS",
					Short:          "Show a miner with its locked bond, unbonding entries, and the way out of jail",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "run"}, {ProtoField: "address"}},
				},
				{RpcMethod: "Miners", Skip: true},
				{
					RpcMethod:      "Price",
					Use:            "price RUN",
					Short:          "Show what a place in a run costs now, and whose place it would be",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "run"}},
				},
			},
			EnhanceCustomCommand: true,
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "galahad.registry.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{
					RpcMethod: "Register",
					Use:       "register RUN BOND ENDPOINT GROUPS LIMIT_PRICE",
					Short:     "Join a run as a miner (BOND and LIMIT_PRICE, the most to pay for the place, in agal)",
					Example:   "galahadd tx registry register 1 32000000000000000000 http://127.0.0.1:9101 4 2000000000000000000 --from miner",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{
						{ProtoField: "run"}, {ProtoField: "bond"}, {ProtoField: "endpoint"}, {ProtoField: "declared_groups"},
						{ProtoField: "limit_price"},
					},
				},
				{
					RpcMethod:      "Bond",
					Use:            "bond RUN AMOUNT",
					Short:          "Add to your bond (AMOUNT in agal)",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "run"}, {ProtoField: "amount"}},
				},
				{
					RpcMethod:      "Unbond",
					Use:            "unbond RUN AMOUNT",
					Short:          "Take free stake out of your bond (AMOUNT in agal); all of it ends the registration",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "run"}, {ProtoField: "amount"}},
				},
				{
					RpcMethod:      "UpdateEndpoint",
					Use:            "update-endpoint RUN ENDPOINT",
					Short:          "Change where you serve your batches",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "run"}, {ProtoField: "endpoint"}},
				},
				{
					RpcMethod:      "DeclareGroups",
					Use:            "declare-groups RUN GROUPS",
					Short:          "Change how many groups you owe, from the next window that freezes",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "run"}, {ProtoField: "declared_groups"}},
				},
				{
					RpcMethod:      "UpdateMetadata",
					Use:            "update-metadata RUN METADATA",
					Short:          "Change what you say of yourself",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "run"}, {ProtoField: "metadata"}},
				},
				{
					RpcMethod:      "Unjail",
					Use:            "unjail RUN",
					Short:          "Take part again after a jail term that is over",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{{ProtoField: "run"}},
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
