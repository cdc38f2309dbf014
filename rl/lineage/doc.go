// Package lineage is how a version comes of its parent: which rollouts of settled windows it takes, the step that is
// made on them, and that step made again by whoever doubts it. The learner makes versions with it, graders and strangers
// replay them; it knows neither keys nor transactions.
//
// A version is a pure function of its parent's state, the ordered rollout set, and the sampling temperature and recipe of
// the newest window in it. The set is that of one or several windows, ascending, each ordered by miner, group and index, and
// each followed by what it draws from windows of other runs, where its run is in a swarm.
// The state is the binary32 weights, the optimizer's moments and, where the weight of the divergence adapts, that weight;
// what miners sample from are those weights as
// bfloat16. The chain holds of each version the digest of the published weights, the Merkle root of the rollout set and
// the state hash, which chains the parent's state hash with these and the SHA-256 of the state:
//
//	state hash = Derive(chain, "state", parent's state hash, digest, SHA-256 of the state, rollout set)
//
// So the learner's word is needed for nothing. It serves, in the folder of each checkpoint, beside manifest and shards,
// the state (StateFile) and the rollout set (RolloutsFile); whoever holds them against the chain can make the next
// version, and compare.
//
// The chain also holds how many of the run's held-out problems the version solves, by an EvaluationSet that follows from
// the run: a replay counts again.
//
// All of these can be copied from the publication. What cannot is the step's gradient, which is served nowhere: its digest
// is a Secret, the chain has the public half of the key that it makes, and graders sign their attestations with it.
package lineage
