package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"slices"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/cosmos/gogoproto/proto"

	"cosmossdk.io/core/comet"
	"cosmossdk.io/log/v2"
	sdkmath "cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/codec"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	"github.com/cosmos/cosmos-sdk/testutil/simsx"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	simtypes "github.com/cosmos/cosmos-sdk/types/simulation"
	"github.com/cosmos/cosmos-sdk/x/auth"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	"github.com/cosmos/cosmos-sdk/x/authz"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	distrtypes "github.com/cosmos/cosmos-sdk/x/distribution/types"
	"github.com/cosmos/cosmos-sdk/x/feegrant"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	"github.com/cosmos/cosmos-sdk/x/simulation/client/cli"
	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/galahad-network/galahad/app"
	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/x/challenge/beacon"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

const (
	groupSize  = 8
	accounts   = 100
	validators = 50
	locator    = "http://127.0.0.1:9301/x"
	// genesisTime is fixed, or a seed would not say what happens.
	genesisTime = 1_767_225_600
)

var conformance = digest("conformance")

// defaults of the simulator's flags, which take seconds instead of minutes.
var defaults = map[string]string{"NumBlocks": "50", "BlockSize": "40", "Seed": "1", "GenesisTime": fmt.Sprint(genesisTime)}

func TestMain(m *testing.M) {
	cli.GetSimulatorFlags()
	for name, value := range defaults {
		f := flag.Lookup(name)
		f.DefValue = value
		must(f.Value.Set(value))
	}
	os.Exit(m.Run())
}

// byDefault reports whether no flag asks for another size, of whatever seed.
func byDefault() bool {
	for name, value := range defaults {
		if name != "Seed" && flag.Lookup(name).Value.String() != value {
			return false
		}
	}
	return true
}

// simApp is the chain as the SDK's simulator wants to see it.
type simApp struct {
	*app.App
	sm    *module.SimulationManager
	tally *tally
	key   beacon.SecretKey
}

func (a *simApp) LegacyAmino() *codec.LegacyAmino { return a.Encoding().Amino }
func (a *simApp) BeginBlocker(ctx sdk.Context) (sdk.BeginBlock, error) {
	return a.Modules().BeginBlock(ctx)
}
func (a *simApp) EndBlocker(ctx sdk.Context) (sdk.EndBlock, error) { return a.Modules().EndBlock(ctx) }
func (a *simApp) LoadHeight(h int64) error                         { return a.LoadVersion(h) }
func (a *simApp) SimulationManager() *module.SimulationManager     { return a.sm }
func (a *simApp) InitChainer(sdk.Context, *abci.RequestInitChain) (*abci.ResponseInitChain, error) {
	return nil, errors.New("the application's own InitChain is used")
}

func (a *simApp) ExportAppStateAndValidators(zero bool, _, modules []string) (servertypes.ExportedApp, error) {
	return a.Export(zero, modules)
}

func newApp(logger log.Logger, db dbm.DB, latest bool, opts servertypes.AppOptions, base ...func(*baseapp.BaseApp)) *simApp {
	key, err := beacon.NewSecretKey(bytes.Repeat([]byte{5}, 32))
	must(err)
	a := &simApp{App: app.New(logger, db, false, opts, base...), tally: newTally(), key: key}
	a.SetBeginBlocker(func(ctx sdk.Context) (sdk.BeginBlock, error) { return a.Modules().BeginBlock(halfHonest(ctx)) })
	if latest {
		must(a.LoadLatestVersion())
	}
	// Vesting accounts are left out: the SDK's random ones need amounts below 2^63.
	mods := []module.AppModuleSimulation{
		auth.NewAppModule(a.Codec(), a.Account, func(s *module.SimulationState) authtypes.GenesisAccounts {
			var out authtypes.GenesisAccounts
			for _, acc := range s.Accounts {
				out = append(out, authtypes.NewBaseAccountWithAddress(acc.Address))
			}
			return out
		}, nil),
	}
	for _, name := range []string{
		banktypes.ModuleName, stakingtypes.ModuleName, distrtypes.ModuleName, slashingtypes.ModuleName,
		govtypes.ModuleName, authz.ModuleName, feegrant.ModuleName,
	} {
		mods = append(mods, a.Modules().Modules[name].(module.AppModuleSimulation))
	}
	a.sm = module.NewSimulationManager(append(mods, ownModules{a})...)
	a.sm.RegisterStoreDecoders()
	return a
}

