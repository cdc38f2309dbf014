package app_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmttypes "github.com/cometbft/cometbft/types"
	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"github.com/cosmos/cosmos-sdk/types/module"

	"github.com/galahad-network/galahad/app"
	"github.com/galahad-network/galahad/app/params"
	testapp "github.com/galahad-network/galahad/testutil/app"
	"github.com/galahad-network/galahad/testutil/story"
)

// A node with the price of app.toml's default lets no transaction in that pays
// nothing.
func TestAudit_C18_ZeroFeeIsRefused(t *testing.T) {
	c := testapp.New(t, testapp.WithoutReplica(), testapp.WithAccount("alice", 10), testapp.WithMinGasPrices(params.MinGasPrices))
	alice := c.Account("alice")
	check := func(fee sdkmath.Int) *abci.ResponseCheckTx {
		raw := c.Sign(testapp.Tx{Signer: alice, Msgs: []sdk.Msg{send(alice, alice, 1)}, Fee: fee, Gas: 200_000})
		res, err := c.App.CheckTx(&abci.RequestCheckTx{Tx: raw, Type: abci.CheckTxType_New})
		require.NoError(t, err)
		return res
	}
	price := sdkmath.NewInt(200_000).MulRaw(1_000_000_000)
	for _, fee := range []sdkmath.Int{sdkmath.ZeroInt(), sdkmath.OneInt(), price.SubRaw(1)} {
		require.Equal(t, sdkerrors.ErrInsufficientFee.ABCICode(), check(fee).Code, "%s", fee)
	}
	require.Zero(t, check(price).Code)
}

// The text of an error may differ between versions and machines: neither the hash of a
// block's results nor the state has it.
func TestAudit_A05_ErrorTextIsNotHashed(t *testing.T) {
	result := func(log string) []byte {
		return cmttypes.NewResults([]*abci.ExecTxResult{{Code: 5, Codespace: "sdk", Log: log, GasUsed: 7}}).Hash()
	}
	require.Equal(t, result("insufficient funds"), result("not enough funds: internal/path.go:12"))

	one := testapp.New(t, testapp.WithAccount("alice", 1))
	two := testapp.New(t, testapp.WithAccount("alice", 1))
	for c, agal := range map[*testapp.Chain]int64{one: 2e18, two: 3e18} { // the text names the amount
		alice := c.Account("alice")
		_, err := c.Deliver(alice, send(alice, c.Account("bob"), agal))
		require.ErrorIs(t, err, sdkerrors.ErrInsufficientFunds)
	}
	require.Equal(t, one.App.LastCommitID().Hash, two.App.LastCommitID().Hash)
}

// Nothing that our modules do to a miner or a grader moves the consensus set.
func TestAudit_B13_OurModulesLeaveTheConsensusSetAlone(t *testing.T) {
	s := story.New(t, 3, testapp.WithoutTeardown()) // miners are jailed past the rules
	for _, name := range []string{"challenge", "registry", "policy", "rollout", "settlement"} {
		m := s.App.Modules().Modules[name]
		require.NotNil(t, m, name)
		_, ok := m.(module.HasABCIEndBlock)
		require.False(t, ok, "%s could update validators in EndBlock", name)
		_, ok = m.(module.HasABCIGenesis)
		require.False(t, ok, "%s could update validators in genesis", name)
	}
	s.UntilClosed(0)
	ctx := s.Context()
	for _, m := range s.Miners {
		require.NoError(t, s.App.Registry.Jail(ctx, story.Run, m.Address, 1000))
	}
	for range 20 {
		require.Empty(t, s.NextBlock().ValidatorUpdates)
	}
}

// Every message of the services has a handler and can be decoded from an Any.
func TestAudit_E36_EveryMessageIsRegistered(t *testing.T) {
	a := testapp.New(t, testapp.WithoutReplica()).App
	for name, typ := range messageTypes(t) {
		msg := reflect.New(typ).Interface().(sdk.Msg)
		require.NotNil(t, a.MsgServiceRouter().Handler(msg), name)
		resolved, err := a.InterfaceRegistry().Resolve("/" + name)
		require.NoError(t, err, name)
		require.Equal(t, reflect.TypeOf(msg), reflect.TypeOf(resolved))
	}
}

