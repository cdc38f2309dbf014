package testapp

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	dbm "github.com/cosmos/cosmos-db"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/store/v2"
	pruningtypes "github.com/cosmos/cosmos-sdk/store/v2/pruning/types"
	simtestutil "github.com/cosmos/cosmos-sdk/testutil/sims"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"github.com/cosmos/cosmos-sdk/x/feegrant"

	"github.com/galahad-network/galahad/app"
)

// kind is how an instance of the application lives.
type kind int

const (
	// plain runs like a node that is left alone.
	plain kind = iota
	// restarted is built anew from its database before blocks, as after a crash:
	// what a keeper or a cache remembers beside the state would show.
	restarted
	// foreign runs each block with another time zone, number of processors and
	// environment, with other settings that an operator may choose, and after a
	// CheckTx of every transaction.
	foreign
)

// instance is one of the applications that a chain's blocks run on.
type instance struct {
	*app.App

	kind    kind
	chainID string
	db      dbm.DB
	home    string
	// minGasPrices are what CheckTx asks for.
	minGasPrices string
}

func newInstance(t testing.TB, k kind, chainID, minGasPrices string) *instance {
	t.Helper()
	n := &instance{kind: k, chainID: chainID, db: dbm.NewMemDB(), home: t.TempDir(), minGasPrices: minGasPrices}
	n.start()
	return n
}

// start builds the application from what the database holds. A former one is
// dropped without Close, as by a crash.
func (n *instance) start() {
	options := []func(*baseapp.BaseApp){baseapp.SetChainID(n.chainID), baseapp.SetMinGasPrices(n.minGasPrices)}
	if n.kind == foreign {
		options = append(options,
			baseapp.SetPruning(pruningtypes.NewPruningOptions(pruningtypes.PruningEverything)),
			baseapp.SetIAVLCacheSize(16),
			baseapp.SetIAVLDisableFastNode(true),
			baseapp.SetInterBlockCache(store.NewCommitKVStoreCacheManager()),
			baseapp.SetMinRetainBlocks(1),
		)
	}
	n.App = app.New(log.NewNopLogger(), n.db, true, simtestutil.AppOptionsMap{flags.FlagHome: n.home}, options...)
}

// block runs and commits one block.
func (n *instance) block(req *abci.RequestFinalizeBlock, restart bool) (*abci.ResponseFinalizeBlock, error) {
	if n.kind == restarted && restart {
		n.start()
	}
	if n.kind != foreign {
		return n.finalize(req)
	}
	leave := enterForeign()
	defer leave()
	var checks []*abci.ResponseCheckTx
	for _, tx := range req.Txs {
		res, err := n.CheckTx(&abci.RequestCheckTx{Tx: tx, Type: abci.CheckTxType_New})
		if err != nil {
			return nil, fmt.Errorf("CheckTx: %w", err)
		}
		checks = append(checks, res)
	}
	res, err := n.finalize(req)
	if err != nil {
		return nil, err
	}
	for i, r := range res.TxResults {
		if err := sameCheck(checks[i], r, i == 0); err != nil {
			return nil, fmt.Errorf("transaction %d: %w", i, err)
		}
	}
	return res, nil
}

func (n *instance) finalize(req *abci.RequestFinalizeBlock) (*abci.ResponseFinalizeBlock, error) {
	res, err := n.FinalizeBlock(req)
	if err != nil {
		return nil, fmt.Errorf("finalize block: %w", err)
	}
	if _, err := n.Commit(); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	return res, nil
}

