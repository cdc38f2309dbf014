package types_test

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	_ "github.com/galahad-network/galahad/app/params" // the address prefix
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// The proto enum and package verify number and name the codes alike.
func TestVerdictCodesEqualVerify(t *testing.T) {
	n := 0
	for number, name := range types.VerdictCode_name {
		code := verify.Code(uint32(number))
		require.True(t, code.Known(), name)
		require.Equal(t, strings.ToLower(strings.TrimPrefix(name, "VERDICT_CODE_")), code.String())
		require.Equal(t, code.String(), types.VerdictCode(number).Name())
		n++
	}
	require.False(t, verify.Code(uint32(n)).Known(), "verify has a code that the proto enum lacks")
}

func TestParamsValidate(t *testing.T) {
	require.NoError(t, types.DefaultParams().Validate())
	big := sdkmath.NewIntWithDecimal(1, 60)
	for name, spoil := range map[string]func(p *types.Params){
		"initial_block_reward missing":        func(p *types.Params) { p.InitialBlockReward = sdkmath.Int{} },
		"initial_block_reward zero":           func(p *types.Params) { p.InitialBlockReward = sdkmath.ZeroInt() },
		"initial_block_reward negative":       func(p *types.Params) { p.InitialBlockReward = sdkmath.NewInt(-1) },
		"initial_block_reward huge":           func(p *types.Params) { p.InitialBlockReward = big },
		"initial_block_reward > max_supply":   func(p *types.Params) { p.InitialBlockReward = p.MaxSupply.AddRaw(1) },
		"max_supply missing":                  func(p *types.Params) { p.MaxSupply = sdkmath.Int{} },
		"max_supply huge":                     func(p *types.Params) { p.MaxSupply = big },
		"halving_blocks zero":                 func(p *types.Params) { p.HalvingBlocks = 0 },
		"halving_blocks huge":                 func(p *types.Params) { p.HalvingBlocks = math.MaxUint64 },
		"miners_ppm":                          func(p *types.Params) { p.MinersPpm = 1_000_001 },
		"parts wrap":                          func(p *types.Params) { p.MinersPpm = math.MaxUint32 },
		"parts above the whole":               func(p *types.Params) { p.ValidatorsPpm++ },
		"reward_lock_windows zero":            func(p *types.Params) { p.RewardLockWindows = 0 },
		"reward_lock below evidence":          func(p *types.Params) { p.RewardLockWindows = p.EvidenceWindows - 1 },
		"evidence_windows zero":               func(p *types.Params) { p.EvidenceWindows = 0 },
		"hard_slash_ppm zero":                 func(p *types.Params) { p.HardSlashPpm = 0 },
		"hard_slash_ppm":                      func(p *types.Params) { p.HardSlashPpm = 1_000_001 },
		"hiding costs more than being caught": func(p *types.Params) { p.UnavailableSlashPpm = p.HardSlashPpm + 1 },
		"jail_windows zero":                   func(p *types.Params) { p.JailWindows = 0 },
		"jail_windows huge":                   func(p *types.Params) { p.JailWindows = math.MaxUint32 },
		"duty_window zero":                    func(p *types.Params) { p.DutyWindow = 0 },
		"max_unavailable zero":                func(p *types.Params) { p.MaxUnavailable = 0 },
		"max_unavailable beyond the window":   func(p *types.Params) { p.MaxUnavailable = p.DutyWindow + 1 },
		"max_missed_reveals not reachable":    func(p *types.Params) { p.MaxMissedReveals = p.DutyWindow },
		"grader_suspension_windows zero":      func(p *types.Params) { p.GraderSuspensionWindows = 0 },
		"max_settle_per_block zero":           func(p *types.Params) { p.MaxSettlePerBlock = 0 },
		"max_settle_per_block huge":           func(p *types.Params) { p.MaxSettlePerBlock = math.MaxUint32 },
		"bond_multiple huge":                  func(p *types.Params) { p.BondMultiple = math.MaxUint32 },
		"verdict_gas zero":                    func(p *types.Params) { p.VerdictGas = 0 },
		"verdict_gas huge":                    func(p *types.Params) { p.VerdictGas = math.MaxUint64 },
		"max_claim zero":                      func(p *types.Params) { p.MaxClaim = 0 },
		"kappa that a minority has":           func(p *types.Params) { p.Kappa = 32767 },
		"kappa above the whole":               func(p *types.Params) { p.Kappa = 65536 },
		"bonds_penalty":                       func(p *types.Params) { p.BondsPenalty = 65536 },
		"bonds_moving_average_ppm":            func(p *types.Params) { p.BondsMovingAveragePpm = 1_000_001 },
		"alpha upside down":                   func(p *types.Params) { p.AlphaLow = p.AlphaHigh + 1 },
		"alpha_high":                          func(p *types.Params) { p.AlphaHigh = 65536 },
		"alpha_steepness":                     func(p *types.Params) { p.AlphaSteepness = 32768 },
		"bond_memory_windows huge":            func(p *types.Params) { p.BondMemoryWindows = 1001 },
		"credits expire while locked":         func(p *types.Params) { p.CreditExpiryWindows = p.RewardLockWindows },
		"credit_expiry_windows huge":          func(p *types.Params) { p.CreditExpiryWindows = math.MaxUint32 },
		"idle_release_blocks zero":            func(p *types.Params) { p.IdleReleaseBlocks = 0 },
		"idle_release_blocks huge":            func(p *types.Params) { p.IdleReleaseBlocks = math.MaxUint64 },
		"max_tolerant_failures zero":          func(p *types.Params) { p.MaxTolerantFailures = 0 },
		"max_tolerant_failures not reachable": func(p *types.Params) { p.MaxTolerantFailures = p.DutyWindow + 1 },
	} {
		p := types.DefaultParams()
		spoil(&p)
		require.ErrorIs(t, p.Validate(), types.ErrInvalidParams, name)
	}
}

