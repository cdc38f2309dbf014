package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"
	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/x/authz"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	"github.com/cosmos/cosmos-sdk/x/feegrant"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"
	govv1beta1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1beta1"

	"github.com/galahad-network/galahad/app"
	"github.com/galahad-network/galahad/app/openapi"
	"github.com/galahad-network/galahad/app/params"
	testapp "github.com/galahad-network/galahad/testutil/app"
)

func send(from, to *testapp.Account, agal int64) *banktypes.MsgSend {
	return &banktypes.MsgSend{FromAddress: from.String(), ToAddress: to.String(), Amount: testapp.Coins(sdkmath.NewInt(agal))}
}

func TestEveryAmountOfTheDefaultGenesisIsInOurCoin(t *testing.T) {
	c := testapp.New(t)
	raw, err := json.Marshal(c.App.DefaultGenesis())
	require.NoError(t, err)
	require.NotContains(t, string(raw), `"stake"`, "the SDK's default coin")
	require.Contains(t, string(raw), `"bond_denom":"agal"`)

	gov, err := govv1.NewQueryClient(c).Params(t.Context(), &govv1.QueryParamsRequest{})
	require.NoError(t, err)
	require.Equal(t, sdk.NewCoins(sdk.NewCoin("agal", params.GAL(100))), sdk.Coins(gov.Params.MinDeposit))

	meta, ok := c.App.Bank.GetDenomMetaData(c.Context(), params.BaseDenom)
	require.True(t, ok)
	require.NoError(t, meta.Validate())
	require.Equal(t, "GAL", meta.Display)
}

func TestAddressesHaveOurPrefix(t *testing.T) {
	a := sdk.AccAddress(make([]byte, 20))
	require.True(t, strings.HasPrefix(a.String(), "galahad1"))
	require.True(t, strings.HasPrefix(sdk.ValAddress(a).String(), "galahadvaloper1"))
	require.Equal(t, params.OneGAL(), sdk.DefaultPowerReduction)
}

// A block must not hold more gas than the genesis allows, whatever its proposer
// put into it.
func TestBlockBeyondMaxGasFailsItsLastTransactions(t *testing.T) {
	const limit = 100_000 // a little more than one transaction uses
	c := testapp.New(t, testapp.WithMaxBlockGas(limit), testapp.WithAccount("alice", 10), testapp.WithAccount("bob", 10))
	alice, bob := c.Account("alice"), c.Account("bob")
	results := c.DeliverTxs(
		testapp.Tx{Signer: alice, Msgs: []sdk.Msg{send(alice, bob, 1)}, Gas: limit},
		testapp.Tx{Signer: bob, Msgs: []sdk.Msg{send(bob, alice, 1)}, Gas: limit},
	)
	require.NoError(t, testapp.TxError(results[0]))
	require.ErrorContains(t, testapp.TxError(results[1]), "block gas meter")
}

func TestTransactionWithAForeignSignatureIsRefused(t *testing.T) {
	c := testapp.New(t, testapp.WithAccount("alice", 10), testapp.WithAccount("mallory", 10))
	alice, mallory := c.Account("alice"), c.Account("mallory")
	_, err := c.Deliver(mallory, send(alice, mallory, 1))
	require.Error(t, err)
	require.Equal(t, params.GAL(10), c.Balance(alice.Address))

	raw := c.Sign(testapp.Tx{Signer: alice, Msgs: []sdk.Msg{send(alice, mallory, 1)}})
	raw[len(raw)-1] ^= 1 // the last byte is of the signature
	res := c.Block(time.Second, raw).TxResults[0]
	require.ErrorContains(t, testapp.TxError(res), "signature verification failed")

	res = c.Block(time.Second, []byte("not a transaction")).TxResults[0]
	require.Error(t, testapp.TxError(res))
}

func TestSameTransactionTwiceIsRefused(t *testing.T) {
	c := testapp.New(t, testapp.WithAccount("alice", 10))
	alice := c.Account("alice")
	raw := c.Sign(testapp.Tx{Signer: alice, Msgs: []sdk.Msg{send(alice, c.Account("bob"), 5)}})
	results := c.Block(time.Second, raw, raw).TxResults
	require.NoError(t, testapp.TxError(results[0]))
	require.ErrorContains(t, testapp.TxError(results[1]), "account sequence mismatch")
	require.Equal(t, sdkmath.NewInt(5), c.Balance(c.Account("bob").Address))
}

func TestFeeGrantAndAuthz(t *testing.T) {
	c := testapp.New(t, testapp.WithAccount("alice", 10))
	alice, bob := c.Account("alice"), c.Account("bob")
	grant, err := feegrant.NewMsgGrantAllowance(&feegrant.BasicAllowance{}, alice.Address, bob.Address)
	require.NoError(t, err)
	expires := c.Time().Add(time.Hour)
	may, err := authz.NewMsgGrant(alice.Address, bob.Address, authz.NewGenericAuthorization(sdk.MsgTypeURL(&banktypes.MsgSend{})), &expires)
	require.NoError(t, err)
	c.MustDeliver(alice, grant, may) // the fee grant creates bob's account

	exec := authz.NewMsgExec(bob.Address, []sdk.Msg{send(alice, bob, 7)})
	_, err = c.DeliverTx(testapp.Tx{Signer: bob, Msgs: []sdk.Msg{&exec}, Fee: sdkmath.NewInt(100), Granter: alice})
	require.NoError(t, err)
	require.Equal(t, sdkmath.NewInt(7), c.Balance(bob.Address))
	require.Equal(t, params.GAL(10).SubRaw(107), c.Balance(alice.Address))
}

// Without a legacy router a proposal with an old content is a nil dereference, in
// EndBlock of whoever runs the chain.
func TestLegacyProposalDoesNotHaltTheChain(t *testing.T) {
	c := testapp.New(t, testapp.WithAccount("alice", 1000))
	alice := c.Account("alice")
	content, err := govv1.NewLegacyContent(govv1beta1.NewTextProposal("title", "text"), app.Authority())
	require.NoError(t, err)
	msg, err := govv1.NewMsgSubmitProposal([]sdk.Msg{content}, testapp.Coins(params.GAL(100)), alice.String(), "", "title", "text", false)
	require.NoError(t, err)
	c.MustDeliver(alice, msg)
	c.NextBlocks(2)
}

func TestExportForZeroHeightIsRefused(t *testing.T) {
	c := testapp.New(t)
	_, err := c.App.Export(true, nil)
	require.ErrorIs(t, err, app.ErrZeroHeight)
}

func TestCloseTwice(t *testing.T) {
	c := testapp.New(t, testapp.WithoutTeardown()) // a closed application has no state to check
	require.NoError(t, c.App.Close())
	require.NoError(t, c.App.Close())
}

func TestRESTDescriptionIsServed(t *testing.T) {
	r := mux.NewRouter()
	require.NoError(t, openapi.Register(r))
	srv := httptest.NewServer(r)
	defer srv.Close()
	for path, want := range map[string]string{
		"/swagger/":             "swagger-ui",
		"/swagger/swagger.yaml": "/galahad/settlement/v1/",
		"/swagger/sdk.yaml":     "/cosmos/bank/v1beta1/",
	} {
		res, err := http.Get(srv.URL + path)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode, path)
		require.Contains(t, string(body), want, path)
	}
	require.True(t, json.Valid(openapi.Spec()))
}
