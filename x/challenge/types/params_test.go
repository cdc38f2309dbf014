package types_test

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	addresscodec "github.com/cosmos/cosmos-sdk/codec/address"

	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/x/challenge/beacon"
	"github.com/galahad-network/galahad/x/challenge/types"
)

var (
	ac = addresscodec.NewBech32Codec("galahad")
	vc = addresscodec.NewBech32Codec("galahadvaloper")
)

func testKey(t testing.TB) beacon.SecretKey {
	t.Helper()
	k, err := beacon.NewSecretKey(bytes.Repeat([]byte{7}, 32))
	require.NoError(t, err)
	return k
}

// tolerant makes a run that takes work of other engines.
func tolerant(p *types.RunParams) {
	p.EngineMode, p.Tolerance = types.EngineMode_ENGINE_MODE_TOLERANT, types.DefaultTolerance()
}

func mix(t testing.TB) []types.EnvironmentWeight {
	t.Helper()
	e, err := env.Lookup("arithmetic-3")
	require.NoError(t, err)
	d := e.Digest()
	return []types.EnvironmentWeight{{Id: "arithmetic-3", Digest: d[:], Weight: 1}}
}

func runParams(t testing.TB) types.RunParams {
	t.Helper()
	return types.DefaultRunParams(mix(t), bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
}

func TestDefaultsAreValidTogether(t *testing.T) {
	require.NoError(t, types.DefaultParams().Validate())
	require.Len(t, types.DefaultParams().Beacon.PublicKey, 96)
	require.NoError(t, runParams(t).Validate(types.DefaultParams()))
	asks := runParams(t)
	asks.Mix = append(asks.Mix, types.EnvironmentWeight{Id: env.FileID(env.QuestionsKind, make([]byte, 32)), Digest: make([]byte, 32), Weight: 1})
	require.NoError(t, asks.Validate(types.DefaultParams()), "a file of questions, which nodes do not have")
	require.NoError(t, types.DefaultGenesis().Validate(ac, vc))
}

func TestParamsThatMakeNoSenseAreRefused(t *testing.T) {
	for name, change := range map[string]func(*types.Params){
		"block_time zero":        func(p *types.Params) { p.BlockTime = 0 },
		"block_time negative":    func(p *types.Params) { p.BlockTime = -1 },
		"block_time huge":        func(p *types.Params) { p.BlockTime = 1 << 62 },
		"max_graders zero":       func(p *types.Params) { p.MaxGraders = 0 },
		"max_graders huge":       func(p *types.Params) { p.MaxGraders = 1 << 31 },
		"stake missing":          func(p *types.Params) { p.MinGraderStake = sdkmath.Int{} },
		"stake zero":             func(p *types.Params) { p.MinGraderStake = sdkmath.ZeroInt() },
		"stake negative":         func(p *types.Params) { p.MinGraderStake = sdkmath.NewInt(-1) },
		"stake huge":             func(p *types.Params) { p.MinGraderStake = sdkmath.NewIntWithDecimal(1, 60) },
		"beacon_gas zero":        func(p *types.Params) { p.BeaconGas = 0 },
		"beacon_gas huge":        func(p *types.Params) { p.BeaconGas = 1 << 63 },
		"key missing":            func(p *types.Params) { p.Beacon.PublicKey = nil },
		"key short":              func(p *types.Params) { p.Beacon.PublicKey = p.Beacon.PublicKey[:95] },
		"key not a point":        func(p *types.Params) { p.Beacon.PublicKey = bytes.Repeat([]byte{0xff}, 96) },
		"genesis_time zero":      func(p *types.Params) { p.Beacon.GenesisTime = 0 },
		"period zero":            func(p *types.Params) { p.Beacon.Period = 0 },
		"period huge":            func(p *types.Params) { p.Beacon.Period = 1 << 31 },
		"timeout zero":           func(p *types.Params) { p.Beacon.TimeoutBlocks = 0 },
		"timeout huge":           func(p *types.Params) { p.Beacon.TimeoutBlocks = 1 << 31 },
		"timeout before a round": func(p *types.Params) { p.Beacon.TimeoutBlocks = uint32(p.WaitBlocks()) },
		"local key, not a test":  func(p *types.Params) { p.Beacon.PublicKey = testKey(t).PublicKey() },
		"quicknet, other period": func(p *types.Params) { p.Beacon.Period = 30 },
		"quicknet, other origin": func(p *types.Params) { p.Beacon.GenesisTime++ },
	} {
		p := types.DefaultParams()
		p.Beacon.PublicKey = bytes.Clone(p.Beacon.PublicKey)
		change(&p)
		require.ErrorIs(t, p.Validate(), types.ErrInvalidParams, name)
	}
}

func TestALocalKeyNeedsTheTestMark(t *testing.T) {
	p := types.DefaultParams()
	p.Beacon = types.BeaconParams{PublicKey: testKey(t).PublicKey(), GenesisTime: 1, Period: 1, TimeoutBlocks: 120}
	require.ErrorContains(t, p.Validate(), "test = true")
	p.Beacon.Test = true
	require.NoError(t, p.Validate())
}

func TestRunParamsThatMakeNoSenseAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		says   string
		change func(*types.RunParams)
	}{
		"tolerant without tolerance": {"needs one", func(p *types.RunParams) { p.EngineMode = types.EngineMode_ENGINE_MODE_TOLERANT }},
		"exact with tolerance":       {"only of a run", func(p *types.RunParams) { p.Tolerance = types.DefaultTolerance() }},
		"greedy and tolerant":        {"greedy", func(p *types.RunParams) { tolerant(p); p.Generation.TemperatureBits = 0 }},
		"no such proof":              {"tolerance.proof", func(p *types.RunParams) { tolerant(p); p.Tolerance.Proof = 4 }},
		"proof of no kind":           {"tolerance.proof", func(p *types.RunParams) { tolerant(p); p.Tolerance.Proof = 0 }},
		"sample eps of nothing":      {"sample_eps_ppm", func(p *types.RunParams) { tolerant(p); p.Tolerance.SampleEpsPpm = 0 }},
		"sample hard below eps":      {"sample_hard_ppm", func(p *types.RunParams) { tolerant(p); p.Tolerance.SampleHardPpm = p.Tolerance.SampleEpsPpm - 1 }},
		"sample floor too high":      {"sample_floor_ppm", func(p *types.RunParams) { tolerant(p); p.Tolerance.SampleFloorPpm = types.Million + 1 }},
		"no surprise allowed":        {"surprise_max_milli", func(p *types.RunParams) { tolerant(p); p.Tolerance.SurpriseMaxMilli = 0 }},
		"sketch of any distance":     {"sketch_max_milli", func(p *types.RunParams) { tolerant(p); p.Tolerance.SketchMaxMilli = types.MaxToleranceMilli + 1 }},
		"endless evaluation":         {"evaluation_problems", func(p *types.RunParams) { p.EvaluationProblems = types.MaxEvaluationProblems + 1 }},
		"no learning rate":           {"recipe.learning_rate_ppb", func(p *types.RunParams) { p.Recipe.LearningRatePpb = 0 }},
		"endless warm-up":            {"recipe.warmup_steps", func(p *types.RunParams) { p.Recipe.WarmupSteps = types.MaxWarmupSteps + 1 }},
		"beta of one":                {"recipe.beta1_ppb", func(p *types.RunParams) { p.Recipe.Beta1Ppb = 1e9 }},
		"beta that rounds to one":    {"recipe.beta2_ppb", func(p *types.RunParams) { p.Recipe.Beta2Ppb = 999_999_990 }},
		"no epsilon":                 {"recipe.epsilon_ppb", func(p *types.RunParams) { p.Recipe.EpsilonPpb = 0 }},
		"decay above one":            {"recipe.weight_decay_ppb", func(p *types.RunParams) { p.Recipe.WeightDecayPpb = 1e9 + 1 }},
		"clip of nothing":            {"recipe.grad_clip_ppb", func(p *types.RunParams) { p.Recipe.GradClipPpb = 0 }},
		"clip bounds crossed":        {"recipe.ratio_low_ppb", func(p *types.RunParams) { p.Recipe.RatioLowPpb = 1e9 + 1 }},
		"clip bounds below one":      {"recipe.ratio_high_ppb", func(p *types.RunParams) { p.Recipe.RatioHighPpb = 1e9 - 1 }},
		"deviation eps of nothing":   {"recipe.advantage_eps_ppb", func(p *types.RunParams) { p.Recipe.AdvantageEpsPpb = 0 }},
		"steps of no groups":         {"recipe.min_groups", func(p *types.RunParams) { p.Recipe.MinGroups = 0 }},
		"no estimator":               {"recipe.advantage", func(p *types.RunParams) { p.Recipe.Advantage = 0 }},
		"unknown loss":               {"recipe.loss", func(p *types.RunParams) { p.Recipe.Loss = 8 }},
		"no normalization":           {"recipe.normalization", func(p *types.RunParams) { p.Recipe.Normalization = 0 }},
		"no divergence estimator":    {"recipe.kl_estimator", func(p *types.RunParams) { p.Recipe.KlEstimator = 0 }},
		"two sides without delta":    {"recipe.delta_ppb", func(p *types.RunParams) { p.Recipe.Loss = types.Loss_LOSS_TWO_SIDED }},
		"delta without use":          {"recipe.delta_ppb", func(p *types.RunParams) { p.Recipe.DeltaPpb = 1e9 }},
		"a move above one":           {"recipe.delta_ppb", func(p *types.RunParams) { p.Recipe.Loss, p.Recipe.DeltaPpb = types.Loss_LOSS_DIVERGENCE, 1e9+1 }},
		"constant of no length":      {"recipe.constant_length", func(p *types.RunParams) { p.Recipe.Normalization = types.Normalization_NORMALIZATION_CONSTANT }},
		"length without use":         {"recipe.constant_length", func(p *types.RunParams) { p.Recipe.ConstantLength = 1 }},
		"divergence above one":       {"recipe.kl_weight_ppb", func(p *types.RunParams) { p.Recipe.KlWeightPpb = 1e9 + 1 }},
		"entropy above one":          {"recipe.entropy_weight_ppb", func(p *types.RunParams) { p.Recipe.EntropyWeightPpb = 1e9 + 1 }},
		"length above one":           {"recipe.length_weight_ppb", func(p *types.RunParams) { p.Recipe.LengthWeightPpb = 1e9 + 1 }},
		"steps of no window":         {"recipe.step_windows", func(p *types.RunParams) { p.Recipe.StepWindows = 0 }},
		"steps of all windows":       {"recipe.step_windows", func(p *types.RunParams) { p.Recipe.StepWindows = types.MaxStepWindows + 1 }},
		"endless refill":             {"recipe.min_teaching_groups", func(p *types.RunParams) { p.Recipe.MinTeachingGroups = types.MaxGroupsPerWindow + 1 }},
		"steers what is not there":   {"recipe.kl_target_ppb", func(p *types.RunParams) { p.Recipe.KlTargetPpb, p.Recipe.KlHorizon = 1, 1 }},
		"steers from nothing":        {"recipe.kl_weight_ppb", func(p *types.RunParams) { p.Recipe.KlEstimator, p.Recipe.KlTargetPpb, p.Recipe.KlHorizon = 4, 1, 1 }},
		"steers at once":             {"recipe.kl_horizon", func(p *types.RunParams) { p.Recipe.KlEstimator, p.Recipe.KlWeightPpb, p.Recipe.KlTargetPpb = 4, 1, 1 }},
		"horizon without target":     {"recipe.kl_horizon", func(p *types.RunParams) { p.Recipe.KlHorizon = 1 }},
		"step needs the timeout":     {"learner_timeout_windows", func(p *types.RunParams) { p.Recipe.StepWindows, p.LearnerTimeoutWindows, p.MaxOpenWindows = 6, 8, 3 }},
		"difficulty crossed":         {"recipe.difficulty_low_ppm", func(p *types.RunParams) { p.Recipe.DifficultyLowPpm, p.Recipe.DifficultyHighPpm = 2, 1 }},
		"no activation":              {"policy_activation", func(p *types.RunParams) { p.PolicyActivation = 0 }},
		"unknown activation":         {"policy_activation", func(p *types.RunParams) { p.PolicyActivation = 3 }},
		"endless wait":               {"policy_wait_blocks", func(p *types.RunParams) { p.PolicyWaitBlocks = types.MaxStageBlocks + 1 }},
		"endless timeout":            {"learner_timeout_windows", func(p *types.RunParams) { p.LearnerTimeoutWindows = types.MaxTimeoutWindows + 1 }},
		"no engine mode":             {"engine_mode", func(p *types.RunParams) { p.EngineMode = 0 }},
		"unknown window mode":        {"window_mode", func(p *types.RunParams) { p.WindowMode = 9 }},
		"no environment":             {"mix", func(p *types.RunParams) { p.Mix = nil }},
		"unknown environment":        {"mix", func(p *types.RunParams) { p.Mix[0].Id = "chess" }},
		"a file's name cut short":    {"mix", func(p *types.RunParams) { p.Mix[0].Id = "questions-0123456789abcde" }},
		"other environment rules":    {"mix", func(p *types.RunParams) { p.Mix[0].Digest = make([]byte, 32) }},
		"long environment digest":    {"33 bytes", func(p *types.RunParams) { p.Mix[0].Digest = append(bytes.Clone(p.Mix[0].Digest), 0) }},
		"environment twice":          {"mix", func(p *types.RunParams) { p.Mix = append(p.Mix, p.Mix[0]) }},
		"weight zero":                {"mix", func(p *types.RunParams) { p.Mix[0].Weight = 0 }},
		"group of one":               {"group_size", func(p *types.RunParams) { p.GroupSize = 1 }},
		"group huge":                 {"group_size", func(p *types.RunParams) { p.GroupSize = 1 << 31 }},
		"no groups":                  {"max_groups", func(p *types.RunParams) { p.MaxGroups = 0 }},
		"more groups than fit":       {"max_groups_per_window", func(p *types.RunParams) { p.MaxGroupsPerWindow = p.MaxGroups - 1 }},
		"commit zero":                {"commit_blocks", func(p *types.RunParams) { p.CommitBlocks = 0 }},
		"audit zero":                 {"audit_blocks", func(p *types.RunParams) { p.AuditBlocks = 0 }},
		"reveal zero":                {"reveal_blocks", func(p *types.RunParams) { p.RevealBlocks = 0 }},
		"commit huge":                {"commit_blocks", func(p *types.RunParams) { p.CommitBlocks = 1 << 31 }},
		"no open window":             {"max_open_windows", func(p *types.RunParams) { p.MaxOpenWindows = 0 }},
		"nine open windows":          {"max_open_windows", func(p *types.RunParams) { p.MaxOpenWindows = 9 }},
		"no audit":                   {"audit_budget_groups", func(p *types.RunParams) { p.AuditBudgetGroups = 0 }},
		"audit ppm zero":             {"audit_min_ppm", func(p *types.RunParams) { p.AuditMinPpm = 0 }},
		"audit ppm above one":        {"audit_min_ppm", func(p *types.RunParams) { p.AuditMinPpm = 1_000_001 }},
		"no grader speed":            {"min_grader_tokens_per_second", func(p *types.RunParams) { p.MinGraderTokensPerSecond = 0 }},
		"bond missing":               {"bond_per_group_floor", func(p *types.RunParams) { p.BondPerGroupFloor = sdkmath.Int{} }},
		"bond zero":                  {"bond_per_group_floor", func(p *types.RunParams) { p.BondPerGroupFloor = sdkmath.ZeroInt() }},
		"bond negative":              {"bond_per_group_floor", func(p *types.RunParams) { p.BondPerGroupFloor = sdkmath.NewInt(-5) }},
		"delay huge":                 {"policy_delay_blocks", func(p *types.RunParams) { p.PolicyDelayBlocks = 1 << 31 }},
		"temperature negative":       {"temperature_bits", func(p *types.RunParams) { p.Generation.TemperatureBits = 0xbf800000 }},
		"temperature NaN":            {"temperature_bits", func(p *types.RunParams) { p.Generation.TemperatureBits = 0x7fc00000 }},
		"temperature infinite":       {"temperature_bits", func(p *types.RunParams) { p.Generation.TemperatureBits = 0x7f800000 }},
		"top_k beyond vocabulary":    {"top_k", func(p *types.RunParams) { p.Generation.TopK = 33 }},
		"top_p zero":                 {"top_p_ppm", func(p *types.RunParams) { p.Generation.TopPPpm = 0 }},
		"top_p above one":            {"top_p_ppm", func(p *types.RunParams) { p.Generation.TopPPpm = 1_000_001 }},
		"max_new zero":               {"max_new", func(p *types.RunParams) { p.Generation.MaxNew = 0 }},
		"max_new fills context":      {"max_new", func(p *types.RunParams) { p.Generation.MaxNew = p.ContextLength }},
		"no end token":               {"end_tokens", func(p *types.RunParams) { p.Generation.EndTokens = nil }},
		"end token unknown":          {"end_tokens", func(p *types.RunParams) { p.Generation.EndTokens = []uint32{32} }},
		"end tokens unsorted":        {"ascend", func(p *types.RunParams) { p.Generation.EndTokens = []uint32{3, 2} }},
		"end token twice":            {"ascend", func(p *types.RunParams) { p.Generation.EndTokens = []uint32{2, 2} }},
		"no vocabulary":              {"vocab_size", func(p *types.RunParams) { p.VocabSize = 0 }},
		"no context":                 {"context_length", func(p *types.RunParams) { p.ContextLength = 0 }},
		"no batch bytes":             {"max_batch_bytes", func(p *types.RunParams) { p.MaxBatchBytes = 0 }},
		"conformance short":          {"conformance_digest", func(p *types.RunParams) { p.ConformanceDigest = make([]byte, 31) }},
		"tokenizer missing":          {"tokenizer_digest", func(p *types.RunParams) { p.TokenizerDigest = nil }},
		"share above one":            {"emission_share_ppm", func(p *types.RunParams) { p.EmissionSharePpm = 1_000_001 }},
		"graders too slow":           {"audit load", func(p *types.RunParams) { p.MinGraderTokensPerSecond = 10 }},
		"staleness below stages":     {"staleness", func(p *types.RunParams) { p.MaxStaleness = 0 }},
	} {
		p := runParams(t)
		c.change(&p)
		err := p.Validate(types.DefaultParams())
		require.ErrorIs(t, err, types.ErrInvalidParams, name)
		require.ErrorContains(t, err, c.says, name)
	}
}

