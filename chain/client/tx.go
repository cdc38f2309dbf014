package client

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	errorsmod "cosmossdk.io/errors"

	"github.com/cosmos/cosmos-sdk/client/tx"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"

	"github.com/galahad-network/galahad/chain/daemon"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

const (
	// txLifetime is after how many blocks an unincluded transaction is dead.
	txLifetime = 20
	// txAttempts is how often a transaction that died or had a stale sequence is
	// made anew.
	txAttempts = 4
	// simulatedGas is the gas whose fee a simulation carries.
	simulatedGas = 200_000
	// gasMargin is added to what a simulation says.
	gasMargin = 20_000
	// unsimulatedGas and unsimulatedGasPerByte are a generous limit for what cannot
	// be simulated; see tooEarly.
	unsimulatedGas        = 300_000
	unsimulatedGasPerByte = 150
	// inclusionPoll is the time between two looks for a transaction.
	inclusionPoll = 200 * time.Millisecond
)

// ErrExpired is returned when a transaction stayed out of blocks until its
// timeout height, txAttempts times.
var ErrExpired = errors.New("transaction was not included before its timeout height")

// TxError is a transaction that the chain refused, in a simulation (then it was not
// sent), in the mempool (Height 0) or in a block. It unwraps to the module's
// registered error, for errors.Is.
type TxError struct {
	Simulated bool
	Hash      []byte
	Height    int64
	Codespace string
	Code      uint32
	Log       string
}

func (e *TxError) Error() string {
	said := strings.TrimSpace(noise.ReplaceAllString(e.Log, ""))
	if e.Simulated {
		return "transaction would fail: " + said
	}
	where := "refused"
	if e.Height > 0 {
		where = fmt.Sprintf("failed in block %d", e.Height)
	}
	hint := ""
	if errors.Is(e, sdkerrors.ErrInsufficientFee) {
		hint = "; raise chain.gas_price"
	}
	return fmt.Sprintf("transaction %s: %s (%s %d)%s", where, said, e.Codespace, e.Code, hint)
}

// Unwrap returns the registered error of (Codespace, Code).
func (e *TxError) Unwrap() error { return errorsmod.ABCIError(e.Codespace, e.Code, e.Log) }

// Result is a transaction that is in a block and succeeded.
type Result struct {
	Hash    []byte
	Height  int64
	GasUsed int64
	Data    []byte // TxMsgData
}

// Writer signs and sends the transactions of one key. It is safe for concurrent
// use; there must be one Writer for a key, whatever the number of goroutines.
type Writer struct {
	c       *Client
	keyring keyring.Keyring
	name    string
	address sdk.AccAddress
	prices  sdk.DecCoins
	gas     uint64 // fixed; 0: simulated

	mu      sync.Mutex
	known   bool // account number and next sequence are known
	account uint64
	next    uint64
}

// WriterOptions says how a Writer pays.
type WriterOptions struct {
	// GasPrice is the price of a unit of gas, such as 1000000000agal.
	GasPrice string
	// Gas is the limit of every transaction; 0 simulates it and takes 1.3 times
	// what it used.
	Gas uint64
}

// Writer returns the writer of a key of the keyring.
func (c *Client) Writer(kr keyring.Keyring, name string, opt WriterOptions) (*Writer, error) {
	key, err := kr.Key(name)
	if err != nil {
		return nil, fmt.Errorf("key %q: %w; make it with: galahadd keys add %s --keyring-dir <folder> --keyring-backend <backend>", name, err, name)
	}
	address, err := key.GetAddress()
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", name, err)
	}
	prices, err := sdk.ParseDecCoins(opt.GasPrice)
	if err != nil {
		return nil, fmt.Errorf("gas price %q: %w", opt.GasPrice, err)
	}
	return &Writer{c: c, keyring: kr, name: name, address: address, prices: prices, gas: opt.Gas}, nil
}

// Address of the key.
func (w *Writer) Address() sdk.AccAddress { return w.address }

// Tx puts the messages into one transaction and waits until it is in a block.
// Errors: *TxError if the chain refused it, ErrExpired, the context's. After any
// other end than Result or *TxError with a Height, the transaction may or may not
// be included later: ask the chain before deciding again.
func (w *Writer) Tx(ctx context.Context, msgs ...sdk.Msg) (Result, error) {
	for attempt := 1; ; attempt++ {
		sent, err := w.send(ctx, msgs)
		if err == nil {
			var r Result
			if r, err = w.wait(ctx, sent); !errors.Is(err, ErrExpired) {
				return r, err
			}
			w.forget()
		}
		if attempt == txAttempts || !retryable(err) {
			return Result{}, err
		}
		w.c.opt.Log.Debug("sending the transaction again", "attempt", attempt+1, "reason", err)
		if err := w.nextBlock(ctx); err != nil {
			return Result{}, err
		}
	}
}

// retryable reports whether a new transaction with a fresh sequence may succeed.
func retryable(err error) bool {
	return errors.Is(err, sdkerrors.ErrWrongSequence) || errors.Is(err, sdkerrors.ErrMempoolIsFull) ||
		errors.Is(err, ErrExpired)
}

// inFlight is a transaction in the mempool.
type inFlight struct {
	hash    []byte
	timeout int64
}

