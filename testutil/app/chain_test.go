package testapp_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/galahad-network/galahad/app/params"
	testapp "github.com/galahad-network/galahad/testutil/app"
)

func TestChainDeliversSignedTransactions(t *testing.T) {
	start := time.Now()
	c := testapp.New(t, testapp.WithValidators(100, 50, 25), testapp.WithAccount("alice", 10))
	t.Logf("boot %s", time.Since(start))
	alice, bob := c.Account("alice"), c.Account("bob")

	res, err := c.DeliverTx(testapp.Tx{
		Signer: alice, Fee: sdkmath.NewInt(1000),
		Msgs: []sdk.Msg{&banktypes.MsgSend{FromAddress: alice.String(), ToAddress: bob.String(), Amount: testapp.Coins(params.GAL(3))}},
	})
	require.NoError(t, err)
	require.Positive(t, res.GasUsed)
	require.Equal(t, params.GAL(3), c.Balance(bob.Address))
	require.Equal(t, params.GAL(7).SubRaw(1000), c.Balance(alice.Address))

	_, err = c.Deliver(alice, &banktypes.MsgSend{FromAddress: alice.String(), ToAddress: bob.String(), Amount: testapp.Coins(params.GAL(8))})
	require.ErrorIs(t, err, sdkerrors.ErrInsufficientFunds)

	got, err := banktypes.NewQueryClient(c).Balance(t.Context(), &banktypes.QueryBalanceRequest{Address: bob.String(), Denom: params.BaseDenom})
	require.NoError(t, err)
	require.Equal(t, params.GAL(3), got.Balance.Amount)

	vals, err := stakingtypes.NewQueryClient(c).Validators(t.Context(), &stakingtypes.QueryValidatorsRequest{Status: "BOND_STATUS_BONDED"})
	require.NoError(t, err)
	require.Len(t, vals.Validators, 3)
	c.NextBlocks(120) // longer than the signing window's first check: nobody is jailed for absence
	require.Equal(t, int64(123), c.Height())
}

func TestAudit_G50_ModuleAccountsRefuseSends(t *testing.T) {
	c := testapp.New(t, testapp.WithAccount("alice", 10))
	alice := c.Account("alice")
	for _, name := range []string{"gov", "distribution", "fee_collector", "bonded_tokens_pool"} {
		addr := c.App.Account.GetModuleAddress(name)
		_, err := c.Deliver(alice, &banktypes.MsgSend{FromAddress: alice.String(), ToAddress: addr.String(), Amount: testapp.Coins(sdkmath.OneInt())})
		require.ErrorIs(t, err, sdkerrors.ErrUnauthorized, name)
	}
}

func TestDelegationChangesValidatorPower(t *testing.T) {
	c := testapp.New(t, testapp.WithValidators(10, 10), testapp.WithAccount("alice", 10))
	alice := c.Account("alice")
	c.MustDeliver(alice, &stakingtypes.MsgDelegate{
		DelegatorAddress: alice.String(), ValidatorAddress: c.Validators[0].OperatorString(),
		Amount: sdk.NewCoin(params.BaseDenom, params.GAL(5)),
	})
	c.NextBlocks(3)
	v, err := c.App.Staking.GetValidator(c.Context(), c.Validators[0].Operator)
	require.NoError(t, err)
	require.Equal(t, params.GAL(15), v.Tokens)
}