// The boundary by hand: 1024 groups at p = max(128/1024, 10 %) = 12.5 % are 128
// groups of 8 x 38 tokens = 38,912 tokens in 30 blocks of 5 s: 260 tokens/s.
func TestAuditLoadAtItsBoundary(t *testing.T) {
	p := runParams(t)
	p.MinGraderTokensPerSecond = 260
	require.NoError(t, p.Validate(types.DefaultParams()))
	p.MinGraderTokensPerSecond = 259
	require.ErrorContains(t, p.Validate(types.DefaultParams()), "audit load")
	// Faster blocks leave less time.
	fast := types.DefaultParams()
	fast.BlockTime = time.Second
	p.MinGraderTokensPerSecond = 1298
	require.NoError(t, p.Validate(fast))
	p.MinGraderTokensPerSecond = 1297
	require.ErrorContains(t, p.Validate(fast), "audit load")
}

// By hand: a wait is ceil((18+3)/5)+1 = 6 blocks; a window opens every 36 blocks
// and lives 36+6+30+10+1 = 83, so 3 are open; a delay of 1 block adds a window.
func TestImpliedStaleness(t *testing.T) {
	params, p := types.DefaultParams(), runParams(t)
	require.Equal(t, int64(6), params.WaitBlocks())
	require.Equal(t, int64(3), p.ImpliedStaleness(params))
	p.PolicyDelayBlocks = 0
	require.Equal(t, int64(2), p.ImpliedStaleness(params))
	p.PolicyDelayBlocks = 36
	require.Equal(t, int64(3), p.ImpliedStaleness(params))
	p.PolicyDelayBlocks = 37
	require.Equal(t, int64(4), p.ImpliedStaleness(params))
	p.PolicyDelayBlocks, p.MaxOpenWindows = 0, 1
	require.Zero(t, p.ImpliedStaleness(params))
	p.MaxOpenWindows, p.AuditBlocks = 8, 1000
	require.Equal(t, int64(7), p.ImpliedStaleness(params), "never more than the open windows")
}