// halfHonest is a block in which every second validator neither misses a signature nor
// misbehaves: the simulator's rates are random, and at many of them no validator would be
// left to make blocks.
func halfHonest(ctx sdk.Context) sdk.Context {
	votes := slices.Clone(ctx.VoteInfos())
	for i, v := range votes {
		if honest(v.Validator.Address) {
			votes[i].BlockIdFlag = cmtproto.BlockIDFlagCommit
		}
	}
	return ctx.WithVoteInfos(votes).WithCometInfo(lessEvidence{ctx.CometInfo()})
}

func honest(validator []byte) bool { return validator[0]%2 == 0 }

type lessEvidence struct{ comet.BlockInfo }

// GetEvidence leaves out what honest validators are said to have done.
func (b lessEvidence) GetEvidence() comet.EvidenceList {
	var out evidenceList
	all := b.BlockInfo.GetEvidence()
	for i := range all.Len() {
		if e := all.Get(i); !honest(e.Validator().Address()) {
			out = append(out, e)
		}
	}
	return out
}

type evidenceList []comet.Evidence

func (l evidenceList) Len() int                 { return len(l) }
func (l evidenceList) Get(i int) comet.Evidence { return l[i] }

// ownModules are the chain's five, as one module of the simulator.
type ownModules struct{ a *simApp }

func (ownModules) RegisterStoreDecoder(simtypes.StoreDecoderRegistry) {}

func (ownModules) WeightedOperations(module.SimulationState) []simtypes.WeightedOperation { return nil }

// WeightedOperationsX registers the messages.
func (m ownModules) WeightedOperationsX(weights simsx.WeightSource, reg simsx.Registry) {
	messages(reg, weights, m.a.App, m.a.key, m.a.tally)
}

// GenerateGenesisState makes one run, of a random account.
func (m ownModules) GenerateGenesisState(s *module.SimulationState) {
	// Few leave for being away: a chain without validators ends the run.
	change(s, slashingtypes.ModuleName, func(g *slashingtypes.GenesisState) {
		g.Params.SignedBlocksWindow, g.Params.MinSignedPerWindow = 100, sdkmath.LegacyNewDecWithPrec(5, 2)
		g.Params.DowntimeJailDuration = time.Hour
	})
	change(s, stakingtypes.ModuleName, func(g *stakingtypes.GenesisState) {
		g.Params.MaxValidators = validators
	})
	change(s, challengetypes.ModuleName, func(g *challengetypes.GenesisState) {
		g.Params.BlockTime, g.Params.MinGraderStake = 10*time.Second, params.GAL(1)
		g.Params.KeepWindows, g.Params.MaxGraders = challengetypes.MaxOpenWindows, 5
		g.Params.Beacon = challengetypes.BeaconParams{
			PublicKey: m.a.key.PublicKey(), GenesisTime: genesisTime - 100, Period: 1, TimeoutBlocks: 8, Test: true,
		}
		owner, _ := simtypes.RandomAcc(s.Rand, s.Accounts)
		g.Runs = []challengetypes.Run{{
			Id: mainRun, Owner: owner.AddressBech32, Learner: owner.AddressBech32, Name: "simulation",
			Params: runParams(s.Rand), Status: challengetypes.RunStatus_RUN_STATUS_ACTIVE,
		}}
	})
	change(s, policytypes.ModuleName, func(g *policytypes.GenesisState) {
		g.Checkpoints = []policytypes.Checkpoint{{Run: mainRun, Digest: digest("base")}}
	})
	change(s, registrytypes.ModuleName, func(g *registrytypes.GenesisState) {
		g.Params.MaxMiners, g.Params.PriceHalfLife = uint32(8+s.Rand.Intn(20)), 2
		g.Params.ImmunityBlocks = uint64(1 + s.Rand.Intn(10))
	})
	change(s, settlementtypes.ModuleName, func(g *settlementtypes.GenesisState) {
		g.Params.RewardLockWindows, g.Params.EvidenceWindows, g.Params.JailWindows = 1, 1, 2
		g.Params.DutyWindow = challengetypes.MaxOpenWindows
		g.Params.MaxSupply = params.GAL(1_000_000_000_000) // the accounts are rich; nothing would be minted
	})
}

