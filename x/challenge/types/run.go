package types

import (
	"math/big"
	"slices"

	sdkmath "cosmossdk.io/math"

	"cosmossdk.io/core/address"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/env"
)

// Bounds of a run.
const (
	MaxRuns               = 64
	MaxRunName            = 64
	MaxReason             = 256
	MaxTimeoutWindows     = 1_000_000
	MaxStageBlocks        = 1_000_000
	MaxOpenWindows        = 8
	MaxGroupSize          = 256
	MaxGroupsPerWindow    = 16_384
	MaxEndTokens          = 16
	MaxVocabSize          = 1 << 20
	MaxContextLength      = 1 << 20
	MaxBatchBytes         = 1 << 33
	MaxGraderTokensPerSec = 1 << 40
	MaxEvaluationProblems = 4096
	// DefaultEvaluationProblems give a 95 % interval of about 6 points in the middle.
	DefaultEvaluationProblems = 256
	Million                   = derive.Million
)

// DefaultRunParams are the protocol's defaults for a mix of environments, the
// run's tokenizer and its conformance suite. Generation fits the built-in
// arithmetic environments; emission_share_ppm is all of it.
func DefaultRunParams(mix []EnvironmentWeight, tokenizerDigest, conformanceDigest []byte) RunParams {
	return RunParams{
		Mix:                mix,
		GroupSize:          8,
		MaxGroups:          16,
		MaxGroupsPerWindow: 1024,
		Generation: Generation{
			TemperatureBits: 0x3f800000, // 1.0
			TopPPpm:         Million,
			MaxNew:          38,
			EndTokens:       []uint32{2},
		},
		EngineMode:               EngineMode_ENGINE_MODE_EXACT,
		WindowMode:               WindowMode_WINDOW_MODE_PIPELINED,
		CommitBlocks:             30,
		AuditBlocks:              30,
		RevealBlocks:             10,
		MaxOpenWindows:           3,
		AuditBudgetGroups:        128,
		AuditMinPpm:              100_000,
		MinGraderTokensPerSecond: 500,
		BondPerGroupFloor:        sdkmath.NewIntWithDecimal(1, 18),
		PolicyDelayBlocks:        1,
		MaxStaleness:             4,
		VocabSize:                32,
		ContextLength:            64,
		MaxBatchBytes:            1 << 24,
		ConformanceDigest:        conformanceDigest,
		EmissionSharePpm:         Million,
		TokenizerDigest:          tokenizerDigest,
		PolicyActivation:         PolicyActivation_POLICY_ACTIVATION_ATTESTED,
		PolicyWaitBlocks:         60,
		LearnerTimeoutWindows:    20,
		Recipe:                   DefaultRecipe(),
		EvaluationProblems:       DefaultEvaluationProblems,
	}
}

// Validate checks a run and its parameters, those of a run that is not CLOSED together
// with the module's: a closed run uses them no more and can change none. Errors:
// ErrInvalidRun, ErrInvalidParams.
func (r Run) Validate(p Params, ac address.Codec) error {
	if r.Id == 0 {
		return ErrInvalidRun.Wrap("run 0: ids begin at 1")
	}
	if r.Name == "" || len(r.Name) > MaxRunName {
		return ErrInvalidRun.Wrapf("run %d: name of %d bytes, want 1..%d", r.Id, len(r.Name), MaxRunName)
	}
	for _, c := range []byte(r.Name) {
		if c < 0x20 || c > 0x7e {
			return ErrInvalidRun.Wrapf("run %d: name %q has a byte that is not printable ASCII", r.Id, r.Name)
		}
	}
	if _, err := ac.StringToBytes(r.Owner); err != nil {
		return ErrInvalidRun.Wrapf("run %d: owner: %s", r.Id, err)
	}
	if _, err := ac.StringToBytes(r.Learner); err != nil {
		return ErrInvalidRun.Wrapf("run %d: learner: %s", r.Id, err)
	}
	switch r.Status {
	case RunStatus_RUN_STATUS_ACTIVE, RunStatus_RUN_STATUS_PAUSED, RunStatus_RUN_STATUS_CLOSED:
	default:
		return ErrInvalidRun.Wrapf("run %d: status %s", r.Id, r.Status)
	}
	if len(r.PauseReason) > MaxReason || r.PauseReason != "" && r.Status != RunStatus_RUN_STATUS_PAUSED {
		return ErrInvalidRun.Wrapf("run %d: pause_reason %q of a run that is %s", r.Id, r.PauseReason, r.Status)
	}
	if err := checkAmount(r.DepositOrZero()); err != nil {
		return ErrInvalidRun.Wrapf("run %d: deposit: %s", r.Id, err)
	}
	if r.FirstWindow > r.NextWindow || r.StaleSinceWindow > r.NextWindow {
		return ErrInvalidRun.Wrapf("run %d: first_window %d or stale_since_window %d is above next_window %d",
			r.Id, r.FirstWindow, r.StaleSinceWindow, r.NextWindow)
	}
	if r.ClosedWindows > r.NextWindow {
		return ErrInvalidRun.Wrapf("run %d: closed_windows %d is above next_window %d", r.Id, r.ClosedWindows, r.NextWindow)
	}
	if err := validShared(r.Id, r.Taken); err != nil {
		return ErrInvalidRun.Wrapf("run %d: taken: %s", r.Id, err)
	}
	if slices.Contains(r.Params.Recipe.SwarmRuns, r.Id) {
		return ErrInvalidRun.Wrapf("run %d: recipe.swarm_runs are other runs", r.Id)
	}
	if r.EmissionNext < 0 {
		return ErrInvalidRun.Wrapf("run %d: emission_next %d is negative", r.Id, r.EmissionNext)
	}
	err := r.Params.ValidateAlone()
	if err == nil && r.Status != RunStatus_RUN_STATUS_CLOSED {
		err = r.Params.validateWith(p)
	}
	if err != nil {
		return ErrInvalidRun.Wrapf("run %d: %s", r.Id, err)
	}
	return nil
}

