package traffic

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	rpchttp "github.com/cometbft/cometbft/rpc/client/http"

	sdkmath "cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/client/tx"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	authsigning "github.com/cosmos/cosmos-sdk/x/auth/signing"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/chain/daemon"
	challenge "github.com/galahad-network/galahad/x/challenge/types"
	registry "github.com/galahad-network/galahad/x/registry/types"
	rollout "github.com/galahad-network/galahad/x/rollout/types"
)

const (
	// lifetime is after how many blocks a transaction that is in none is lost.
	lifetime = 40
	// margin is how many blocks before the end of COMMIT the last commitments are sent.
	margin = 8
	// watchEvery and windowEvery are the pauses between two looks at the newest block and at the load's windows.
	watchEvery  = 25 * time.Millisecond
	windowEvery = 250 * time.Millisecond
	// drainLimit bounds the wait for the last transactions.
	drainLimit = 2 * time.Minute
	rpcTimeout = 10 // seconds
)

// What a transaction does, with its gas limit.
const (
	kindSend   = "send"
	kindBond   = "bond"
	kindCommit = "commit"
)

var gasLimit = map[string]uint64{kindSend: 120_000, kindBond: 160_000, kindCommit: 260_000}

// Options of a load.
type Options struct {
	ChainID string
	// Nodes are RPC URLs; the accounts take turns in who sends to which. The first one is watched.
	Nodes []string
	// Accounts have coins on the chain. Each has one transaction under way at a time, so there must be enough of them
	// for the rate times the inclusion latency.
	Accounts []Account
	// Rate is how many transactions a second are offered, for Duration.
	Rate     float64
	Duration time.Duration
	// Mine makes half of the transactions bonds and commitments in the load's own run; see Genesis.
	Mine bool
}

// Drive sends the load and returns when every transaction is in a block or lost. Errors: a node that does not answer
// at the start, accounts that the chain does not know.
func Drive(ctx context.Context, o Options) (Report, error) {
	if len(o.Nodes) == 0 || len(o.Accounts) == 0 || o.Rate <= 0 || o.Duration <= 0 {
		return Report{}, errors.New("load: want nodes, accounts, a rate and a duration")
	}
	c, err := client.New(client.Options{ChainID: o.ChainID, Nodes: o.Nodes})
	if err != nil {
		return Report{}, err
	}
	defer c.Close()
	d := &driver{
		o: o, chain: c, codec: c.Codec(),
		flying: map[[32]byte]flight{}, report: Report{Accounts: len(o.Accounts), Offered: o.Rate, Kinds: map[string]int{}, Errors: map[string]int{}},
		free: make(chan *sender, len(o.Accounts)),
	}
	for _, url := range o.Nodes {
		rpc, err := rpchttp.NewWithTimeout(url, "/websocket", rpcTimeout)
		if err != nil {
			return Report{}, fmt.Errorf("load: node %s: %w", url, err)
		}
		d.rpc = append(d.rpc, rpc)
	}
	for i, a := range o.Accounts {
		s := &sender{Account: a, rpc: d.rpc[i%len(d.rpc)], to: o.Accounts[(i+1)%len(o.Accounts)].address}
		if err := d.learn(ctx, s); err != nil {
			return Report{}, err
		}
		d.free <- s
	}
	return d.drive(ctx)
}

// sender is an account with what the chain knows of it.
type sender struct {
	Account
	rpc              *rpchttp.HTTP
	to               sdk.AccAddress
	number, sequence uint64
}

// flight is a transaction under way.
type flight struct {
	sender  *sender
	kind    string
	at      time.Time
	timeout int64
}

// window is where commitments go.
type window struct {
	id                      uint64
	checkpoint, conformance []byte
	until                   int64
}

type driver struct {
	o      Options
	chain  *client.Client
	codec  client.Codec
	rpc    []*rpchttp.HTTP
	free   chan *sender // accounts with nothing under way
	window atomic.Pointer[window]
	height atomic.Int64

	mu        sync.Mutex
	flying    map[[32]byte]flight
	latencies []time.Duration
	report    Report
	last      time.Time // when the last of the load's transactions was seen in a block
	counter   uint64
}

func (d *driver) learn(ctx context.Context, s *sender) (err error) {
	if s.number, s.sequence, err = d.chain.Account(ctx, s.address); err != nil {
		return fmt.Errorf("load: account %s: %w", s.address, err)
	}
	return nil
}