// No message of ours can tie a key to somebody's account: none has a field for one. Who
// signs for whom is x/auth's and x/authz's alone. The two signatures that messages carry
// are a beacon's and the proof of a step, whose key belongs to a version and to nobody.
func TestAudit_E31_NoMessageRegistersAKey(t *testing.T) {
	var walk func(name string, typ reflect.Type, seen map[reflect.Type]bool)
	fields := 0
	walk = func(name string, typ reflect.Type, seen map[reflect.Type]bool) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice:
			walk(name, typ.Elem(), seen)
		case reflect.Struct:
			require.NotEqual(t, reflect.TypeOf(codectypes.Any{}), typ, name)
			if seen[typ] {
				return
			}
			seen[typ] = true
			for i := range typ.NumField() {
				f := typ.Field(i)
				fields++
				field := strings.ToLower(f.Name)
				known := name+"."+f.Name == "galahad.policy.v1.MsgPublishCheckpoint.StepKey" || name+"."+f.Name == "galahad.challenge.v1.MsgSubmitBeacon.Signature"
				require.True(t, known || !strings.Contains(field, "key") && !strings.Contains(field, "signature"), "%s has a field %s", name, f.Name)
				walk(name, f.Type, seen)
			}
		}
	}
	for name, typ := range messageTypes(t) {
		if strings.HasSuffix(name, "MsgUpdateParams") {
			continue // governance's; the beacon's public key is a parameter
		}
		walk(name, typ, map[reflect.Type]bool{})
	}
	require.Greater(t, fields, 100)
}

// A proposer can put anything into a block: what it did not build itself is accepted
// or refused by the rules that hold for each transaction, and the chain goes on.
func TestAudit_H58_BlocksOfAnAdversarialProposer(t *testing.T) {
	c := testapp.New(t, testapp.WithAccount("alice", 10), testapp.WithAccount("bob", 10))
	alice, bob := c.Account("alice"), c.Account("bob")
	good := c.SignTxs(
		testapp.Tx{Signer: alice, Msgs: []sdk.Msg{send(alice, bob, 1)}},
		testapp.Tx{Signer: alice, Msgs: []sdk.Msg{send(alice, bob, 1)}},
	)
	greedy := c.Sign(testapp.Tx{Signer: bob, Msgs: []sdk.Msg{send(bob, alice, 1)}, Gas: params.MaxBlockGas + 1})
	txs := [][]byte{
		{}, []byte("junk"), bytes.Repeat([]byte{0xff}, 1<<20), bytes.Repeat([]byte{0x0a, 0x02}, 1000),
		good[1], // before the one that it comes after
		good[0],
		good[0], // twice
		good[1],
		greedy,
		append(bytes.Clone(good[0]), 0x78, 0x01), // with an unknown field
	}
	proposal, err := c.App.ProcessProposal(&abci.RequestProcessProposal{
		Height: c.Height() + 1, Time: c.Time().Add(time.Second), Txs: txs, Hash: make([]byte, 32), ProposerAddress: make([]byte, 20),
	})
	require.NoError(t, err)
	t.Logf("ProcessProposal says %s; the block is run nevertheless", proposal.Status)
	before := c.Balance(bob.Address)
	res := c.Block(time.Second, txs...)
	for i, r := range res.TxResults {
		if i == 5 || i == 7 {
			require.Zero(t, r.Code, "%d: %s", i, r.Log)
			continue
		}
		require.NotZero(t, r.Code, i)
		require.NoError(t, typed(testapp.TxError(r)), i)
	}
	require.Equal(t, before.AddRaw(2), c.Balance(bob.Address))
	c.NextBlocks(2)
}

// The chain has no vote extensions, so none can differ or panic.
func TestAudit_H59_NoVoteExtensions(t *testing.T) {
	require.Zero(t, app.ConsensusParams().ABCI.VoteExtensionsEnableHeight)
}