// sameCheck compares what CheckTx said of a transaction with what came of it in
// the block. CheckTx runs no messages: it must let pass what succeeds, and refuse,
// with the same code, what fails before its messages. In a block of several,
// messages of earlier transactions may have moved the coins or the allowance that
// a later one pays its fee from, and may have used up the block's gas.
func sameCheck(check *abci.ResponseCheckTx, result *abci.ExecTxResult, first bool) error {
	if check.Code == result.Code && check.Codespace == result.Codespace {
		return nil
	}
	if check.Code == 0 && !refusedBeforeMessages(result) {
		return nil
	}
	if is(result.Codespace, result.Code, sdkerrors.ErrOutOfGas) {
		return nil // the block's, which CheckTx does not know
	}
	if !first && (depends(check.Codespace, check.Code) || depends(result.Codespace, result.Code)) {
		return nil
	}
	return fmt.Errorf("CheckTx answers %s/%d (%s), the block %s/%d (%s)",
		check.Codespace, check.Code, check.Log, result.Codespace, result.Code, result.Log)
}

// refusedBeforeMessages is true for a transaction that failed in the ante handler
// or was not decoded: its sequence is not used up and no fee is taken.
func refusedBeforeMessages(r *abci.ExecTxResult) bool {
	if r.Code == 0 {
		return false
	}
	for _, e := range r.Events {
		if e.Type == sdk.EventTypeTx { // the ante handler's events are kept once it has passed
			return false
		}
	}
	return true
}

// depends is true for refusals that earlier transactions of a block can cause or
// lift.
func depends(codespace string, code uint32) bool {
	return codespace == feegrant.DefaultCodespace ||
		is(codespace, code, sdkerrors.ErrInsufficientFunds, sdkerrors.ErrUnknownAddress, sdkerrors.ErrInvalidPubKey)
}

// is reports whether codespace and code are those of one of the errors.
func is(codespace string, code uint32, errs ...interface {
	Codespace() string
	ABCICode() uint32
}) bool {
	for _, e := range errs {
		if e.Codespace() == codespace && e.ABCICode() == code {
			return true
		}
	}
	return false
}

// foreignEnv is set while a foreign instance works. None of it may matter.
var foreignEnv = map[string]string{
	"TZ": "Pacific/Chatham", "LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8", "HOME": "/nonexistent",
	"GALAHADD_MINIMUM_GAS_PRICES": "7agal", "GODEBUG": "randautoseed=0",
}

// foreignMu keeps chains of parallel tests from restoring each other's settings.
var foreignMu sync.Mutex

// enterForeign changes the process's time zone, number of processors and
// environment until the returned function restores them.
func enterForeign() (leave func()) {
	foreignMu.Lock()
	local := time.Local
	time.Local = time.FixedZone("elsewhere", 12*3600+45*60)
	procs := runtime.GOMAXPROCS(1 + 3*(runtime.GOMAXPROCS(0)%2))
	type variable struct {
		value string
		set   bool
	}
	old := map[string]variable{}
	for k, v := range foreignEnv {
		value, set := os.LookupEnv(k)
		old[k] = variable{value, set}
		_ = os.Setenv(k, v) // fails only for names that the table has not
	}
	return func() {
		for k, v := range old {
			if v.set {
				_ = os.Setenv(k, v.value)
			} else {
				_ = os.Unsetenv(k)
			}
		}
		runtime.GOMAXPROCS(procs)
		time.Local = local
		foreignMu.Unlock()
	}
}

// RestartEnv makes every chain restart its restarted instance before every n-th
// block if it is set to n: 1 is every block.
const RestartEnv = "GALAHAD_RESTART_EVERY"

// restarts is when the restarted instance is built anew: before each of the first
// blocks, then before every every-th.
type restarts struct{ first, every int64 }

// due reports whether the instance restarts before the block at height. The first
// block has no state to come back to: InitChain is not committed.
func (r restarts) due(height int64) bool {
	return height > 1 && (height <= r.first || (r.every > 0 && height%r.every == 0))
}

// restartsFromEnv replaces r by what RestartEnv says.
func restartsFromEnv(r restarts) (restarts, error) {
	s := os.Getenv(RestartEnv)
	if s == "" {
		return r, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return r, errors.New("testapp: " + RestartEnv + " is not a number of blocks: " + s)
	}
	return restarts{first: 0, every: n}, nil
}