// DepositOrZero is the run's deposit in agal; runs of genesis may have none.
func (r Run) DepositOrZero() sdkmath.Int {
	if r.Deposit.IsNil() {
		return sdkmath.ZeroInt()
	}
	return r.Deposit
}

// Validate checks parameters that a run is to go on with: alone, together, with the
// module's, and that this program has the environments. Error: ErrInvalidParams.
func (r RunParams) Validate(p Params) error {
	if err := r.ValidateAlone(); err != nil {
		return err
	}
	return r.validateWith(p)
}

// validateWith is what Validate asks beyond ValidateAlone. The module's parameters and
// the program's environments may change later.
func (r RunParams) validateWith(p Params) error {
	if err := env.CheckMix(r.MixEntries()); err != nil {
		return ErrInvalidParams.Wrapf("mix: %s", err)
	}
	if err := r.validateAuditLoad(p); err != nil {
		return err
	}
	return r.validateStaleness(p)
}

// ValidateAlone checks parameters alone and together. It depends on nothing else, so it
// holds for ever of what a window froze or a closed run has. Error: ErrInvalidParams.
func (r RunParams) ValidateAlone() error {
	if err := r.validateModes(); err != nil {
		return err
	}
	if err := env.WellFormedMix(r.MixEntries()); err != nil {
		return ErrInvalidParams.Wrapf("mix: %s", err)
	}
	for _, e := range r.Mix {
		if len(e.Digest) != 32 {
			return ErrInvalidParams.Wrapf("mix: digest of %q has %d bytes, want 32", e.Id, len(e.Digest))
		}
	}
	for _, b := range []struct {
		name         string
		value, limit uint64
	}{
		{"group_size", uint64(r.GroupSize), MaxGroupSize},
		{"max_groups", uint64(r.MaxGroups), MaxGroupsPerWindow},
		{"max_groups_per_window", uint64(r.MaxGroupsPerWindow), MaxGroupsPerWindow},
		{"commit_blocks", uint64(r.CommitBlocks), MaxStageBlocks},
		{"audit_blocks", uint64(r.AuditBlocks), MaxStageBlocks},
		{"reveal_blocks", uint64(r.RevealBlocks), MaxStageBlocks},
		{"max_open_windows", uint64(r.MaxOpenWindows), MaxOpenWindows},
		{"audit_budget_groups", uint64(r.AuditBudgetGroups), MaxGroupsPerWindow},
		{"audit_min_ppm", uint64(r.AuditMinPpm), Million},
		{"min_grader_tokens_per_second", r.MinGraderTokensPerSecond, MaxGraderTokensPerSec},
		{"vocab_size", uint64(r.VocabSize), MaxVocabSize},
		{"context_length", uint64(r.ContextLength), MaxContextLength},
		{"max_batch_bytes", r.MaxBatchBytes, MaxBatchBytes},
	} {
		if b.value == 0 || b.value > b.limit {
			return ErrInvalidParams.Wrapf("%s %d is not within 1..%d", b.name, b.value, b.limit)
		}
	}
	switch {
	case r.GroupSize < 2:
		return ErrInvalidParams.Wrap("group_size 1: advantages within a group need at least 2 completions")
	case r.MaxGroups > r.MaxGroupsPerWindow:
		return ErrInvalidParams.Wrapf("max_groups %d exceeds max_groups_per_window %d", r.MaxGroups, r.MaxGroupsPerWindow)
	case r.EmissionSharePpm > Million:
		return ErrInvalidParams.Wrapf("emission_share_ppm %d exceeds %d", r.EmissionSharePpm, Million)
	case r.PolicyDelayBlocks > MaxStageBlocks:
		return ErrInvalidParams.Wrapf("policy_delay_blocks %d exceeds %d", r.PolicyDelayBlocks, MaxStageBlocks)
	case r.PolicyWaitBlocks > MaxStageBlocks:
		return ErrInvalidParams.Wrapf("policy_wait_blocks %d exceeds %d", r.PolicyWaitBlocks, MaxStageBlocks)
	case r.LearnerTimeoutWindows > MaxTimeoutWindows:
		return ErrInvalidParams.Wrapf("learner_timeout_windows %d exceeds %d", r.LearnerTimeoutWindows, MaxTimeoutWindows)
	case r.EvaluationProblems > MaxEvaluationProblems:
		return ErrInvalidParams.Wrapf("evaluation_problems %d exceeds %d", r.EvaluationProblems, MaxEvaluationProblems)
	case r.gatheringTimesOut():
		return ErrInvalidParams.Wrapf("learner_timeout_windows %d is below the recipe's step_windows %d and max_open_windows %d together: "+
			"a learner that waits would be late", r.LearnerTimeoutWindows, r.Recipe.StepWindows, r.MaxOpenWindows)
	case len(r.ConformanceDigest) != 32:
		return ErrInvalidParams.Wrapf("conformance_digest has %d bytes, want 32", len(r.ConformanceDigest))
	case len(r.TokenizerDigest) != 32:
		return ErrInvalidParams.Wrapf("tokenizer_digest has %d bytes, want 32", len(r.TokenizerDigest))
	}
	if err := checkAmount(r.BondPerGroupFloor); err != nil {
		return ErrInvalidParams.Wrapf("bond_per_group_floor: %s", err)
	}
	if !r.BondPerGroupFloor.IsPositive() {
		return ErrInvalidParams.Wrap("bond_per_group_floor must be positive: a group without a bond cannot be slashed")
	}
	if err := r.validateGeneration(); err != nil {
		return err
	}
	if err := r.validateTolerance(); err != nil {
		return err
	}
	return r.Recipe.Validate()
}

