package validator

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/batches"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/batch/store"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/testutil/daemonchain"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
)

// BenchmarkAuditOf1000Miners audits a window of 1,000 honest miners of 16 groups, whose
// batches come over HTTP. The most that the heap held beyond the start, with the checks of
// all batches done and while their replays went on, is beside the size of all batches.
func BenchmarkAuditOf1000Miners(b *testing.B) {
	const miners, groups = 1000, 16
	c := daemonchain.New(b)
	c.FreezeGrader(sdk.ValAddress(grader))
	w := c.CurrentWindow()
	st, err := store.Open(b.Context(), "file://"+b.TempDir())
	require.NoError(b, err)
	defer st.Close()
	var payload uint64
	var most batch.Limits
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
		batches.Handler(st, func([]byte) (batches.Offer, bool) { return batches.Offer{GroupSize: 4, Limits: most}, true },
			slog.New(slog.DiscardHandler)).ServeHTTP(rw, q)
	}))
	defer server.Close()
	all := make([]uint64, groups)
	for g := range all {
		all[g] = uint64(g)
	}
	for i := range miners {
		address := sdk.AccAddress(binary.BigEndian.AppendUint64(bytes.Repeat([]byte{1}, 12), uint64(i)))
		c.FreezeMiner(address, groups)
		challenge, err := w.Challenge(daemonchain.ID, address, groups)
		require.NoError(b, err)
		rollouts, err := generate.Groups(b.Context(), c.Policy.Engine, c.Policy.Tokenizer, challenge, all)
		require.NoError(b, err)
		made, err := batch.New(rollouts)
		require.NoError(b, err)
		_, err = st.Put(b.Context(), made)
		require.NoError(b, err)
		payload += made.PayloadBytes()
		most = batches.Limits(groups, 4, max(most.PayloadBytes, made.PayloadBytes()))
		require.NoError(b, c.Commit(&rollouttypes.MsgCommitRollouts{
			Miner: address.String(), Run: 1, Window: w.Id, CheckpointDigest: w.CheckpointDigest, ConformanceDigest: w.Params.ConformanceDigest,
			Root: made.Root(), Groups: groups, Bytes: made.PayloadBytes(), Locator: server.URL,
		}))
	}
	c.SetHeight(20)
	for b.Loop() {
		r := &rig{t: b, home: b.TempDir(), chain: c, sender: &daemonchain.Sender{Chain: c, Account: grader}}
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		before := m.HeapInuse
		var peak atomic.Uint64
		stop := make(chan struct{})
		sampled := make(chan struct{})
		go func() {
			defer close(sampled)
			for {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					peak.Store(max(peak.Load(), m.HeapInuse))
				}
			}
		}()
		began := time.Now()
		v := r.start(nil)
		c.StartAudit()
		for {
			if _, done, err := v.journal.decision(3); err == nil && done {
				break
			}
			require.Less(b, time.Since(began), 5*time.Minute)
			time.Sleep(50 * time.Millisecond)
		}
		took := time.Since(began)
		require.NoError(b, v.stop())
		close(stop)
		<-sampled
		b.ReportMetric(float64(peak.Load()-before)/1e6, "heap-MB")
		b.ReportMetric(float64(payload)/1e6, "batches-MB")
		b.ReportMetric(float64(miners)/took.Seconds(), "miners/s")
	}
}
