package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	errorsmod "cosmossdk.io/errors"
	"github.com/cosmos/gogoproto/proto"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	authsigning "github.com/cosmos/cosmos-sdk/x/auth/signing"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/galahad-network/galahad/chain/daemon"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine")) // of the keyring, for ever
}

// ledger is a network of fake nodes that keep one account's sequence as a real
// chain does: CheckTx counts ahead of the blocks.
type ledger struct {
	mu       sync.Mutex
	codec    Codec
	height   int64
	sequence uint64            // in the state
	checked  uint64            // in the mempool
	pool     map[string]uint64 // transaction hash -> sequence
	timeouts map[string]uint64
	blocks   map[string]int64 // hash -> height
	drop     int              // so many transactions vanish from the mempool
	hold     bool             // blocks stay empty
	fail     error            // what every transaction ends with in its block
	// simulation is what simulations end with.
	simulation error
	down       map[int]bool // nodes that do not answer
	calls      map[int]int
}

// block makes a block with everything that is in the mempool.
func (l *ledger) block() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.height++
	for hash := range l.pool {
		if l.hold || l.timeouts[hash] > 0 && uint64(l.height) > l.timeouts[hash] {
			continue
		}
		l.blocks[hash] = l.height
		l.sequence = max(l.sequence, l.pool[hash]+1)
		delete(l.pool, hash)
	}
	if len(l.pool) == 0 || l.hold {
		l.checked = l.sequence // a recheck that drops what is dead
	}
}

type fakeNode struct {
	l  *ledger
	id int
}

func (n fakeNode) enter() error {
	n.l.mu.Lock()
	defer n.l.mu.Unlock()
	n.l.calls[n.id]++
	if n.l.down[n.id] {
		return fmt.Errorf("%w: node %d: connection refused", ErrUnreachable, n.id)
	}
	return nil
}

func (n fakeNode) close() {}

func (n fakeNode) status(context.Context) (Status, error) {
	if err := n.enter(); err != nil {
		return Status{}, err
	}
	n.l.mu.Lock()
	defer n.l.mu.Unlock()
	return Status{ChainID: "test-1", Height: n.l.height}, nil
}

func (n fakeNode) query(_ context.Context, method string, req, resp proto.Message) error {
	if err := n.enter(); err != nil {
		return err
	}
	n.l.mu.Lock()
	defer n.l.mu.Unlock()
	switch r := resp.(type) {
	case *authtypes.QueryAccountInfoResponse:
		if n.l.calls[-1] > 0 {
			return status.Error(codes.NotFound, "account not found")
		}
		r.Info = &authtypes.BaseAccount{AccountNumber: 7, Sequence: n.l.sequence}
	case *rollouttypes.QueryCommitmentResponse:
		return status.Errorf(codes.Unknown, "codespace rollout code 15: %s: of x", rollouttypes.ErrNotFound)
	default:
		return fmt.Errorf("unexpected query %s", method)
	}
	return nil
}

func (n fakeNode) simulate(context.Context, []byte) (uint64, error) {
	if err := n.enter(); err != nil {
		return 0, err
	}
	n.l.mu.Lock()
	defer n.l.mu.Unlock()
	return 100_000, n.l.simulation
}

func (n fakeNode) broadcast(_ context.Context, raw []byte) (checked, error) {
	if err := n.enter(); err != nil {
		return checked{}, err
	}
	decoded, err := n.l.codec.Tx.TxDecoder()(raw)
	if err != nil {
		return checked{}, err
	}
	signed := decoded.(authsigning.SigVerifiableTx)
	signatures, err := signed.GetSignaturesV2()
	if err != nil {
		return checked{}, err
	}
	n.l.mu.Lock()
	defer n.l.mu.Unlock()
	if got := signatures[0].Sequence; got != n.l.checked {
		return checked{code: sdkerrors.ErrWrongSequence.ABCICode(), codespace: sdkerrors.RootCodespace,
			log: fmt.Sprintf("account sequence mismatch, expected %d, got %d", n.l.checked, got)}, nil
	}
	hash := txHash(raw)
	if n.l.drop > 0 {
		n.l.drop--
		return checked{hash: hash}, nil
	}
	n.l.checked++
	n.l.pool[string(hash)] = signatures[0].Sequence
	n.l.timeouts[string(hash)] = decoded.(sdk.TxWithTimeoutHeight).GetTimeoutHeight()
	return checked{hash: hash}, nil
}

func (n fakeNode) included(_ context.Context, hash []byte) (Result, bool, error) {
	if err := n.enter(); err != nil {
		return Result{}, false, err
	}
	n.l.mu.Lock()
	defer n.l.mu.Unlock()
	h, ok := n.l.blocks[string(hash)]
	if ok && n.l.fail != nil {
		return Result{}, true, n.l.fail
	}
	return Result{Hash: hash, Height: h}, ok, nil
}

func network(t *testing.T, nodes int) (*ledger, *Writer) {
	t.Helper()
	codec, err := NewCodec()
	require.NoError(t, err)
	l := &ledger{codec: codec, height: 1, pool: map[string]uint64{}, timeouts: map[string]uint64{}, blocks: map[string]int64{}, down: map[int]bool{}, calls: map[int]int{}}
	c := &Client{opt: Options{ChainID: "test-1", Log: slog.New(slog.DiscardHandler), Retry: daemon.Backoff{Min: time.Millisecond, Max: 5 * time.Millisecond}}, codec: codec}
	for i := range nodes {
		c.nodes = append(c.nodes, fakeNode{l, i})
	}
	kr := keyring.NewInMemory(codec.Proto)
	_, _, err = kr.NewMnemonic("miner", keyring.English, sdk.FullFundraiserPath, keyring.DefaultBIP39Passphrase, hd.Secp256k1)
	require.NoError(t, err)
	w, err := c.Writer(kr, "miner", WriterOptions{GasPrice: "1000000000agal"})
	require.NoError(t, err)
	return l, w
}

