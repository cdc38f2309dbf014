package traffic

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/galahad-network/galahad/app"
	"github.com/galahad-network/galahad/app/params"
	challenge "github.com/galahad-network/galahad/x/challenge/types"
	policy "github.com/galahad-network/galahad/x/policy/types"
	registry "github.com/galahad-network/galahad/x/registry/types"
)

const (
	// Run is the load's own run.
	Run = 2
	// MaxAccounts is how many miners one run can freeze here.
	MaxAccounts = 128

	// funds and bond of each account, in GAL.
	funds, bond = 1000, 500
	// commitBlocks is a long COMMIT, so that there is nearly always a window to commit to.
	commitBlocks = 60
	endpoint     = "http://127.0.0.1:9"
)

// Account is one of the load's own.
type Account struct {
	key     *secp256k1.PrivKey
	address sdk.AccAddress
}

// Accounts makes n accounts, always the same ones: their coins exist on networks for tests alone.
func Accounts(n int) []Account {
	out := make([]Account, n)
	for i := range out {
		secret := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("galahad/load/"), uint64(i)))
		key := &secp256k1.PrivKey{Key: secret[:]}
		out[i] = Account{key: key, address: sdk.AccAddress(key.PubKey().Address())}
	}
	return out
}

// Genesis adds the accounts, with coins, and their run, with each of them bonded for one group, to a local network's
// genesis, whose run it copies. Error: more than MaxAccounts.
func Genesis(accounts []Account) func(cdc codec.JSONCodec, state app.GenesisState) error {
	return func(cdc codec.JSONCodec, state app.GenesisState) error {
		if len(accounts) > MaxAccounts {
			return fmt.Errorf("load: %d accounts, at most %d can be frozen into a window", len(accounts), MaxAccounts)
		}
		if err := addAccounts(cdc, state, accounts); err != nil {
			return err
		}
		if err := addRun(cdc, state); err != nil {
			return err
		}
		return addMiners(cdc, state, accounts)
	}
}

func addAccounts(cdc codec.JSONCodec, state app.GenesisState, accounts []Account) error {
	var auth authtypes.GenesisState
	if err := cdc.UnmarshalJSON(state[authtypes.ModuleName], &auth); err != nil {
		return err
	}
	var bank banktypes.GenesisState
	if err := cdc.UnmarshalJSON(state[banktypes.ModuleName], &bank); err != nil {
		return err
	}
	all, err := authtypes.UnpackAccounts(auth.Accounts)
	if err != nil {
		return err
	}
	gal := func(n int64) sdk.Coins { return sdk.NewCoins(sdk.NewCoin(params.BaseDenom, params.GAL(n))) }
	for _, a := range accounts {
		all = append(all, authtypes.NewBaseAccount(a.address, nil, 0, 0))
		bank.Balances = append(bank.Balances, banktypes.Balance{Address: a.address.String(), Coins: gal(funds)})
	}
	bonds := authtypes.NewModuleAddress(registry.ModuleName).String()
	at := slices.IndexFunc(bank.Balances, func(b banktypes.Balance) bool { return b.Address == bonds })
	if at < 0 {
		bank.Balances = append(bank.Balances, banktypes.Balance{Address: bonds})
		at = len(bank.Balances) - 1
	}
	if len(accounts) > 0 {
		bank.Balances[at].Coins = bank.Balances[at].Coins.Add(gal(bond * int64(len(accounts)))...)
	}
	bank.Balances = banktypes.SanitizeGenesisBalances(bank.Balances)
	if auth.Accounts, err = authtypes.PackAccounts(all); err != nil {
		return err
	}
	if state[authtypes.ModuleName], err = cdc.MarshalJSON(&auth); err != nil {
		return err
	}
	state[banktypes.ModuleName], err = cdc.MarshalJSON(&bank)
	return err
}

// addRun copies the network's run and its base checkpoint.
func addRun(cdc codec.JSONCodec, state app.GenesisState) error {
	var ch challenge.GenesisState
	if err := cdc.UnmarshalJSON(state[challenge.ModuleName], &ch); err != nil {
		return err
	}
	var po policy.GenesisState
	if err := cdc.UnmarshalJSON(state[policy.ModuleName], &po); err != nil {
		return err
	}
	if len(ch.Runs) != 1 || len(po.Checkpoints) != 1 {
		return fmt.Errorf("load: a genesis with %d runs and %d checkpoints, want one of each", len(ch.Runs), len(po.Checkpoints))
	}
	run, base := ch.Runs[0], po.Checkpoints[0]
	run.Id, run.Name = Run, "load"
	run.Params.EmissionSharePpm, run.Params.CommitBlocks = 0, commitBlocks
	run.Params.MaxGroupsPerWindow = max(run.Params.MaxGroupsPerWindow, MaxAccounts)
	base.Run = Run
	ch.Runs, po.Checkpoints = append(ch.Runs, run), append(po.Checkpoints, base)
	var err error
	if state[challenge.ModuleName], err = cdc.MarshalJSON(&ch); err != nil {
		return err
	}
	state[policy.ModuleName], err = cdc.MarshalJSON(&po)
	return err
}

func addMiners(cdc codec.JSONCodec, state app.GenesisState, accounts []Account) error {
	var re registry.GenesisState
	if err := cdc.UnmarshalJSON(state[registry.ModuleName], &re); err != nil {
		return err
	}
	sorted := slices.SortedFunc(slices.Values(accounts), func(a, b Account) int { return bytes.Compare(a.address, b.address) })
	for i, a := range sorted {
		re.Miners = append(re.Miners, registry.Miner{
			Run: Run, Address: a.address.String(), Bond: params.GAL(bond), Endpoint: endpoint, DeclaredGroups: 1, Order: uint64(i),
		})
	}
	re.NextOrders = append(re.NextOrders, registry.RunCounter{Run: Run, Next: uint64(len(sorted))})
	var err error
	state[registry.ModuleName], err = cdc.MarshalJSON(&re)
	return err
}