// send signs with the next sequence and broadcasts. Only this part is serial: a
// key may have several transactions in the mempool.
func (w *Writer) send(ctx context.Context, msgs []sdk.Msg) (inFlight, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.learn(ctx); err != nil {
		return inFlight{}, err
	}
	height, err := w.c.Height(ctx)
	if err != nil {
		return inFlight{}, err
	}
	f := tx.Factory{}.WithTxConfig(w.c.codec.Tx).WithKeybase(w.keyring).WithFromName(w.name).WithChainID(w.c.opt.ChainID).
		WithAccountNumber(w.account).WithSequence(w.next).WithGasPrices(w.prices.String()).WithSimulateAndExecute(true).
		WithSignMode(signing.SignMode_SIGN_MODE_DIRECT).WithTimeoutHeight(uint64(height + txLifetime))
	gas := w.gas
	if gas == 0 {
		if gas, err = w.simulate(ctx, f, msgs); err != nil {
			w.known = false
			return inFlight{}, err
		}
	}
	builder, err := f.WithGas(gas).BuildUnsignedTx(msgs...)
	if err != nil {
		return inFlight{}, fmt.Errorf("build transaction: %w", err)
	}
	if err := tx.Sign(ctx, f, w.name, builder, true); err != nil {
		return inFlight{}, fmt.Errorf("sign transaction with key %q: %w", w.name, err)
	}
	raw, err := w.c.codec.Tx.TxEncoder()(builder.GetTx())
	if err != nil {
		return inFlight{}, fmt.Errorf("encode transaction: %w", err)
	}
	hash, err := w.c.broadcast(ctx, raw)
	if err != nil {
		w.known = false
		return inFlight{}, err
	}
	w.next++
	return inFlight{hash: hash, timeout: height + txLifetime}, nil
}

// learn reads account number and sequence from the chain if they are not known.
func (w *Writer) learn(ctx context.Context) error {
	if w.known {
		return nil
	}
	number, sequence, err := w.c.Account(ctx, w.address)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("account %s of key %q: %w; send it some coins first", w.address, w.name, ErrNotFound)
	}
	if err != nil {
		return err
	}
	w.account, w.next, w.known = number, sequence, true
	return nil
}

func (w *Writer) forget() {
	w.mu.Lock()
	w.known = false
	w.mu.Unlock()
}

// simulate returns 1.3 times the gas that the messages use now, plus gasMargin:
// by the time of the real thing others may have grown what it reads. The
// simulation carries a fee, or it would lack the gas of deducting one.
func (w *Writer) simulate(ctx context.Context, f tx.Factory, msgs []sdk.Msg) (uint64, error) {
	raw, err := f.WithGas(simulatedGas).BuildSimTx(msgs...)
	if err != nil {
		return 0, fmt.Errorf("build transaction: %w", err)
	}
	var used uint64
	err = w.c.each(ctx, func(ctx context.Context, n node) (err error) {
		used, err = n.simulate(ctx, raw)
		return err
	})
	switch {
	case tooEarly(err):
		return unsimulatedGas + unsimulatedGasPerByte*uint64(len(raw)), nil
	case err != nil:
		return 0, err
	}
	return used + used*3/10 + gasMargin, nil
}

// tooEarly reports whether a simulation failed because it runs on the newest block,
// while the transaction will run in the next one, where another stage may begin.
// A transaction of the wrong stage fails there again, for the price of its fee.
func tooEarly(err error) bool {
	return errors.Is(err, rollouttypes.ErrNotCommitStage) || errors.Is(err, settlementtypes.ErrWrongStage)
}

// noise is what the SDK adds to errors for its developers: places in its source
// code, and who ran the transaction.
var noise = regexp.MustCompile(`( \[[^\]]*\.go:\d+\])|(failed to simulate tx: )|(failed to execute message; message index: 0: )`)

// broadcast hands a signed transaction to a node. Bytes that a node has already
// are as good as sent, so falling back to another node is safe.
func (c *Client) broadcast(ctx context.Context, raw []byte) ([]byte, error) {
	var sent checked
	err := c.each(ctx, func(ctx context.Context, n node) (err error) {
		sent, err = n.broadcast(ctx, raw)
		return err
	})
	if err != nil && strings.Contains(err.Error(), "tx already exists in cache") {
		return txHash(raw), nil
	}
	if err != nil {
		return nil, err
	}
	if sent.code != 0 && !(sent.codespace == sdkerrors.RootCodespace && sent.code == sdkerrors.ErrTxInMempoolCache.ABCICode()) {
		return nil, &TxError{Hash: sent.hash, Codespace: sent.codespace, Code: sent.code, Log: sent.log}
	}
	return txHash(raw), nil
}

// wait polls until the transaction is in a block, or until no block can take it
// any more.
func (w *Writer) wait(ctx context.Context, t inFlight) (Result, error) {
	for {
		var r Result
		var found, dead bool
		err := w.c.each(ctx, func(ctx context.Context, n node) (err error) {
			// The height is read before the look, so that a transaction in the last
			// possible block cannot slip in between; one more block leaves the
			// node's index the time to take it up.
			s, err := n.status(ctx)
			if err != nil {
				return err
			}
			dead = s.Height > t.timeout+1
			r, found, err = n.included(ctx, t.hash)
			return err
		})
		switch {
		case err != nil || found:
			return r, err
		case dead:
			return Result{}, fmt.Errorf("%w: %s at height %d", ErrExpired, hex.EncodeToString(t.hash), t.timeout)
		}
		if err := daemon.Sleep(ctx, inclusionPoll); err != nil {
			return Result{}, fmt.Errorf("waiting for transaction %s: %w", hex.EncodeToString(t.hash), err)
		}
	}
}

// nextBlock waits until the height has grown by one.
func (w *Writer) nextBlock(ctx context.Context) error {
	first, err := w.c.Height(ctx)
	for h := first; err == nil && h == first; h, err = w.c.Height(ctx) {
		if err := daemon.Sleep(ctx, inclusionPoll); err != nil {
			return err
		}
	}
	return err
}