// Clients rely on the codes: a new error takes a new number, and none ever changes.
func TestAudit_G55_ErrorCodesAreStable(t *testing.T) {
	for i, err := range []*errorsmod.Error{
		types.ErrInvalidAddress, types.ErrInvalidParams, types.ErrInvalidGenesis, types.ErrWrongStage, types.ErrNotGrader,
		types.ErrInvalidHash, types.ErrAlreadyCommitted, types.ErrNotCommitted, types.ErrAlreadyRevealed,
		types.ErrInvalidSalt, types.ErrWrongMiners, types.ErrInvalidVerdict, types.ErrWrongWeights, types.ErrInvalidWork,
		types.ErrWrongConformance, types.ErrHashMismatch, types.ErrNothingToClaim, types.ErrInvalidAmount, types.ErrNotSettled,
		types.ErrInvalidRequest, types.ErrBrokenInvariant, types.ErrInternal, types.ErrWrongAccusations,
	} {
		require.Equal(t, uint32(i+2), err.ABCICode(), err.Error())
		require.Equal(t, types.ModuleName, err.Codespace())
	}
}

func miners(n int) []types.CommittedMiner {
	var out []types.CommittedMiner
	for i := range n {
		out = append(out, types.CommittedMiner{Address: bytes.Repeat([]byte{byte(10 + i)}, 20), Groups: uint32(16 - i), Declared: 16})
	}
	return out
}

var digest = bytes.Repeat([]byte{2}, 32)

// works are n work roots.
func works(n int) (roots [][]byte) {
	for range n {
		roots = append(roots, digest)
	}
	return roots
}

func TestNewVerdictsPassTheChainsCheckInAnyOrder(t *testing.T) {
	ms := miners(4)
	results := []verify.Result{
		{Code: verify.OK, Leaf: 3, Value: 9}, {Code: verify.BadSample, Leaf: 5, Value: 70, Threshold: 60}, {Code: verify.Unavailable, Leaf: 8}, {Code: verify.OK},
	}
	v, err := types.NewVerdicts(ms, results, works(4), nil, digest)
	require.NoError(t, err)
	require.NoError(t, v.Check(ms, nil, 8, digest))
	require.Zero(t, v.Verdicts[0].Leaf, "only a hard failure names a leaf")
	for _, x := range v.Verdicts {
		require.Equal(t, x.Code == types.VerdictCode_VERDICT_CODE_OK, x.Work != nil, "only ok shows work")
	}
	require.Equal(t, uint64(5), v.Verdicts[1].Leaf)
	require.Equal(t, int64(70), v.Verdicts[1].Value)
	require.Equal(t, int64(60), v.Verdicts[1].Threshold)
	for _, change := range []func(*types.Verdict){func(x *types.Verdict) { x.Value = 1 }, func(x *types.Verdict) { x.Threshold = 1 }} {
		lie := v
		lie.Verdicts = slices.Clone(v.Verdicts)
		change(&lie.Verdicts[0])
		require.ErrorIs(t, lie.Check(ms, nil, 8, digest), types.ErrInvalidVerdict, "ok measures nothing")
	}
	require.Equal(t, []uint32{65535, 0, 0, 65535 * 10 / 16}, v.Weights, "169/16 is 10")

	back := []types.CommittedMiner{ms[3], ms[2], ms[1], ms[0]}
	other, err := types.NewVerdicts(back, []verify.Result{results[3], results[2], results[1], results[0]}, works(4), nil, digest)
	require.NoError(t, err)
	require.Equal(t, v, other)
	_, err = types.NewVerdicts(ms, results[1:], works(4), nil, digest)
	require.ErrorIs(t, err, types.ErrInvalidVerdict)

	none, err := types.NewVerdicts(nil, nil, nil, nil, digest)
	require.NoError(t, err)
	require.NoError(t, none.Check(nil, nil, 8, digest))
}