// gatheringTimesOut reports whether a run could pause while its learner gathers the windows of a step: all of them and those
// that are open by then may have frozen the same checkpoint.
func (r RunParams) gatheringTimesOut() bool {
	return r.Recipe.StepWindows > 1 && r.LearnerTimeoutWindows > 0 && r.LearnerTimeoutWindows < r.Recipe.StepWindows+r.MaxOpenWindows
}

func (r RunParams) validateModes() error {
	switch r.EngineMode {
	case EngineMode_ENGINE_MODE_EXACT, EngineMode_ENGINE_MODE_TOLERANT:
	default:
		return ErrInvalidParams.Wrapf("engine_mode %s", r.EngineMode)
	}
	switch r.WindowMode {
	case WindowMode_WINDOW_MODE_PIPELINED, WindowMode_WINDOW_MODE_SEQUENTIAL:
	default:
		return ErrInvalidParams.Wrapf("window_mode %s", r.WindowMode)
	}
	switch r.PolicyActivation {
	case PolicyActivation_POLICY_ACTIVATION_ATTESTED, PolicyActivation_POLICY_ACTIVATION_DELAYED:
	default:
		return ErrInvalidParams.Wrapf("policy_activation %s", r.PolicyActivation)
	}
	return nil
}

// MixEntries is the mix as rl/env takes it.
func (r RunParams) MixEntries() []env.MixEntry {
	mix := make([]env.MixEntry, len(r.Mix))
	for i, e := range r.Mix {
		mix[i] = env.MixEntry{Env: e.Id, Weight: e.Weight, From: e.FromWindow, Until: e.UntilWindow}
		copy(mix[i].Digest[:], e.Digest)
	}
	return mix
}

func (r RunParams) validateGeneration() error {
	g := r.Generation
	const (
		signBit      = 1 << 31
		exponentBits = 0xff << 23
	)
	switch {
	case g.TemperatureBits&signBit != 0 || g.TemperatureBits&exponentBits == exponentBits:
		return ErrInvalidParams.Wrapf("generation.temperature_bits %#08x is negative or not finite", g.TemperatureBits)
	case g.TopK > r.VocabSize:
		return ErrInvalidParams.Wrapf("generation.top_k %d exceeds vocab_size %d", g.TopK, r.VocabSize)
	case g.TopPPpm == 0 || g.TopPPpm > Million:
		return ErrInvalidParams.Wrapf("generation.top_p_ppm %d is not within 1..%d", g.TopPPpm, Million)
	case g.MaxNew == 0 || g.MaxNew >= r.ContextLength:
		return ErrInvalidParams.Wrapf("generation.max_new %d is not within 1..context_length-1 = %d", g.MaxNew, r.ContextLength-1)
	case len(g.EndTokens) == 0 || len(g.EndTokens) > MaxEndTokens:
		return ErrInvalidParams.Wrapf("generation.end_tokens has %d entries, want 1..%d", len(g.EndTokens), MaxEndTokens)
	}
	for i, t := range g.EndTokens {
		if t >= r.VocabSize {
			return ErrInvalidParams.Wrapf("generation.end_tokens: %d is not below vocab_size %d", t, r.VocabSize)
		}
		if i > 0 && t <= g.EndTokens[i-1] {
			return ErrInvalidParams.Wrap("generation.end_tokens must ascend")
		}
	}
	return nil
}

