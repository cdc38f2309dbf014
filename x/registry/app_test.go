package registry_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	"github.com/cosmos/cosmos-sdk/x/authz"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	"github.com/cosmos/cosmos-sdk/x/feegrant"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/env"
	testapp "github.com/galahad-network/galahad/testutil/app"
	"github.com/galahad-network/galahad/x/challenge/beacon"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	"github.com/galahad-network/galahad/x/registry/types"
)

// chain is the whole application with run 1.
func chain(t *testing.T, opts ...testapp.Option) *testapp.Chain {
	t.Helper()
	e, err := env.Lookup("arithmetic-3")
	require.NoError(t, err)
	digest := e.Digest()
	key, err := beacon.NewSecretKey(bytes.Repeat([]byte{5}, 32))
	require.NoError(t, err)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	learner := testapp.NewAccount("learner").String()
	return testapp.New(t, append(opts,
		testapp.WithStart(start), testapp.WithAccount("granter", 1000), testapp.WithAccount("learner", 1),
		testapp.WithGenesis(challengetypes.ModuleName, func(g *challengetypes.GenesisState) {
			g.Params.BlockTime = time.Second
			g.Params.MinGraderStake = params.GAL(1)
			g.Params.Beacon = challengetypes.BeaconParams{
				PublicKey: key.PublicKey(), GenesisTime: start.Unix() - 100, Period: 1, TimeoutBlocks: 30, Test: true,
			}
			p := challengetypes.DefaultRunParams([]challengetypes.EnvironmentWeight{{Id: e.ID(), Digest: digest[:], Weight: 1}},
				bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
			p.CommitBlocks, p.AuditBlocks, p.RevealBlocks, p.MinGraderTokensPerSecond = 8, 4, 2, 100_000
			g.Runs = []challengetypes.Run{{
				Id: 1, Owner: learner, Learner: learner, Name: "test", Params: p, Status: challengetypes.RunStatus_RUN_STATUS_ACTIVE,
			}}
		}),
		testapp.WithGenesis(policytypes.ModuleName, func(g *policytypes.GenesisState) {
			g.Checkpoints = []policytypes.Checkpoint{{Run: 1, Digest: bytes.Repeat([]byte{3}, 32)}}
		}),
	)...)
}

func fee() sdkmath.Int { return params.GAL(1) }

func grant(t *testing.T, c *testapp.Chain, to *testapp.Account) {
	t.Helper()
	msg, err := feegrant.NewMsgGrantAllowance(&feegrant.BasicAllowance{}, c.Account("granter").Address, to.Address)
	require.NoError(t, err)
	c.MustDeliver(c.Account("granter"), msg)
}

func register(miner *testapp.Account, gal int64) *types.MsgRegister {
	return &types.MsgRegister{
		Miner: miner.String(), Run: 1, Bond: params.GAL(gal), Endpoint: "http://127.0.0.1:9101", DeclaredGroups: 4,
		LimitPrice: types.MaxPrice(),
	}
}

// A newcomer needs coins for its bond and its place, and none for fees.
func TestABrandNewAccountRegistersOnAFeeGrant(t *testing.T) {
	c := chain(t)
	newcomer := c.Account("newcomer")
	grant(t, c, newcomer) // makes the account
	granter := c.Account("granter")
	c.MustDeliver(granter, &banktypes.MsgSend{
		FromAddress: granter.String(), ToAddress: newcomer.String(), Amount: testapp.Coins(params.GAL(17)),
	})
	before := c.Balance(granter.Address)
	_, err := c.DeliverTx(testapp.Tx{Signer: newcomer, Granter: granter, Fee: fee(), Msgs: []sdk.Msg{register(newcomer, 16)}})
	require.NoError(t, err)
	require.True(t, c.Balance(newcomer.Address).IsZero(), "bond and price took all it had")
	require.Equal(t, before.Sub(fee()).String(), c.Balance(granter.Address).String())
	_, err = c.DeliverTx(testapp.Tx{Signer: newcomer, Fee: fee(), Msgs: []sdk.Msg{&types.MsgDeclareGroups{Miner: newcomer.String(), Run: 1, DeclaredGroups: 2}}})
	require.ErrorIs(t, err, sdkerrors.ErrInsufficientFunds)
}

// Every message of a miner works when a hot key without coins sends it through
// x/authz on a fee grant, and fails for a key without the authorization.
func TestAudit_F47_EveryMessageWorksForAHotKeyOnAFeeGrantAndForNobodyElse(t *testing.T) {
	c := chain(t, testapp.WithAccount("miner", 1000), testapp.WithAccount("stranger", 10))
	miner, hot, stranger, granter := c.Account("miner"), c.Account("hot"), c.Account("stranger"), c.Account("granter")
	grant(t, c, hot)
	amount := params.GAL(1)
	for _, step := range []struct {
		msg  sdk.Msg
		want error // of the message itself; the permission has been passed
	}{
		{register(miner, 40), nil},
		{&types.MsgBond{Miner: miner.String(), Run: 1, Amount: amount}, nil},
		{&types.MsgUpdateEndpoint{Miner: miner.String(), Run: 1, Endpoint: "http://127.0.0.1:9102"}, nil},
		{&types.MsgUpdateMetadata{Miner: miner.String(), Run: 1, Metadata: "hot"}, nil},
		{&types.MsgDeclareGroups{Miner: miner.String(), Run: 1, DeclaredGroups: 2}, nil},
		{&types.MsgUnjail{Miner: miner.String(), Run: 1}, types.ErrNotJailed},
		{&types.MsgUnbond{Miner: miner.String(), Run: 1, Amount: amount}, nil},
	} {
		url := sdk.MsgTypeURL(step.msg)
		// The permission is checked on the signer, in the handler's transaction as in authz.
		wrapped := authz.NewMsgExec(stranger.Address, []sdk.Msg{step.msg})
		_, err := c.Deliver(stranger, &wrapped)
		require.ErrorIs(t, err, authz.ErrNoAuthorizationFound, url)
		_, err = c.DeliverTx(testapp.Tx{Signer: stranger, Msgs: []sdk.Msg{step.msg}})
		require.Error(t, err, url)

		until := c.Time().Add(time.Hour)
		permit, err := authz.NewMsgGrant(miner.Address, hot.Address, authz.NewGenericAuthorization(url), &until)
		require.NoError(t, err)
		c.MustDeliver(miner, permit)
		exec := authz.NewMsgExec(hot.Address, []sdk.Msg{step.msg})
		_, err = c.DeliverTx(testapp.Tx{Signer: hot, Granter: granter, Fee: fee(), Msgs: []sdk.Msg{&exec}})
		require.ErrorIs(t, err, step.want, url)
	}
	res, err := types.NewQueryClient(c).Miner(t.Context(), &types.QueryMinerRequest{Run: 1, Address: miner.String()})
	require.NoError(t, err)
	require.Equal(t, "hot", res.Miner.Metadata)
	require.Equal(t, params.GAL(40).String(), res.Miner.Bond.String())
	require.True(t, c.Balance(hot.Address).IsZero())
}

func TestAudit_G50_NobodySendsToTheModuleAccount(t *testing.T) {
	c := chain(t)
	granter := c.Account("granter")
	_, err := c.Deliver(granter, &banktypes.MsgSend{
		FromAddress: granter.String(), ToAddress: authtypes.NewModuleAddress(types.ModuleName).String(), Amount: testapp.Coins(sdkmath.OneInt()),
	})
	require.ErrorIs(t, err, sdkerrors.ErrUnauthorized)
}

// What a window froze stays: a registration in the block of the freeze or later is
// not put into it afterwards.
func TestAudit_F48_ARegistrationIsNotFrozenRetroactively(t *testing.T) {
	c := chain(t)
	frozen := func(window uint64, a *testapp.Account) bool {
		_, ok, err := c.App.Challenge.FrozenMiner(c.Context(), 1, window, a.Address)
		require.NoError(t, err)
		return ok
	}
	seen := map[string]bool{}
	first := uint64(0)
	for i := range 12 {
		m := c.Fund(fmt.Sprintf("miner %d", i), 5_000)
		c.MustDeliver(m, register(m, 16))
		height := c.Height()
		open, err := c.App.Challenge.OpenWindows(c.Context(), 1)
		require.NoError(t, err)
		for _, w := range open {
			require.Equal(t, height <= w.FreezeHeight, frozen(w.Id, m), "registered in block %d, window %d froze in %d", height, w.Id, w.FreezeHeight)
			for j := range i { // what was frozen before is as it was
				old := c.Account(fmt.Sprintf("miner %d", j))
				key := fmt.Sprint(w.Id, " ", j)
				if was, ok := seen[key]; ok {
					require.Equal(t, was, frozen(w.Id, old))
				}
				seen[key] = frozen(w.Id, old)
			}
			first = max(first, w.Id+1)
		}
	}
	require.Positive(t, first, "no window opened")
}