// The hash binds everything: the canonical bytes, the grader, the place and the salt.
func TestVerdictHashBindsEverything(t *testing.T) {
	ms := miners(2)
	v, err := types.NewVerdicts(ms, []verify.Result{{Code: verify.OK}, {Code: verify.OK}}, works(2), nil, digest)
	require.NoError(t, err)
	grader, salt := sdk.ValAddress(bytes.Repeat([]byte{1}, 20)), bytes.Repeat([]byte{7}, 32)
	base, err := v.Hash("chain-1", 1, 2, grader, salt)
	require.NoError(t, err)
	require.Len(t, base, 32)
	changed := v
	changed.Weights = []uint32{1, 2}
	for name, h := range map[string]func() ([]byte, error){
		"chain":    func() ([]byte, error) { return v.Hash("chain-2", 1, 2, grader, salt) },
		"run":      func() ([]byte, error) { return v.Hash("chain-1", 2, 2, grader, salt) },
		"window":   func() ([]byte, error) { return v.Hash("chain-1", 1, 3, grader, salt) },
		"grader":   func() ([]byte, error) { return v.Hash("chain-1", 1, 2, bytes.Repeat([]byte{2}, 20), salt) },
		"salt":     func() ([]byte, error) { return v.Hash("chain-1", 1, 2, grader, bytes.Repeat([]byte{8}, 32)) },
		"verdicts": func() ([]byte, error) { return changed.Hash("chain-1", 1, 2, grader, salt) },
	} {
		got, err := h()
		require.NoError(t, err)
		require.NotEqual(t, base, got, name)
	}
	_, err = v.Hash("chain-1", 1, 2, grader, salt[:31])
	require.ErrorIs(t, err, types.ErrInvalidSalt)
}

func TestCreditUnlocksAfterTheLock(t *testing.T) {
	at := func(settled uint64) types.RunTotals { return types.RunTotals{SettledWindows: settled} }
	c := types.Credit{Window: 5}
	for settled, want := range map[uint64]bool{0: false, 5: false, 6: false, 9: false, 10: true, 11: true} {
		require.Equal(t, want, c.Unlocked(at(settled), 4), "settled %d", settled)
	}
	require.False(t, types.Credit{}.Unlocked(at(4), 4))
	require.True(t, types.Credit{}.Unlocked(at(5), 4))
	require.False(t, types.Credit{}.Unlocked(at(math.MaxUint32), math.MaxUint32))
	require.False(t, types.Credit{Window: math.MaxUint64}.Unlocked(at(math.MaxUint64), 0))
	idle := types.RunTotals{SettledWindows: 6, UnlockedWindows: 6}
	require.True(t, c.Unlocked(idle, 4), "the run lay idle")
	require.False(t, types.Credit{Window: 6}.Unlocked(idle, 4))
}

func TestAmounts(t *testing.T) {
	most := sdkmath.NewInt(1)
	for range 255 {
		most = most.MulRaw(2)
	}
	for _, i := range []sdkmath.Int{sdkmath.ZeroInt(), sdkmath.OneInt(), sdkmath.NewIntWithDecimal(21, 24), most} {
		a, err := types.ToAmount(i)
		require.NoError(t, err)
		require.Equal(t, i, types.FromAmount(a))
	}
	for _, i := range []sdkmath.Int{{}, sdkmath.NewInt(-1)} {
		_, err := types.ToAmount(i)
		require.ErrorIs(t, err, types.ErrInvalidAmount)
	}
	_, err := types.Sum(most, most)
	require.ErrorIs(t, err, types.ErrInvalidAmount)
}

// FuzzVerdictsCheck feeds decoded strangers' bytes to the chain's check.
func FuzzVerdictsCheck(f *testing.F) {
	ms := miners(2)
	v, err := types.NewVerdicts(ms, []verify.Result{{Code: verify.OK}, {Code: verify.BadReward, Leaf: 4}}, works(2), nil, digest)
	require.NoError(f, err)
	raw, err := v.Canonical()
	require.NoError(f, err)
	f.Add(raw)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var got types.Verdicts
		if got.Unmarshal(raw) != nil || got.Check(ms, nil, 8, digest) != nil {
			return
		}
		// Whatever passes is canonical up to unknown fields: the same verdicts have the
		// same bytes, and only what is ok has a weight.
		for i, x := range got.Verdicts {
			require.Equal(t, ms[i].Address.String(), x.Miner)
			if x.VerifyCode() != verify.OK {
				require.Zero(t, got.Weights[i])
			}
		}
	})
}
