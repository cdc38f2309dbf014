package types_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/x/settlement/types"
)

func TestExplainLeadsFromTheDutyToTheCoins(t *testing.T) {
	const (
		ok          = types.VerdictCode_VERDICT_CODE_OK
		badReward   = types.VerdictCode_VERDICT_CODE_BAD_REWARD
		unavailable = types.VerdictCode_VERDICT_CODE_UNAVAILABLE
		none        = types.Deduction_DEDUCTION_UNSPECIFIED
		jailed      = types.Deduction_DEDUCTION_JAILED
		evidence    = types.Deduction_DEDUCTION_EVIDENCE
	)
	for name, c := range map[string]struct {
		groups                 uint32
		code                   types.VerdictCode
		paid, withheld, voided int64
		deduction              types.Deduction
		reasons                []string
		amounts                []int64
	}{
		"all done":                 {16, ok, 400, 0, 0, none, []string{"duty"}, []int64{400}},
		"half done, others failed": {8, ok, 130, 0, 0, none, []string{"duty", "groups", "consensus"}, []int64{400, -300, 30}},
		"a forged reward":          {16, badReward, 0, 0, 0, none, []string{"duty", "verdict"}, []int64{400, -400}},
		"nothing committed":        {0, unavailable, 0, 0, 0, none, []string{"duty", "groups"}, []int64{400, -400}},
		"jailed since the freeze":  {16, ok, 0, 410, 0, jailed, []string{"duty", "consensus", "jailed"}, []int64{400, 10, -410}},
		"proved before settlement": {16, badReward, 0, 400, 0, evidence, []string{"duty", "evidence"}, []int64{400, -400}},
		"paid, then proved":        {16, ok, 410, 0, 410, none, []string{"duty", "consensus", "voided"}, []int64{400, 10, -410}},
	} {
		t.Run(name, func(t *testing.T) {
			row := types.MinerResult{
				DeclaredGroups: 16, Groups: c.groups, Code: c.code, Deduction: c.deduction, Reason: name,
				Paid: sdkmath.NewInt(c.paid), Withheld: sdkmath.NewInt(c.withheld), Voided: sdkmath.NewInt(c.voided),
			}
			items, received, err := types.Explain(row, sdkmath.NewInt(1000), 40)
			require.NoError(t, err)
			require.Equal(t, c.paid-c.voided, received.Int64())
			var reasons []string
			var amounts []int64
			for _, item := range items {
				reasons = append(reasons, item.Reason)
				amounts = append(amounts, item.Amount.Int64())
			}
			require.Equal(t, c.reasons, reasons)
			require.Equal(t, c.amounts, amounts)
		})
	}
}

func TestExplainRefusesWhatCannotBe(t *testing.T) {
	row := types.MinerResult{
		DeclaredGroups: 1, Groups: 1, Code: types.VerdictCode_VERDICT_CODE_OK,
		Paid: sdkmath.NewInt(5), Withheld: sdkmath.ZeroInt(), Voided: sdkmath.NewInt(6),
	}
	_, _, err := types.Explain(row, sdkmath.NewInt(10), 1)
	require.ErrorIs(t, err, types.ErrInvalidAmount, "more taken back than paid")
	row.Voided = sdkmath.ZeroInt()
	_, _, err = types.Explain(row, sdkmath.NewInt(-1), 1)
	require.ErrorIs(t, err, types.ErrInvalidAmount)
	_, _, err = types.Explain(types.MinerResult{}, sdkmath.NewInt(1), 1)
	require.ErrorIs(t, err, types.ErrInvalidAmount, "missing amounts")
}

// FuzzExplain holds that the items always add up to what was received.
func FuzzExplain(f *testing.F) {
	f.Add(uint32(16), uint32(8), uint64(1000), uint64(40), uint64(130), uint64(0), uint64(0), uint32(1), uint32(0))
	f.Add(uint32(1), uint32(1), uint64(1)<<63, uint64(1), uint64(1)<<63, uint64(0), uint64(1)<<63, uint32(7), uint32(3))
	f.Fuzz(func(t *testing.T, declared, groups uint32, part, all, paid, withheld, voided uint64, code, deduction uint32) {
		row := types.MinerResult{
			DeclaredGroups: declared, Groups: groups,
			Code: types.VerdictCode(code % 16), Deduction: types.Deduction(deduction % 7),
			Paid: sdkmath.NewIntFromUint64(paid), Withheld: sdkmath.NewIntFromUint64(withheld), Voided: sdkmath.NewIntFromUint64(voided),
		}
		items, received, err := types.Explain(row, sdkmath.NewIntFromUint64(part), all)
		if err != nil {
			require.ErrorIs(t, err, types.ErrInvalidAmount)
			return
		}
		sum := sdkmath.ZeroInt()
		for _, item := range items {
			sum = sum.Add(item.Amount)
		}
		require.Equal(t, received.String(), sum.String())
		require.Equal(t, row.Paid.Sub(row.Voided).String(), received.String())
		require.False(t, received.IsNegative())
	})
}
