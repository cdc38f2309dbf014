package testapp

import (
	"encoding/json"
	"fmt"

	"github.com/cosmos/gogoproto/proto"

	sdkmath "cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/crypto/keys/ed25519"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/galahad-network/galahad/app/params"
)

// operatorBalance is what a validator's account holds beside its stake.
const operatorBalance = 100 // GAL

// genesis builds the app state: validators with their stakes, funded accounts,
// then the changes of WithGenesis.
func (c *Chain) genesis() []byte {
	c.T.Helper()
	cdc := c.App.Codec()
	state := c.App.DefaultGenesis()

	for i := range c.cfg.stakes {
		name := fmt.Sprintf("validator-%d", i)
		a := c.Account(name)
		c.Validators = append(c.Validators, Validator{
			Account: a, Operator: sdk.ValAddress(a.Address),
			ConsKey: ed25519.GenPrivKeyFromSecret([]byte("galahad test consensus key " + name)),
		})
		c.cfg.accounts = append(c.cfg.accounts, funding{name, params.GAL(operatorBalance)})
	}
	c.cfg.accounts = append(c.cfg.accounts, funding{faucet, params.GAL(1_000_000)})

	change(c, cdc, state, authtypes.ModuleName, c.genesisAccounts)
	change(c, cdc, state, banktypes.ModuleName, c.genesisBalances)
	change(c, cdc, state, stakingtypes.ModuleName, c.genesisStaking)
	for _, f := range c.cfg.genesis {
		f(c.T, cdc, state)
	}
	if err := c.App.Basics().ValidateGenesis(cdc, c.App.TxConfig(), state); err != nil {
		c.T.Fatalf("testapp: genesis: %v", err)
	}
	raw, err := json.Marshal(state)
	if err != nil {
		c.T.Fatalf("testapp: genesis: %v", err)
	}
	return raw
}

func change[T any, P interface {
	*T
	proto.Message
}](c *Chain, cdc codec.Codec, state map[string]json.RawMessage, module string, f func(P) error) {
	c.T.Helper()
	WithGenesis[T, P](module, func(g P) {
		if err := f(g); err != nil {
			c.T.Fatalf("testapp: genesis of %s: %v", module, err)
		}
	})(&c.cfg)
	last := len(c.cfg.genesis) - 1
	c.cfg.genesis[last](c.T, cdc, state)
	c.cfg.genesis = c.cfg.genesis[:last]
}

func (c *Chain) genesisAccounts(g *authtypes.GenesisState) error {
	var accounts authtypes.GenesisAccounts
	for _, f := range c.cfg.accounts {
		accounts = append(accounts, authtypes.NewBaseAccountWithAddress(c.Account(f.name).Address))
	}
	packed, err := authtypes.PackAccounts(accounts)
	g.Accounts = packed
	return err
}

// genesisBalances funds the accounts, and the pool of stakes that are not bonded
// yet: staking bonds them in InitGenesis.
func (c *Chain) genesisBalances(g *banktypes.GenesisState) error {
	for _, f := range c.cfg.accounts {
		g.Balances = append(g.Balances, banktypes.Balance{Address: c.Account(f.name).String(), Coins: Coins(f.amount)})
	}
	total := sdkmath.ZeroInt()
	for _, s := range c.cfg.stakes {
		total = total.Add(s)
	}
	g.Balances = append(g.Balances, banktypes.Balance{
		Address: authtypes.NewModuleAddress(stakingtypes.NotBondedPoolName).String(), Coins: Coins(total),
	})
	g.Supply = nil // bank adds the balances up
	return nil
}

func (c *Chain) genesisStaking(g *stakingtypes.GenesisState) error {
	for i, v := range c.Validators {
		key, err := codectypes.NewAnyWithValue(v.ConsKey.PubKey())
		if err != nil {
			return err
		}
		stake := c.cfg.stakes[i]
		g.Validators = append(g.Validators, stakingtypes.Validator{
			OperatorAddress:   v.Operator.String(),
			ConsensusPubkey:   key,
			Status:            stakingtypes.Unbonded,
			Tokens:            stake,
			DelegatorShares:   sdkmath.LegacyNewDecFromInt(stake),
			Description:       stakingtypes.Description{Moniker: v.Name},
			Commission:        stakingtypes.NewCommission(sdkmath.LegacyNewDecWithPrec(10, 2), sdkmath.LegacyOneDec(), sdkmath.LegacyOneDec()),
			MinSelfDelegation: sdkmath.OneInt(),
		})
		g.Delegations = append(g.Delegations, stakingtypes.NewDelegation(
			v.Account.String(), v.Operator.String(), sdkmath.LegacyNewDecFromInt(stake)))
	}
	return nil
}