// validateAuditLoad checks that a grader of the stated speed can replay what the
// lottery draws of a full window within AUDIT:
//
//	audit_blocks * block_time >= max_groups_per_window * p * K * max_new / tokens per second
//
// with p the probability at a full window. groups * p grows with groups, so a
// full window is the worst that the lottery draws.
func (r RunParams) validateAuditLoad(p Params) error {
	l := r.AuditLoad(p)
	if l.Capacity.BigInt().Cmp(new(big.Int).SetUint64(l.Tokens)) < 0 {
		return ErrInvalidParams.Wrapf(
			"audit load: a full window draws %d groups = %d tokens, more than a grader of %d tokens/s replays in %d blocks of %s",
			l.Drawn, l.Tokens, r.MinGraderTokensPerSecond, r.AuditBlocks, p.BlockTime)
	}
	return nil
}

// AuditLoad is both sides of the audit load rule. The right one, the capacity, is
// floored, which a comparison with whole tokens does not notice.
func (r RunParams) AuditLoad(p Params) QueryLoadResponse {
	const nanoseconds = 1_000_000_000
	groups := uint64(r.MaxGroupsPerWindow)
	ppm := derive.AuditPPM(groups, uint64(r.AuditBudgetGroups), uint64(r.AuditMinPpm))
	drawn := (groups*ppm + Million - 1) / Million
	capacity := new(big.Int).SetUint64(r.MinGraderTokensPerSecond)
	capacity.Mul(capacity, big.NewInt(int64(p.BlockTime)))
	capacity.Mul(capacity, big.NewInt(int64(r.AuditBlocks)))
	capacity.Quo(capacity, big.NewInt(nanoseconds))
	return QueryLoadResponse{
		Groups: groups, Ppm: ppm, Drawn: drawn,
		Tokens:   drawn * uint64(r.GroupSize) * uint64(r.Generation.MaxNew),
		Capacity: sdkmath.NewIntFromBigInt(capacity),
	}
}

func (r RunParams) validateStaleness(p Params) error {
	if implied := r.ImpliedStaleness(p); implied > int64(r.MaxStaleness) {
		return ErrInvalidParams.Wrapf(
			"staleness: these stages imply %d checkpoint versions between a rollout and its update, more than max_staleness %d",
			implied, r.MaxStaleness)
	}
	return nil
}

// ImpliedStaleness is how many versions the learner has published, if it makes
// one for every window as soon as it settles, between the checkpoint that a
// window freezes and the update that uses the window's rollouts.
//
// A window lives L = wait + commit + wait + audit + reveal + 1 blocks and one
// opens every P = wait + commit blocks (wait: until a beacon round is there). So
// about ceil(L/P) windows, and never more than max_open_windows, are unsettled
// when a window freezes, the new one included; each of the others makes a version
// before it does. The delay of a publication adds ceil(delay/P). In sequential mode
// there is one window at a time: ceil(delay/L) is all.
func (r RunParams) ImpliedStaleness(p Params) int64 {
	wait := p.WaitBlocks()
	period := wait + int64(r.CommitBlocks)
	life := period + wait + int64(r.AuditBlocks) + int64(r.RevealBlocks) + 1
	if r.WindowMode == WindowMode_WINDOW_MODE_SEQUENTIAL {
		// One window at a time, on the newest version: only the delay can come between.
		return (int64(r.PolicyDelayBlocks) + life - 1) / life
	}
	open := min((life+period-1)/period, int64(r.MaxOpenWindows))
	return open + (int64(r.PolicyDelayBlocks)+period-1)/period - 1
}

// BetweenWindows is true for an active run whose last window has ended and whose next
// one will own the emission since.
func (r Run) BetweenWindows() bool {
	return r.Status == RunStatus_RUN_STATUS_ACTIVE && r.EmissionNext != 0
}

// FrozenMinerEntry is a miner of a window with the address under which it is stored.
type FrozenMinerEntry struct {
	Raw sdk.AccAddress
	FrozenMiner
}
