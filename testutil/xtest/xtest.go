// Package xtest gives a module's keeper tests a store, real x/auth and x/bank
// keepers, and a stand-in for x/challenge whose runs and windows the test sets by
// hand. For whole blocks and all modules at once, see testutil/app.
package xtest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/stretchr/testify/require"

	"cosmossdk.io/core/address"
	corestore "cosmossdk.io/core/store"
	"cosmossdk.io/log/v2"
	sdkmath "cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/codec"
	addresscodec "github.com/cosmos/cosmos-sdk/codec/address"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/runtime"
	"github.com/cosmos/cosmos-sdk/store/v2"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authkeeper "github.com/cosmos/cosmos-sdk/x/auth/keeper"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	bankkeeper "github.com/cosmos/cosmos-sdk/x/bank/keeper"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/galahad-network/galahad/app/params"
)

// mint is the module account that funds accounts.
const mint = "xtest"

// Env is what keepers under test are built on.
type Env struct {
	T         testing.TB
	Ctx       sdk.Context
	Codec     codec.Codec
	Addresses address.Codec
	Accounts  authkeeper.AccountKeeper
	Bank      bankkeeper.BaseKeeper
	Challenge *Challenge

	keys map[string]*storetypes.KVStoreKey
}

// New returns an environment at height 1 with a store for each named module, which
// is also a module account that may burn.
func New(t testing.TB, modules ...string) *Env {
	t.Helper()
	registry := codectypes.NewInterfaceRegistry()
	authtypes.RegisterInterfaces(registry)
	banktypes.RegisterInterfaces(registry)
	cdc := codec.NewProtoCodec(registry)

	db := dbm.NewMemDB()
	stores := store.NewCommitMultiStore(db, log.NewNopLogger())
	keys := storetypes.NewKVStoreKeys(append([]string{authtypes.StoreKey, banktypes.StoreKey}, modules...)...)
	accounts := map[string][]string{mint: {authtypes.Minter}}
	for _, name := range modules {
		accounts[name] = []string{authtypes.Burner}
	}
	for _, key := range keys {
		stores.MountStoreWithDB(key, storetypes.StoreTypeIAVL, db)
	}
	require.NoError(t, stores.LoadLatestVersion())

	addresses := addresscodec.NewBech32Codec(params.Bech32Prefix)
	e := &Env{
		T: t,
		Ctx: sdk.NewContext(stores, cmtproto.Header{
			ChainID: "galahad-test-1", Height: 1, Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		}, false, log.NewNopLogger()),
		Codec:     cdc,
		Addresses: addresses,
		Challenge: NewChallenge(),
		keys:      keys,
	}
	e.Accounts = authkeeper.NewAccountKeeper(cdc, e.Store(authtypes.StoreKey), authtypes.ProtoBaseAccount,
		accounts, addresses, params.Bech32Prefix, Authority())
	require.NoError(t, e.Accounts.Params.Set(e.Ctx, authtypes.DefaultParams()))
	blocked := map[string]bool{}
	for _, name := range modules {
		blocked[authtypes.NewModuleAddress(name).String()] = true
	}
	e.Bank = bankkeeper.NewBaseKeeper(cdc, e.Store(banktypes.StoreKey), e.Accounts, blocked, Authority(), log.NewNopLogger())
	require.NoError(t, e.Bank.SetParams(e.Ctx, banktypes.DefaultParams()))
	return e
}

// Authority is the account that may change parameters.
func Authority() string { return authtypes.NewModuleAddress("gov").String() }

// OperatorCodec reads and writes validators' operator addresses.
func OperatorCodec() address.Codec {
	return addresscodec.NewBech32Codec(params.Bech32Prefix + "valoper")
}

// Store is a module's store.
func (e *Env) Store(name string) corestore.KVStoreService {
	key, ok := e.keys[name]
	require.True(e.T, ok, "no store %q", name)
	return runtime.NewKVStoreService(key)
}

// Address is the account of a name, the same in every test.
func Address(name string) sdk.AccAddress {
	digest := sha256.Sum256([]byte(name))
	return digest[:20]
}

// Fund mints gal whole GAL for an account and returns its address.
func (e *Env) Fund(name string, gal int64) sdk.AccAddress {
	e.T.Helper()
	addr := Address(name)
	e.FundAddress(addr, params.GAL(gal))
	return addr
}

// FundAddress mints agal for an address.
func (e *Env) FundAddress(addr sdk.AccAddress, agal sdkmath.Int) {
	e.T.Helper()
	coins := sdk.NewCoins(sdk.NewCoin(params.BaseDenom, agal))
	require.NoError(e.T, e.Bank.MintCoins(e.Ctx, mint, coins))
	require.NoError(e.T, e.Bank.SendCoins(e.Ctx, authtypes.NewModuleAddress(mint), addr, coins))
}

// Balance is what an address holds in agal.
func (e *Env) Balance(addr sdk.AccAddress) sdkmath.Int {
	return e.Bank.GetBalance(e.Ctx, addr, params.BaseDenom).Amount
}

// Supply is all there is in agal.
func (e *Env) Supply() sdkmath.Int { return e.Bank.GetSupply(e.Ctx, params.BaseDenom).Amount }

// Pass lets time and one block go by.
func (e *Env) Pass(d time.Duration) {
	e.Ctx = e.Ctx.WithBlockHeight(e.Ctx.BlockHeight() + 1).WithBlockTime(e.Ctx.BlockTime().Add(d))
}

// Branch runs f on a copy of the state that is thrown away afterwards.
func (e *Env) Branch(f func(ctx context.Context)) {
	ctx, _ := e.Ctx.CacheContext()
	f(ctx)
}

// StateHash covers every key and value of every store.
func (e *Env) StateHash() [32]byte {
	names := make([]string, 0, len(e.keys))
	for name := range e.keys {
		names = append(names, name)
	}
	slices.Sort(names)
	return e.StateHashOf(names...)
}

// StateHashOf covers every key and value of the named stores.
func (e *Env) StateHashOf(names ...string) [32]byte {
	h := sha256.New()
	put := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	for _, name := range names {
		put([]byte(name))
		it := e.Ctx.KVStore(e.keys[name]).Iterator(nil, nil)
		for ; it.Valid(); it.Next() {
			put(it.Key())
			put(it.Value())
		}
		require.NoError(e.T, it.Close())
	}
	return [32]byte(h.Sum(nil))
}

// RequireUnchanged runs f and fails the test unless f returned an error that is want
// and left every store as it was.
func (e *Env) RequireUnchanged(want error, f func(ctx context.Context) error) {
	e.T.Helper()
	before := e.StateHash()
	require.ErrorIs(e.T, f(e.Ctx), want)
	require.Equal(e.T, before, e.StateHash(), "a refused message changed the state")
}

// Events are the typed names of the events since the last call.
func (e *Env) Events() []string {
	var names []string
	for _, event := range e.Ctx.EventManager().Events() {
		if len(event.Type) > 8 && event.Type[:8] == "galahad." {
			names = append(names, event.Type)
		}
	}
	e.Ctx = e.Ctx.WithEventManager(sdk.NewEventManager())
	return names
}
