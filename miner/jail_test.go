package miner

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/client"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
)

// jail is a chain that knows of one jail term, and the miner's key.
type jail struct {
	Chain
	mu    sync.Mutex
	state registrytypes.JailState
	looks int
	sent  []sdk.Msg
}

func (j *jail) Miner(context.Context, uint64, sdk.AccAddress) (registrytypes.QueryMinerResponse, bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.looks++
	return registrytypes.QueryMinerResponse{Jail: j.state}, true, nil
}

func (j *jail) Address() sdk.AccAddress { return bytes.Repeat([]byte{1}, 20) }

func (j *jail) Tx(_ context.Context, msgs ...sdk.Msg) (client.Result, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sent, j.state = append(j.sent, msgs...), registrytypes.JailState{}
	return client.Result{}, nil
}

// A term that is over ends by itself only where the settings say so; else the log says
// once what to do.
func TestAJailTermEndsByItselfIfConfigured(t *testing.T) {
	for _, c := range []struct {
		name           string
		unjail, over   bool
		messages, said int
	}{
		{"over, told to", true, true, 1, 1},
		{"over, not told to", false, true, 0, 1},
		{"not over", true, false, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			j := &jail{state: registrytypes.JailState{Jailed: true, UntilWindow: 9, CanUnjail: c.over, Advice: "wait"}}
			m := newWorker(&Miner{chain: j, sender: j, log: slog.New(slog.NewTextHandler(&log, nil))}, 1)
			m.jailInterval, m.config.Register.Unjail = time.Millisecond, c.unjail
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- m.free(ctx) }()
			require.Eventually(t, func() bool { j.mu.Lock(); defer j.mu.Unlock(); return j.looks > 5 }, 10*time.Second, time.Millisecond)
			cancel()
			require.ErrorIs(t, <-done, context.Canceled)
			require.Len(t, j.sent, c.messages)
			require.Equal(t, c.said, bytes.Count(log.Bytes(), []byte("\n")), log.String())
		})
	}
}
