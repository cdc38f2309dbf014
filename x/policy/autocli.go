package policy

import (
	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
)

// AutoCLIOptions describes the generated commands. active, checkpoints and votes
// are written by hand, as tables.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	run, version := &autocliv1.PositionalArgDescriptor{ProtoField: "run"}, &autocliv1.PositionalArgDescriptor{ProtoField: "version"}
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service:              "galahad.policy.v1.Query",
			EnhanceCustomCommand: true,
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Params", Use: "params", Short: "The module's parameters"},
				{
					RpcMethod: "Checkpoint", Use: "checkpoint [run] [version]", Short: "A published checkpoint",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run, version},
				},
				{RpcMethod: "Checkpoints", Skip: true},
				{RpcMethod: "Votes", Skip: true},
				{RpcMethod: "Active", Skip: true},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service:              "galahad.policy.v1.Msg",
			EnhanceCustomCommand: true,
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{
					RpcMethod: "PublishCheckpoint", Use: "publish-checkpoint [run] [version]",
					Short:          "Publish the next version of a run's policy (the learner does this)",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run, version},
				},
				{
					RpcMethod: "AttestCheckpoint", Use: "attest-checkpoint [run] [version]",
					Short:          "Say, as a grader, that a replay of the step gave this digest and state hash",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run, version},
				},
				{
					RpcMethod: "RejectCheckpoint", Use: "reject-checkpoint [run] [version]",
					Short:          "Say, as a grader, that a replay of the step did not give what was published",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run, version},
				},
				{
					RpcMethod: "RollbackCheckpoint", Use: "rollback-checkpoint [run] [version]",
					Short:          "Vote, as a grader, to return from the active version to its parent",
					PositionalArgs: []*autocliv1.PositionalArgDescriptor{run, version},
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
