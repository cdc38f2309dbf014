package keeper_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/x/challenge/types"
)

// randomly changes a genesis to parameters that may or may not be valid.
func randomly(seed uint64, g *types.GenesisState) {
	r := rand.New(rand.NewPCG(seed, 1))
	p := &g.Runs[0].Params
	p.CommitBlocks, p.AuditBlocks, p.RevealBlocks = 1+r.Uint32N(8), 1+r.Uint32N(8), 1+r.Uint32N(8)
	p.MaxOpenWindows = r.Uint32N(10)
	p.MaxStaleness = r.Uint32N(6)
	p.PolicyDelayBlocks = r.Uint32N(20)
	p.MaxGroups = 1 + r.Uint32N(20)
	p.MaxGroupsPerWindow = 1 + r.Uint32N(40)
	p.MinGraderTokensPerSecond = 1 + r.Uint64N(4000)
	g.Params.BlockTime = time.Duration(1+r.Uint32N(4000)) * time.Millisecond
	g.Params.Beacon.Period = 1 + r.Uint32N(5)
	g.Params.Beacon.TimeoutBlocks = 1 + r.Uint32N(100)
	g.Params.MaxGraders = 1 + r.Uint32N(3)
}

// Parameters that pass validation must not brick a run, however odd they are:
// windows open and end, with a beacon that comes and goes and a settlement that
// closes some windows late and others not at all.
func TestRandomValidParametersOpenWindowAfterWindow(t *testing.T) {
	const want = 10
	ran := 0
	for seed := uint64(0); ran < want; seed++ {
		require.Less(t, seed, uint64(5000), "only %d valid parameters", ran)
		if !valid(t, seed) {
			continue
		}
		ran++
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			f := newFixture(t, func(g *types.GenesisState) { randomly(seed, g) })
			live(f, rand.New(rand.NewPCG(seed, 2)))
			run, err := f.k.GetRun(f.env.Ctx, 1)
			require.NoError(t, err)
			require.Greater(t, run.NextWindow, uint64(3))
		})
	}
}

func valid(t *testing.T, seed uint64) bool {
	t.Helper()
	ok := false
	newFixture(t, func(g *types.GenesisState) {
		changed := types.GenesisState{Params: g.Params, Runs: []types.Run{g.Runs[0]}}
		randomly(seed, &changed)
		ok = changed.Validate(addressCodec, validatorCodec) == nil
	})
	return ok
}

// live runs 300 blocks of a random network.
func live(f *fixture, r *rand.Rand) {
	f.Helper()
	params, err := f.k.Params.Get(f.env.Ctx)
	require.NoError(f, err)
	away := 0 // blocks for which the beacon is away
	for range 300 {
		f.begin(time.Duration(r.Int64N(2*int64(params.BlockTime)) + 1))
		if r.IntN(100) == 0 {
			away = r.IntN(int(params.Beacon.TimeoutBlocks) + 20)
		}
		for _, round := range pending(f) {
			if away <= 0 && r.IntN(3) > 0 {
				require.NoError(f, f.submit(round))
			}
		}
		away--
		f.end()
		open, err := f.k.OpenWindows(f.env.Ctx, 1)
		require.NoError(f, err)
		if len(open) > 0 && f.k.Stage(f.env.Ctx, open[0]) == types.StageSettling && r.IntN(4) > 0 {
			if r.IntN(5) == 0 {
				_, err = f.k.VoidWindow(f.env.Ctx, 1, open[0].Id, "too few reveals")
			} else {
				_, err = f.k.CloseWindow(f.env.Ctx, 1, open[0].Id)
			}
			require.NoError(f, err)
		}
	}
}

// Whatever bytes a submission carries, nothing panics, the state stays as it was,
// and the chain goes on.
func TestRandomSubmissionsChangeNothing(t *testing.T) {
	const seed = 11
	r := rand.New(rand.NewPCG(seed, 3))
	bytes := func(most int) []byte {
		b := make([]byte, r.IntN(most+1))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	f := newFixture(t)
	f.begin(second)
	before := f.env.StateHash()
	for i := range 200 {
		msg := &types.MsgSubmitBeacon{Submitter: string(bytes(60)), Round: r.Uint64(), Signature: bytes(100)}
		if i%2 == 0 { // all that a stranger can get right
			submitter, err := f.env.Addresses.BytesToString(addr(1))
			require.NoError(t, err)
			msg.Submitter, msg.Round = submitter, f.window(0).OpeningRound
			msg.Signature = append(msg.Signature, make([]byte, 48)...)[:48]
			msg.Signature[0] = msg.Signature[0]&0x3f | 0x80 // a compressed point
		}
		_, err := f.msgs.SubmitBeacon(f.env.Ctx, msg)
		require.Error(t, err, "seed %d, message %d", seed, i)
	}
	require.Equal(t, before, f.env.StateHash(), "seed %d", seed)
	f.end()
	f.relay()
	require.NotZero(t, f.window(0).CommitStart)
}
