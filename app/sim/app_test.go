package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtcrypto "github.com/cometbft/cometbft/crypto/encoding"
	dbm "github.com/cosmos/cosmos-db"

	"cosmossdk.io/core/header"
	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/client/flags"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	simtestutil "github.com/cosmos/cosmos-sdk/testutil/sims"
	"github.com/cosmos/cosmos-sdk/testutil/simsx"
	sdk "github.com/cosmos/cosmos-sdk/types"
	simtypes "github.com/cosmos/cosmos-sdk/types/simulation"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// lifeblood must have been accepted at least once by default, or the simulation would
// simulate nothing. The simulator leaves most blocks of some other seeds empty.
var lifeblood = []sdk.Msg{
	&registrytypes.MsgRegister{}, &challengetypes.MsgSubmitBeacon{}, &challengetypes.MsgCreateRun{}, &rollouttypes.MsgCommitRollouts{},
	&settlementtypes.MsgCommitVerdicts{}, &settlementtypes.MsgRevealVerdicts{},
}

func TestAppStateDeterminism(t *testing.T) {
	var hashes [2][]byte
	for i := range hashes {
		simulate(t, func(in simsx.TestInstance[*simApp], _ []simtypes.Account) {
			hashes[i] = in.App.LastCommitID().Hash
			for _, m := range lifeblood {
				if byDefault() && in.Cfg.Seed == 1 && in.App.tally.accepted[sdk.MsgTypeURL(m)] == 0 {
					t.Errorf("no %s was accepted", sdk.MsgTypeURL(m))
				}
			}
		})
	}
	if !bytes.Equal(hashes[0], hashes[1]) {
		t.Fatalf("the same seed gave app hashes %X and %X", hashes[0], hashes[1])
	}
}

// TestAppImportExport: the stores of the chain's modules and of bank are the same, key
// for key, in a chain that starts from the exported state, and so is what every module
// exports anew. The SDK's other modules keep queues that they rebuild.
func TestAppImportExport(t *testing.T) {
	simulate(t, func(in simsx.TestInstance[*simApp], _ []simtypes.Account) {
		old := in.App
		fresh, raw := imported(t, old)
		// Nothing is committed yet: this is what the first block starts from.
		h := lastHeader(old)
		h.Height++
		ctx := fresh.NewContextLegacy(false, h)
		oldCtx := old.NewContextLegacy(true, lastHeader(old))
		for _, name := range []string{
			challengetypes.StoreKey, registrytypes.StoreKey, policytypes.StoreKey, rollouttypes.StoreKey, settlementtypes.StoreKey,
			banktypes.StoreKey,
		} {
			compareStores(t, name, oldCtx.KVStore(old.StoreKey(name)), ctx.KVStore(fresh.StoreKey(name)))
		}
		checkInvariants(t, fresh, ctx)

		again, err := fresh.Modules().ExportGenesis(ctx, fresh.Codec())
		must(err)
		var want map[string]json.RawMessage
		must(json.Unmarshal(raw, &want))
		for name, w := range want {
			var a, b bytes.Buffer
			must(json.Compact(&a, w))
			must(json.Compact(&b, again[name]))
			if !bytes.Equal(a.Bytes(), b.Bytes()) {
				t.Errorf("module %s exports anew\n%.2000s\nand exported\n%.2000s", name, &b, &a)
			}
		}
	})
}

func compareStores(t *testing.T, name string, a, b storetypes.KVStore) {
	t.Helper()
	before, after := entries(a), entries(b)
	t.Logf("store %s: %d keys", name, len(before))
	if len(before) == 0 {
		t.Errorf("store %s is empty", name)
	}
	for k, v := range before {
		if w, ok := after[k]; !ok {
			t.Errorf("store %s: %X=%X is gone", name, k, v)
		} else if v != w {
			t.Errorf("store %s: %X=%X came back as %X", name, k, v, w)
		}
	}
	for k, v := range after {
		if _, ok := before[k]; !ok {
			t.Errorf("store %s: %X=%X is new", name, k, v)
		}
	}
}

func entries(s storetypes.KVStore) map[string]string {
	out := map[string]string{}
	it := s.Iterator(nil, nil)
	defer func() { must(it.Close()) }()
	for ; it.Valid(); it.Next() {
		out[string(it.Key())] = string(it.Value())
	}
	return out
}