// blocks makes blocks until the test ends.
func blocks(t *testing.T, l *ledger, every time.Duration) {
	t.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(every):
				l.block()
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
}

func claim(w *Writer) sdk.Msg { return &settlementtypes.MsgClaim{Miner: w.Address().String(), Run: 1} }

func TestTransactionsOfManyGoroutinesGetTheirOwnSequences(t *testing.T) {
	l, w := network(t, 1)
	blocks(t, l, 20*time.Millisecond)
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			_, err := w.Tx(t.Context(), claim(w))
			require.NoError(t, err)
		})
	}
	all.Wait()
	require.Equal(t, uint64(12), l.sequence)
	require.Len(t, l.blocks, 12)
}

func TestAStaleSequenceIsReadAgainAndTheTransactionSentAgain(t *testing.T) {
	l, w := network(t, 1)
	blocks(t, l, 10*time.Millisecond)
	_, err := w.Tx(t.Context(), claim(w))
	require.NoError(t, err)
	l.mu.Lock()
	l.sequence, l.checked = 40, 40 // the key signed elsewhere
	l.mu.Unlock()
	_, err = w.Tx(t.Context(), claim(w))
	require.NoError(t, err)
	require.Equal(t, uint64(41), l.sequence)
}

func TestATransactionThatVanishedIsSentAgainOnlyAfterItsTimeoutHeight(t *testing.T) {
	l, w := network(t, 1)
	l.drop = 1
	blocks(t, l, 2*time.Millisecond)
	r, err := w.Tx(t.Context(), claim(w))
	require.NoError(t, err)
	require.Greater(t, r.Height, int64(txLifetime), "no second one before the first was dead")
	require.Len(t, l.blocks, 1)
}

func TestANodeThatIsDownIsPassedOverAndAllDownIsWaitedFor(t *testing.T) {
	l, w := network(t, 2)
	blocks(t, l, 10*time.Millisecond)
	l.down[0] = true
	_, err := w.Tx(t.Context(), claim(w))
	require.NoError(t, err)
	require.Positive(t, l.calls[1])
	l.mu.Lock()
	l.down[1] = true
	l.mu.Unlock()
	time.AfterFunc(50*time.Millisecond, func() {
		l.mu.Lock()
		l.down[0], l.down[1] = false, false
		l.mu.Unlock()
	})
	_, err = w.Tx(t.Context(), claim(w))
	require.NoError(t, err)
	l.mu.Lock()
	l.down[0], l.down[1] = true, true
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err = w.Tx(ctx, claim(w))
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestAFailureInABlockIsTypedAndNotRepeated(t *testing.T) {
	l, w := network(t, 1)
	blocks(t, l, 10*time.Millisecond)
	l.fail = &TxError{Height: 5, Codespace: settlementtypes.ModuleName, Code: settlementtypes.ErrNothingToClaim.ABCICode(), Log: "nothing to claim"}
	_, err := w.Tx(t.Context(), claim(w))
	require.ErrorIs(t, err, settlementtypes.ErrNothingToClaim)
	var refused *TxError
	require.True(t, errors.As(err, &refused))
	require.Equal(t, uint64(1), l.sequence, "one transaction only")
}

func TestAnAccountWithoutCoinsIsAnErrorThatSaysWhatToDo(t *testing.T) {
	l, w := network(t, 1)
	l.calls[-1] = 1
	_, err := w.Tx(t.Context(), claim(w))
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorContains(t, err, "send it some coins")
}

func TestAMissingObjectIsNotAnErrorWhateverTheTransportMadeOfIt(t *testing.T) {
	_, w := network(t, 1)
	_, ok, err := w.c.Commitment(t.Context(), 1, 1, w.Address())
	require.NoError(t, err)
	require.False(t, ok)
}

func TestANodeOfAnotherChainIsRefused(t *testing.T) {
	_, w := network(t, 1)
	require.NoError(t, w.c.CheckChain(t.Context()))
	w.c.opt.ChainID = "other-1"
	require.ErrorIs(t, w.c.CheckChain(t.Context()), ErrWrongChain)
}

// simulated is a refusal as a node's simulation gives it.
func simulated(refusal *errorsmod.Error, why string) error {
	return &TxError{Simulated: true, Codespace: refusal.Codespace(), Code: refusal.ABCICode(),
		Log: fmt.Sprintf("failed to simulate tx: failed to execute message; message index: 0: %s: %s", why, refusal)}
}

func TestAStageThatBeginsWithTheNextBlockIsNotLeftToTheSimulation(t *testing.T) {
	l, w := network(t, 1)
	blocks(t, l, 10*time.Millisecond)
	l.simulation = simulated(settlementtypes.ErrWrongStage, "window 0 is in AUDIT")
	_, err := w.Tx(t.Context(), claim(w))
	require.NoError(t, err)
	l.mu.Lock()
	l.simulation = simulated(rollouttypes.ErrJailed, "until window 11")
	l.mu.Unlock()
	_, err = w.Tx(t.Context(), claim(w))
	require.ErrorIs(t, err, rollouttypes.ErrJailed)
	require.EqualError(t, err, "transaction would fail: until window 11: miner is jailed")
}