func change[T any, P interface {
	*T
	proto.Message
}](s *module.SimulationState, name string, f func(P)) {
	g := P(new(T))
	s.Cdc.MustUnmarshalJSON(s.GenState[name], g)
	f(g)
	s.GenState[name] = s.Cdc.MustMarshalJSON(g)
}

// runParams are random, with windows of a few blocks.
func runParams(r *rand.Rand) challengetypes.RunParams {
	e, err := env.Lookup("arithmetic-3")
	must(err)
	d := e.Digest()
	p := challengetypes.DefaultRunParams([]challengetypes.EnvironmentWeight{{Id: e.ID(), Digest: d[:], Weight: 1}}, digest("tokenizer"), conformance)
	p.GroupSize, p.MinGraderTokensPerSecond = groupSize, 1_000_000
	p.CommitBlocks, p.AuditBlocks, p.RevealBlocks = uint32(2+r.Intn(2)), uint32(2+r.Intn(2)), uint32(2+r.Intn(2))
	p.PolicyActivation = challengetypes.PolicyActivation(1 + r.Intn(2))
	p.PolicyDelayBlocks = uint32(1 + r.Intn(3))
	return p
}

// stateFactory makes genesis: random for the SDK's modules, with stakes of this coin.
func stateFactory(a *simApp) simsx.SimStateFactory {
	return simsx.SimStateFactory{
		Codec: a.Codec(), AccountSource: a.Account, BalanceSource: a.Bank, BlockedAddr: map[string]bool{},
		AppStateFn: func(r *rand.Rand, accs []simtypes.Account, cfg simtypes.Config) (json.RawMessage, []simtypes.Account, string, time.Time) {
			start := time.Unix(cfg.GenesisTime, 0)
			s := &module.SimulationState{
				AppParams: simtypes.AppParams{}, Cdc: a.Codec(), Rand: r, GenState: a.DefaultGenesis(), Accounts: accs,
				InitialStake: params.GAL(1_000_000_000), NumBonded: validators, BondDenom: params.BaseDenom, GenTimestamp: start,
			}
			a.sm.GenerateGenesisStates(s)
			change(s, banktypes.ModuleName, func(g *banktypes.GenesisState) {
				g.Balances = append(g.Balances, banktypes.Balance{
					Address: authtypes.NewModuleAddress(stakingtypes.NotBondedPoolName).String(),
					Coins:   sdk.NewCoins(sdk.NewCoin(params.BaseDenom, s.InitialStake.MulRaw(validators))),
				})
			})
			raw, err := json.Marshal(s.GenState)
			must(err)
			return raw, accs, cfg.ChainID, start
		},
	}
}

// simulate runs a seed and hands the application on.
func simulate(t *testing.T, then func(in simsx.TestInstance[*simApp], accs []simtypes.Account)) {
	t.Helper()
	cfg := cli.NewConfigFromFlags()
	cfg.ChainID = simsx.SimAppChainID
	t.Logf("seed %d, %d blocks of %d", cfg.Seed, cfg.NumBlocks, cfg.BlockSize)
	t.Cleanup(func() {
		if t.Skipped() {
			t.Error("the simulator gave up before the end")
		}
	})
	few := func(r *rand.Rand, _ int) []simtypes.Account { return simtypes.RandomAccounts(r, accounts) }
	simsx.RunWithSeedAndRandAcc(t, cfg, newApp, stateFactory, cfg.Seed, nil, few,
		func(_ testing.TB, in simsx.TestInstance[*simApp], accs []simtypes.Account) {
			t.Logf("\n%s", in.App.tally)
			if want := int64(cfg.InitialBlockHeight + cfg.NumBlocks - 1); in.App.LastBlockHeight() != want {
				t.Fatalf("the simulation ended at height %d, not %d", in.App.LastBlockHeight(), want)
			}
			checkInvariants(t, in.App, in.App.NewContextLegacy(true, lastHeader(in.App)))
			then(in, accs)
		})
}

func checkInvariants(t *testing.T, a *simApp, ctx sdk.Context) {
	t.Helper()
	for _, k := range a.GalahadKeepers() {
		if err := k.(interface{ CheckInvariants(context.Context) error }).CheckInvariants(ctx); err != nil {
			t.Fatalf("after block %d: %v", a.LastBlockHeight(), err)
		}
	}
}

func lastHeader(a *simApp) cmtproto.Header { return a.GetContextForCheckTx(nil).BlockHeader() }