func (d *driver) drive(ctx context.Context) (Report, error) {
	first, err := d.chain.Height(ctx)
	if err != nil {
		return Report{}, err
	}
	d.height.Store(first)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var background, sending sync.WaitGroup
	background.Go(func() { d.watch(watching, first+1) })
	if d.o.Mine {
		background.Go(func() { d.follow(watching) })
	}
	began := time.Now()
	offering, cancel := context.WithTimeout(ctx, d.o.Duration)
	defer cancel()
	tick := time.NewTicker(time.Duration(float64(time.Second) / d.o.Rate))
	defer tick.Stop()
	for n := 0; offering.Err() == nil; n++ {
		select {
		case <-offering.Done():
			continue
		case <-tick.C:
		}
		select {
		case <-offering.Done():
		case s := <-d.free: // empty where every account waits for a block
			kind := d.kind(n)
			sending.Go(func() { d.send(ctx, s, kind) })
		}
	}
	sending.Wait()
	for end := time.Now().Add(drainLimit); d.underWay() > 0 && time.Now().Before(end) && ctx.Err() == nil; {
		_ = daemon.Sleep(ctx, watchEvery)
	}
	stop()
	background.Wait()
	return d.finish(began), ctx.Err()
}

// kind of the nth transaction: a half are coins, the others bonds and, while a window takes them, commitments.
func (d *driver) kind(n int) string {
	switch w := d.window.Load(); {
	case !d.o.Mine || n%2 == 0:
		return kindSend
	case n%4 == 1 && w != nil && d.height.Load() < w.until:
		return kindCommit
	default:
		return kindBond
	}
}

func (d *driver) message(s *sender, kind string) sdk.Msg {
	switch kind {
	case kindBond:
		return &registry.MsgBond{Miner: s.address.String(), Run: Run, Amount: sdkmath.NewInt(1e15)}
	case kindCommit:
		w := d.window.Load()
		d.mu.Lock()
		d.counter++
		root := sha256.Sum256(binary.BigEndian.AppendUint64(s.address.Bytes(), d.counter))
		d.mu.Unlock()
		return &rollout.MsgCommitRollouts{
			Miner: s.address.String(), Run: Run, Window: w.id, CheckpointDigest: w.checkpoint, ConformanceDigest: w.conformance,
			Root: root[:], Groups: 1, Bytes: 1000, Locator: endpoint,
		}
	}
	return banktypes.NewMsgSend(s.address, s.to, sdk.NewCoins(sdk.NewCoin(params.BaseDenom, sdkmath.OneInt())))
}

// sign makes the transaction and counts the sequence on.
func (d *driver) sign(ctx context.Context, s *sender, kind string, timeout int64) ([]byte, error) {
	b := d.codec.Tx.NewTxBuilder()
	if err := b.SetMsgs(d.message(s, kind)); err != nil {
		return nil, err
	}
	price, err := sdk.ParseDecCoin(params.MinGasPrices)
	if err != nil {
		return nil, err
	}
	gas := gasLimit[kind]
	b.SetGasLimit(gas)
	b.SetFeeAmount(sdk.NewCoins(sdk.NewCoin(price.Denom, price.Amount.MulInt64(int64(gas)).Ceil().TruncateInt())))
	b.SetTimeoutHeight(uint64(timeout))
	mode := signing.SignMode_SIGN_MODE_DIRECT
	// The signed bytes hold the signer's key, so it is set before.
	empty := signing.SignatureV2{PubKey: s.key.PubKey(), Data: &signing.SingleSignatureData{SignMode: mode}, Sequence: s.sequence}
	if err := b.SetSignatures(empty); err != nil {
		return nil, err
	}
	signer := authsigning.SignerData{
		Address: s.address.String(), ChainID: d.o.ChainID, AccountNumber: s.number, Sequence: s.sequence, PubKey: s.key.PubKey(),
	}
	sig, err := tx.SignWithPrivKey(ctx, mode, signer, b, s.key, d.codec.Tx, s.sequence)
	if err != nil {
		return nil, err
	}
	if err := b.SetSignatures(sig); err != nil {
		return nil, err
	}
	s.sequence++
	return d.codec.Tx.TxEncoder()(b.GetTx())
}

// send hands one transaction to the account's node. An account whose transaction was refused asks for its sequence
// before it goes on.
func (d *driver) send(ctx context.Context, s *sender, kind string) {
	timeout := d.height.Load() + lifetime
	raw, err := d.sign(ctx, s, kind, timeout)
	if err == nil {
		hash := sha256.Sum256(raw)
		d.mu.Lock()
		d.flying[hash] = flight{sender: s, kind: kind, at: time.Now(), timeout: timeout}
		d.report.Sent++
		d.mu.Unlock()
		// Both may have happened: the answer was lost, and the transaction is in a block already.
		if err = broadcast(ctx, s.rpc, raw); err == nil || !d.land(hash) {
			return
		}
	}
	d.mu.Lock()
	d.report.Refused++
	d.report.Sent--
	d.report.Errors[plain(err.Error())]++
	d.mu.Unlock()
	d.again(ctx, s)
}

