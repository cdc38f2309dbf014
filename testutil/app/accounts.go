package testapp

import (
	"context"

	abci "github.com/cometbft/cometbft/abci/types"

	errorsmod "cosmossdk.io/errors"
	sdkmath "cosmossdk.io/math"

	clienttx "github.com/cosmos/cosmos-sdk/client/tx"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	authsigning "github.com/cosmos/cosmos-sdk/x/auth/signing"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/galahad-network/galahad/app/params"
)

// faucet is an account that every chain funds, for Fund.
const faucet = "faucet"

// DefaultGas is the gas limit of Deliver's transactions.
const DefaultGas = 20_000_000

// Account signs transactions. Its key is derived from its name, so addresses are
// the same in every run.
type Account struct {
	Name    string
	Key     *secp256k1.PrivKey
	Address sdk.AccAddress
}

// String is the address in bech32.
func (a *Account) String() string { return a.Address.String() }

// Account returns the account called name. It exists on chain only if genesis or
// Fund gave it coins.
func (c *Chain) Account(name string) *Account {
	if a, ok := c.accounts[name]; ok {
		return a
	}
	a := NewAccount(name)
	c.accounts[name] = a
	return a
}

// NewAccount returns the account called name before there is a chain, for genesis.
func NewAccount(name string) *Account {
	key := secp256k1.GenPrivKeyFromSecret([]byte("galahad test account " + name))
	return &Account{Name: name, Key: key, Address: sdk.AccAddress(key.PubKey().Address())}
}

// Fund sends whole GAL to the account called name, in a block of its own.
func (c *Chain) Fund(name string, gal int64) *Account {
	c.T.Helper()
	a := c.Account(name)
	c.MustDeliver(c.Account(faucet), &banktypes.MsgSend{
		FromAddress: c.Account(faucet).String(), ToAddress: a.String(), Amount: Coins(params.GAL(gal)),
	})
	return a
}

// Balance of an account in agal.
func (c *Chain) Balance(addr sdk.AccAddress) sdkmath.Int {
	return c.App.Bank.GetBalance(c.Context(), addr, params.BaseDenom).Amount
}

// Coins of the chain's denom.
func Coins(agal sdkmath.Int) sdk.Coins { return sdk.NewCoins(sdk.NewCoin(params.BaseDenom, agal)) }

// Tx is a transaction to be signed.
type Tx struct {
	Signer *Account
	Msgs   []sdk.Msg
	// Fee in agal; the zero value pays none, which a block accepts.
	Fee sdkmath.Int
	// Gas limit; 0 is DefaultGas.
	Gas uint64
	// Granter pays the fee if set.
	Granter *Account
}

// Deliver signs msgs and runs them in a block of their own. The error is that of
// the transaction and can be compared with errors.Is to the module's errors.
func (c *Chain) Deliver(signer *Account, msgs ...sdk.Msg) (*abci.ExecTxResult, error) {
	c.T.Helper()
	return c.DeliverTx(Tx{Signer: signer, Msgs: msgs})
}

// MustDeliver is Deliver for a transaction that has to succeed.
func (c *Chain) MustDeliver(signer *Account, msgs ...sdk.Msg) *abci.ExecTxResult {
	c.T.Helper()
	res, err := c.Deliver(signer, msgs...)
	if err != nil {
		c.T.Fatalf("testapp: transaction of %s with %s: %v", signer.Name, sdk.MsgTypeURL(msgs[0]), err)
	}
	return res
}

// DeliverTx runs one transaction in a block of its own.
func (c *Chain) DeliverTx(tx Tx) (*abci.ExecTxResult, error) {
	c.T.Helper()
	res := c.DeliverTxs(tx)[0]
	return res, TxError(res)
}

// DeliverTxs runs transactions in one block, in order.
func (c *Chain) DeliverTxs(txs ...Tx) []*abci.ExecTxResult {
	c.T.Helper()
	return c.Block(c.cfg.blockTime, c.SignTxs(txs...)...).TxResults
}

// SignTxs returns the bytes of transactions that run in one block, in this order.
func (c *Chain) SignTxs(txs ...Tx) [][]byte {
	c.T.Helper()
	used := map[string]uint64{}
	raw := make([][]byte, 0, len(txs))
	for _, tx := range txs {
		raw = append(raw, c.sign(tx, used[tx.Signer.Name]))
		used[tx.Signer.Name]++
	}
	return raw
}

// TxError is the error of a transaction's result, nil if it succeeded.
func TxError(res *abci.ExecTxResult) error {
	if res.Code == 0 {
		return nil
	}
	return errorsmod.ABCIError(res.Codespace, res.Code, res.Log)
}

// Sign returns the bytes of tx signed with the signer's present sequence.
func (c *Chain) Sign(tx Tx) []byte {
	c.T.Helper()
	return c.sign(tx, 0)
}

// sign signs tx with the signer's sequence plus ahead.
func (c *Chain) sign(tx Tx, ahead uint64) []byte {
	c.T.Helper()
	account := c.App.Account.GetAccount(c.Context(), tx.Signer.Address)
	if account == nil {
		c.T.Fatalf("testapp: account %s has no coins; fund it", tx.Signer.Name)
	}
	if tx.Fee.IsNil() {
		tx.Fee = sdkmath.ZeroInt()
	}
	if tx.Gas == 0 {
		tx.Gas = DefaultGas
	}
	raw, err := c.encode(tx, account.GetAccountNumber(), account.GetSequence()+ahead)
	if err != nil {
		c.T.Fatalf("testapp: sign: %v", err)
	}
	return raw
}

func (c *Chain) encode(tx Tx, number, sequence uint64) ([]byte, error) {
	cfg := c.App.TxConfig()
	b := cfg.NewTxBuilder()
	if err := b.SetMsgs(tx.Msgs...); err != nil {
		return nil, err
	}
	b.SetFeeAmount(Coins(tx.Fee))
	b.SetGasLimit(tx.Gas)
	if tx.Granter != nil {
		b.SetFeeGranter(tx.Granter.Address)
	}
	// The bytes to sign include the signer's key, so it is set before signing.
	mode := signing.SignMode_SIGN_MODE_DIRECT
	if err := b.SetSignatures(signing.SignatureV2{
		PubKey:   tx.Signer.Key.PubKey(),
		Data:     &signing.SingleSignatureData{SignMode: mode},
		Sequence: sequence,
	}); err != nil {
		return nil, err
	}
	sig, err := clienttx.SignWithPrivKey(context.Background(), mode, authsigning.SignerData{
		Address: tx.Signer.String(), ChainID: c.cfg.chainID,
		AccountNumber: number, Sequence: sequence, PubKey: tx.Signer.Key.PubKey(),
	}, b, tx.Signer.Key, cfg, sequence)
	if err != nil {
		return nil, err
	}
	if err := b.SetSignatures(sig); err != nil {
		return nil, err
	}
	return cfg.TxEncoder()(b.GetTx())
}