func TestNextRoundIsLaterThanTheSkew(t *testing.T) {
	p := types.DefaultParams() // period 3 s, block 5 s: skew 18 s
	require.Equal(t, 18*time.Second, p.Skew())
	now := time.Unix(p.Beacon.GenesisTime+3_000, 500_000_000)
	round := p.NextRound(now)
	at, ok := beacon.RoundTime(round, p.Beacon.GenesisTime, p.Beacon.Period)
	require.True(t, ok)
	due := time.Unix(at, 0)
	require.True(t, due.After(now.Add(p.Skew())), "%s", due.Sub(now))
	require.LessOrEqual(t, due.Sub(now), p.Skew()+3*time.Second)

	p.BlockTime = 10 * time.Second
	require.Equal(t, 30*time.Second, p.Skew())
	require.Equal(t, uint64(1), p.NextRound(time.Unix(0, 0)), "before the beacon's genesis")
}

func TestATolerantRunIsAcceptedAndGradersSeeItsTolerance(t *testing.T) {
	p := types.DefaultRunParams(mix(t), make([]byte, 32), make([]byte, 32))
	tolerant(&p)
	require.NoError(t, p.Validate(types.DefaultParams()))
	w := types.Window{Params: p, OpeningSeed: make([]byte, 32), CheckpointDigest: make([]byte, 32)}
	c, err := w.Challenge("chain", make([]byte, 20), 4)
	require.NoError(t, err)
	require.NotNil(t, c.Tolerance)
	require.Equal(t, verify.Sketch, c.Tolerance.Proof)
	// Every field arrives, each in its place.
	from, to := reflect.ValueOf(*p.Tolerance), reflect.ValueOf(*c.Tolerance)
	require.Equal(t, from.NumField(), to.NumField())
	for i := range from.NumField() {
		v := uint64(0)
		if from.Field(i).CanUint() {
			v = from.Field(i).Uint()
		} else {
			v = uint64(from.Field(i).Int())
		}
		require.Equal(t, v, to.Field(i).Uint(), "%s and %s", from.Type().Field(i).Name, to.Type().Field(i).Name)
	}
	w.Params = types.DefaultRunParams(mix(t), make([]byte, 32), make([]byte, 32))
	c, err = w.Challenge("chain", make([]byte, 20), 4)
	require.NoError(t, err)
	require.Nil(t, c.Tolerance)
}