func broadcast(ctx context.Context, rpc *rpchttp.HTTP, raw []byte) error {
	res, err := rpc.BroadcastTxSync(ctx, raw)
	if err == nil && res.Code != 0 {
		err = errors.New("refused: " + res.Log)
	}
	return err
}

// land takes a transaction out of those under way; false if it was out.
func (d *driver) land(hash [32]byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.flying[hash]
	delete(d.flying, hash)
	return ok
}

// again learns an account's sequence and lets it send again; an account that cannot be learnt stays out.
func (d *driver) again(ctx context.Context, s *sender) {
	if d.learn(ctx, s) == nil {
		d.free <- s
	}
}

func (d *driver) underWay() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.flying)
}

// watch looks at every block from height on as soon as it is there.
func (d *driver) watch(ctx context.Context, height int64) {
	rpc := d.rpc[0]
	var before time.Time
	for ctx.Err() == nil {
		results, err := rpc.BlockResults(ctx, &height)
		if err != nil {
			_ = daemon.Sleep(ctx, watchEvery)
			continue
		}
		seen := time.Now()
		block, err := rpc.Block(ctx, &height)
		if err != nil || len(results.TxsResults) != len(block.Block.Txs) {
			_ = daemon.Sleep(ctx, watchEvery)
			continue
		}
		d.height.Store(height)
		d.mu.Lock()
		mine := 0
		for i, raw := range block.Block.Txs {
			hash := sha256.Sum256(raw)
			f, ok := d.flying[hash]
			if !ok {
				continue
			}
			delete(d.flying, hash)
			mine++
			d.last = seen
			if r := results.TxsResults[i]; r.Code != 0 {
				d.report.Failed++
				d.report.Errors[plain(r.Log)]++
			} else {
				d.report.Included++
				d.report.Kinds[f.kind]++
				d.latencies = append(d.latencies, seen.Sub(f.at))
			}
			d.free <- f.sender // has room for all
		}
		var lost []*sender
		for hash, f := range d.flying {
			if f.timeout < height {
				delete(d.flying, hash)
				d.report.Lost++
				lost = append(lost, f.sender)
			}
		}
		if mine > 0 {
			d.report.MaxPerBlock = max(d.report.MaxPerBlock, mine)
		}
		d.report.Blocks++
		if !before.IsZero() {
			d.report.BlockSeconds += block.Block.Time.Sub(before).Seconds()
		}
		before = block.Block.Time
		d.mu.Unlock()
		for _, s := range lost {
			d.again(ctx, s)
		}
		height++
	}
}

// follow keeps the window that commitments can go to.
func (d *driver) follow(ctx context.Context) {
	for ctx.Err() == nil {
		if open, err := d.chain.OpenWindows(ctx, Run); err == nil {
			var w *window
			for _, s := range open {
				if s.Stage == challenge.StageCommit && s.StageEnd > s.Height+margin {
					w = &window{
						id: s.Window.Id, checkpoint: s.Window.CheckpointDigest, conformance: s.Window.Params.ConformanceDigest,
						until: s.StageEnd - margin,
					}
				}
			}
			if w != nil { // an old one ends by its height
				d.window.Store(w)
			}
		}
		_ = daemon.Sleep(ctx, windowEvery)
	}
}

func (d *driver) finish(began time.Time) Report {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.report
	r.Lost += len(d.flying)
	slices.Sort(d.latencies)
	r.P50, r.P95, r.P99 = percentile(d.latencies, 0.5), percentile(d.latencies, 0.95), percentile(d.latencies, 0.99)
	if r.Seconds = d.last.Sub(began).Seconds(); r.Seconds > 0 {
		r.PerSecond = float64(r.Included) / r.Seconds
	} else {
		r.Seconds = time.Since(began).Seconds()
	}
	if r.Blocks > 0 {
		r.MeanPerBlock = float64(r.Included+r.Failed) / float64(r.Blocks)
	}
	if r.Blocks > 1 {
		r.BlockSeconds /= float64(r.Blocks - 1)
	}
	return r
}

// figures differ from one transaction to the next; places in source code say nothing to a reader.
var figures = regexp.MustCompile(`( \[[^\]]*\.go:\d+\])|[0-9]+|galahad1[0-9a-z]+`)

// plain is a reason without what differs between two transactions that fail alike.
func plain(reason string) string {
	const longest = 160
	s := figures.ReplaceAllStringFunc(reason, func(m string) string {
		if m[0] == ' ' {
			return ""
		}
		return "N"
	})
	return s[:min(len(s), longest)]
}
