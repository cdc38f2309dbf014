package story_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/x/authz"

	"github.com/galahad-network/galahad/app/params"
	testapp "github.com/galahad-network/galahad/testutil/app"
	"github.com/galahad-network/galahad/testutil/story"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
)

// Who proves a cheat pays no fee for the gas it used; who proves nothing, or the same once
// more, or hides the message in another, pays all of it.
func TestAudit_C19_TheFeeOfEvidenceComesBackOnceThroughTheWholeChain(t *testing.T) {
	s := story.New(t, 3)
	var w challengetypes.Window
	s.Until("a window is sealed with everybody's work", func() (ok bool) {
		w, ok = s.In(challengetypes.StageSealed)
		return ok && s.Frozen(w.Id, s.Miners[0])
	})
	stranger := s.Account("stranger")
	fee := params.OneGAL().QuoRaw(100)
	const gas = 2_000_000
	pay := func(msg sdk.Msg) (cost sdkmath.Int, used int64, err error) {
		before := s.Balance(stranger.Address)
		res, err := s.DeliverTx(testapp.Tx{Signer: stranger, Msgs: []sdk.Msg{msg}, Fee: fee, Gas: gas})
		require.NotNil(t, res)
		return before.Sub(s.Balance(stranger.Address)), res.GasUsed, err
	}
	bond := func() sdkmath.Int {
		m, ok, err := s.App.Registry.GetMiner(s.Context(), story.Run, s.Miners[0].Address)
		require.NoError(t, err)
		require.True(t, ok)
		return m.Bond
	}
	untouched := bond()

	worthless := story.Evidence(stranger, s.Miners[0], 0, w.Id)
	worthless.LeafIndex = 1 // the path is that of leaf 0
	cost, _, err := pay(worthless)
	require.ErrorIs(t, err, rollouttypes.ErrInvalidProof)
	require.Equal(t, fee, cost)
	require.Equal(t, untouched, bond())

	hidden := authz.NewMsgExec(stranger.Address, []sdk.Msg{story.Evidence(stranger, s.Miners[1], 1, w.Id)})
	cost, _, err = pay(&hidden)
	require.NoError(t, err)
	require.Equal(t, fee, cost, "or one fee would come back for each message")

	cost, used, err := pay(story.Evidence(stranger, s.Miners[0], 0, w.Id))
	require.NoError(t, err)
	require.True(t, bond().LT(untouched))
	unused := fee.MulRaw(gas - used).QuoRaw(gas)
	require.True(t, cost.GTE(unused) && cost.LT(fee.QuoRaw(2).Add(unused)), "paid %s of %s, unused were %s", cost, fee, unused)

	cost, _, err = pay(story.Evidence(stranger, s.Miners[0], 0, w.Id))
	require.ErrorIs(t, err, rollouttypes.ErrAlreadyProven)
	require.Equal(t, fee, cost)
}
