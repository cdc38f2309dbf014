package testapp

import (
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
)

func TestAudit_H61_CheckAndBlockMustAgreeOnWhatComesBeforeMessages(t *testing.T) {
	ran := []abci.Event{{Type: sdk.EventTypeTx}}
	check := func(code uint32) *abci.ResponseCheckTx { return &abci.ResponseCheckTx{Codespace: "sdk", Code: code} }
	result := func(code uint32, events ...abci.Event) *abci.ExecTxResult {
		return &abci.ExecTxResult{Codespace: "sdk", Code: code, Events: events}
	}
	poor, unauthorized, gas := sdkerrors.ErrInsufficientFunds.ABCICode(), sdkerrors.ErrUnauthorized.ABCICode(), sdkerrors.ErrOutOfGas.ABCICode()
	for name, c := range map[string]struct {
		check  *abci.ResponseCheckTx
		result *abci.ExecTxResult
		first  bool
		ok     bool
	}{
		"both pass":                        {check(0), result(0, ran...), true, true},
		"both refuse":                      {check(unauthorized), result(unauthorized), true, true},
		"a message fails":                  {check(0), result(unauthorized, ran...), true, true},
		"the check is laxer":               {check(0), result(unauthorized), true, false},
		"the check is stricter":            {check(unauthorized), result(0, ran...), true, false},
		"they refuse for other reasons":    {check(unauthorized), result(poor), true, false},
		"the block is full":                {check(0), result(gas), true, true},
		"an earlier one spent the coins":   {check(0), result(poor), false, true},
		"nobody can have spent the coins":  {check(0), result(poor), true, false},
		"an earlier one brought the coins": {check(poor), result(0, ran...), false, true},
	} {
		t.Run(name, func(t *testing.T) {
			err := sameCheck(c.check, c.result, c.first)
			require.Equal(t, c.ok, err == nil, "%v", err)
		})
	}
}

func TestTheForeignPlaceIsLeftAgain(t *testing.T) {
	local, zone := time.Local, time.Now().Format("-0700")
	leave := enterForeign()
	require.NotEqual(t, zone, time.Now().Format("-0700"))
	leave()
	require.Same(t, local, time.Local)
	require.Equal(t, zone, time.Now().Format("-0700"))
}

func TestRestartsAreDueAtFirstAndThenNowAndThen(t *testing.T) {
	due := func(r restarts) (out []int64) {
		for h := int64(1); h <= 12; h++ {
			if r.due(h) {
				out = append(out, h)
			}
		}
		return out
	}
	require.Equal(t, []int64{2, 3, 5, 10}, due(restarts{3, 5}))
	require.Empty(t, due(restarts{}))
	t.Setenv(RestartEnv, "6")
	r, err := restartsFromEnv(restarts{3, 5})
	require.NoError(t, err)
	require.Equal(t, []int64{6, 12}, due(r))
	t.Setenv(RestartEnv, "often")
	_, err = restartsFromEnv(restarts{})
	require.Error(t, err)
}

// Whatever a keeper remembers beside the state is gone with the application that it
// was in.
func TestAudit_A06_TheRestartedInstanceForgetsWhatIsNotInTheState(t *testing.T) {
	c := New(t, WithAccount("alice", 1), WithRestarts(4, 0), WithoutTeardown())
	n := c.instances[1]
	require.Equal(t, restarted, n.kind)
	before := n.App
	c.NextBlock()
	require.NotSame(t, before, n.App)
	require.Same(t, c.App, c.instances[0].App, "what tests hold lives on")
	c.NextBlocks(3)
	last := n.App
	c.NextBlock()
	require.Same(t, last, n.App, "after the first blocks it stays")
}

// What an instance does differently must fail the test, whatever it is.
func TestAudit_A01_InstancesThatDifferAreNoticed(t *testing.T) {
	c := New(t, WithAccount("alice", 1), WithoutTeardown())
	alice := c.Account("alice")
	for i := range c.instances {
		n := c.instances[i]
		ctx := sdk.NewContext(n.CommitMultiStore(), c.Context().BlockHeader(), false, n.Logger())
		require.NoError(t, n.Bank.Supply.Set(ctx, "agal", sdkmath.NewInt(int64(i))))
	}
	raw := c.Sign(Tx{Signer: alice, Msgs: []sdk.Msg{&banktypes.MsgSend{
		FromAddress: alice.String(), ToAddress: alice.String(), Amount: Coins(sdkmath.OneInt()),
	}}})
	req := &abci.RequestFinalizeBlock{
		Height: c.height + 1, Time: c.time.Add(time.Second), Txs: [][]byte{raw}, Hash: blockHash(c.height + 1),
		NextValidatorsHash: blockHash(0), ProposerAddress: c.validator.proposer(), DecidedLastCommit: c.validator.lastCommit(),
	}
	var results []*abci.ResponseFinalizeBlock
	for _, n := range c.instances {
		res, err := n.block(req, false)
		require.NoError(t, err)
		results = append(results, res)
	}
	require.ErrorContains(t, sameResult(results[0], results[1]), "app hash")
	require.ErrorContains(t, sameResult(results[0], results[2]), "app hash")
}