// imported starts a chain from the state of another. Heights go on.
func imported(t *testing.T, old *simApp) (*simApp, json.RawMessage) {
	t.Helper()
	exported, err := old.Export(false, nil)
	must(err)
	fresh := newApp(log.NewNopLogger(), dbm.NewMemDB(), true, simtestutil.AppOptionsMap{flags.FlagHome: t.TempDir()},
		baseapp.SetChainID(old.ChainID()))
	t.Cleanup(func() { must(fresh.Close()) })
	req := &abci.RequestInitChain{
		Time: lastHeader(old).Time, ChainId: old.ChainID(), InitialHeight: exported.Height,
		ConsensusParams: &exported.ConsensusParams, AppStateBytes: exported.AppState,
	}
	for _, v := range exported.Validators {
		key, err := cmtcrypto.PubKeyToProto(v.PubKey)
		must(err)
		req.Validators = append(req.Validators, abci.ValidatorUpdate{PubKey: key, Power: v.Power})
	}
	if _, err := fresh.InitChain(req); err != nil {
		t.Fatalf("InitChain from the exported state: %v", err)
	}
	return fresh, exported.AppState
}

// TestAppSimulationAfterImport goes on with the messages of the chain's own modules on a
// chain that was started from the exported state. Before or after the import each of them
// must have been accepted at least once, at the default size. The SDK's simulator can only start at
// height 1, so this test delivers the messages itself.
func TestAppSimulationAfterImport(t *testing.T) {
	simulate(t, func(in simsx.TestInstance[*simApp], accs []simtypes.Account) {
		fresh, _ := imported(t, in.App)
		tally := in.App.tally // of both chains
		before := tally.total()
		var reg simsx.UnorderedRegistry
		messages(&reg, simsx.WeightSourceFn(func(_ string, w uint32) uint32 { return w }), fresh.App, fresh.key, tally)
		r := rand.New(rand.NewSource(in.Cfg.Seed))
		now, first := lastHeader(in.App).Time, in.App.LastBlockHeight()+1
		for height := first; height < first+int64(in.Cfg.NumBlocks); height++ {
			now = now.Add(time.Minute)
			_, err := fresh.FinalizeBlock(&abci.RequestFinalizeBlock{Height: height, Time: now})
			if err != nil {
				t.Fatalf("block %d: %v", height, err)
			}
			h := lastHeader(in.App)
			h.Height, h.Time = height, now
			ctx := fresh.NewContextLegacy(false, h).WithHeaderInfo(header.Info{Height: height, Time: now, ChainID: h.ChainID})
			for range in.Cfg.BlockSize {
				deliver(t, fresh, ctx, r, pick(r, reg), accs)
			}
			fresh.SimWriteState()
			_, err = fresh.Commit()
			must(err)
		}
		t.Logf("with what came after the import:\n%s", tally)
		checkInvariants(t, fresh, fresh.NewContextLegacy(true, lastHeader(fresh)))
		if tally.total() == before {
			t.Error("no message was accepted after the import")
		}
		for _, kind := range tally.kinds {
			if byDefault() && tally.accepted[kind] == 0 {
				t.Errorf("no %s was accepted", kind)
			}
		}
	})
}

// pick is a random message, by weight.
func pick(r *rand.Rand, reg simsx.UnorderedRegistry) simsx.SimMsgFactoryX {
	sum := 0
	for _, f := range reg {
		sum += int(f.Weight)
	}
	n := r.Intn(sum)
	for _, f := range reg {
		if n -= int(f.Weight); n < 0 {
			return f.Factory
		}
	}
	panic("weights do not add up")
}

func deliver(t *testing.T, a *simApp, ctx sdk.Context, r *rand.Rand, f simsx.SimMsgFactoryX, accs []simtypes.Account) {
	t.Helper()
	data := simsx.NewChainDataSource(ctx, r, a.Account, a.Bank, a.TxConfig().SigningContext().AddressCodec(), accs...)
	rep := simsx.NewBasicSimulationReporter().WithScope(f.MsgType())
	signers, msg := f.Create()(ctx, data, rep)
	simsx.DeliverSimsMsg(ctx, rep, a.GetBaseApp(), r, a.TxConfig(), a.Account, ctx.ChainID(), msg, f.DeliveryResultHandler(), signers...)
	if err := rep.Close(); err != nil {
		t.Fatal(fmt.Errorf("block %d: %s: %w", ctx.BlockHeight(), sdk.MsgTypeURL(f.MsgType()), err))
	}
}
