package types_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"

	"github.com/galahad-network/galahad/testutil/xtest"
	"github.com/galahad-network/galahad/x/rollout/types"
)

func TestParamsOutOfBoundsAreRefused(t *testing.T) {
	require.NoError(t, types.DefaultParams().Validate())
	for name, change := range map[string]func(*types.Params){
		"max_locator_length small": func(p *types.Params) { p.MaxLocatorLength = 15 },
		"max_locator_length huge":  func(p *types.Params) { p.MaxLocatorLength = 1 << 31 },
		"gas_per_group zero":       func(p *types.Params) { p.GasPerGroup = 0 },
		"gas_per_group huge":       func(p *types.Params) { p.GasPerGroup = 1<<64 - 1 }, // times groups would overflow
		"gas_per_commit zero":      func(p *types.Params) { p.GasPerCommit = 0 },
		"gas_per_commit huge":      func(p *types.Params) { p.GasPerCommit = 1<<64 - 1 },
	} {
		p := types.DefaultParams()
		change(&p)
		require.ErrorIs(t, p.Validate(), types.ErrInvalidParams, name)
	}
}

func TestGenesisThatContradictsItselfIsRefused(t *testing.T) {
	commitment := func(window uint64) types.Commitment {
		return types.Commitment{
			Run: 1, Window: window, Miner: xtest.Address("a").String(), CheckpointDigest: xtest.Digest(1),
			ConformanceDigest: xtest.Digest(2), Root: xtest.Digest(3), Groups: 1, Bytes: 1, Locator: "file:///x", Height: 1,
		}
	}
	good := func() *types.GenesisState {
		return &types.GenesisState{Params: types.DefaultParams(), NextAccusation: 1, Commitments: []types.Commitment{commitment(2), commitment(300)}}
	}
	require.NoError(t, types.DefaultGenesis().Validate())
	require.NoError(t, good().Validate())
	for name, change := range map[string]func(c []types.Commitment){
		"twice":               func(c []types.Commitment) { c[1] = c[0] },
		"unsorted":            func(c []types.Commitment) { c[0], c[1] = c[1], c[0] },
		"address":             func(c []types.Commitment) { c[0].Miner = "x" },
		"checkpoint":          func(c []types.Commitment) { c[0].CheckpointDigest = nil },
		"conformance":         func(c []types.Commitment) { c[0].ConformanceDigest = make([]byte, 33) },
		"root":                func(c []types.Commitment) { c[0].Root = make([]byte, 31) },
		"no groups":           func(c []types.Commitment) { c[0].Groups = 0 },
		"no bytes":            func(c []types.Commitment) { c[0].Bytes = 0 },
		"negative height":     func(c []types.Commitment) { c[0].Height = -1 },
		"locator":             func(c []types.Commitment) { c[0].Locator = "ftp://x" },
		"locator without end": func(c []types.Commitment) { c[0].Locator = "http://" + strings.Repeat("x", 1<<16) },
	} {
		g := good()
		change(g.Commitments)
		require.ErrorIs(t, g.Validate(), types.ErrInvalidGenesis, name)
	}
	g := good()
	g.Params = types.Params{}
	require.ErrorIs(t, g.Validate(), types.ErrInvalidParams)
}

func TestErrorCodesStayWhatTheyAre(t *testing.T) {
	for code, err := range map[uint32]*errorsmod.Error{
		2: types.ErrInvalidAddress, 3: types.ErrNotCommitStage, 4: types.ErrNotFrozen, 5: types.ErrJailed,
		6: types.ErrInvalidDigest, 7: types.ErrWrongCheckpoint, 8: types.ErrWrongConformance, 9: types.ErrInvalidGroups,
		10: types.ErrShrinks, 11: types.ErrInvalidSize, 12: types.ErrInvalidLocator, 13: types.ErrInvalidParams,
		14: types.ErrInvalidGenesis, 15: types.ErrNotFound, 16: types.ErrInvalidRequest, 17: types.ErrOverflow,
		18: types.ErrNotSealed, 19: types.ErrReleased, 20: types.ErrAlreadyProven, 21: types.ErrInvalidProof,
		22: types.ErrInvalidLeaf, 23: types.ErrNotProven, 24: types.ErrUndecided, 25: types.ErrNotClosed,
		26: types.ErrAlreadyAccused, 27: types.ErrTooManyAccusations, 28: types.ErrAccusationNotFound, 29: types.ErrNotPending,
		30: types.ErrEvidenceNotFound, 31: types.ErrNotAccuser, 32: types.ErrStillJudged,
	} {
		require.Equal(t, code, err.ABCICode(), err.Error())
		require.Equal(t, types.ModuleName, err.Codespace())
	}
}
