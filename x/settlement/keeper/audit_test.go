package keeper_test

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/verify"
	testapp "github.com/galahad-network/galahad/testutil/app"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/types"
	"github.com/galahad-network/galahad/x/settlement/yuma"
)

// storesHash covers every entry of our modules' stores and of the balances.
func (s *suite) storesHash() [32]byte {
	s.t.Helper()
	stores, err := testapp.ModuleStores(s.app)
	require.NoError(s.t, err)
	names := []string{"bank"}
	for _, m := range stores {
		names = append(names, m.Module)
	}
	h := sha256.New()
	for _, name := range names {
		it := s.ctx.KVStore(s.app.StoreKey(name)).Iterator(nil, nil)
		for ; it.Valid(); it.Next() {
			for _, b := range [][]byte{[]byte(name), it.Key(), it.Value()} {
				h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
				h.Write(b)
			}
		}
		require.NoError(s.t, it.Close())
	}
	return [32]byte(h.Sum(nil))
}

// A bad verdict among a hundred good ones: the message leaves nothing of any of them,
// wherever the bad one stands. The good ones alone are taken.
func TestAudit_C20_OneBadVerdictAmongAHundredGoodOnes(t *testing.T) {
	s := newSuite(t, 101, 60, 40)
	s.open(0, func(w *challengetypes.Window) { w.Params.MaxGroupsPerWindow = 101 * 16 })
	for _, m := range s.miners {
		s.commit(0, m, 16)
	}
	for what, c := range map[string]struct {
		want  error
		spoil func(v *types.Verdicts, i int)
	}{
		"no code":         {types.ErrInvalidVerdict, func(v *types.Verdicts, i int) { v.Verdicts[i].Code = 0 }},
		"unknown code":    {types.ErrInvalidVerdict, func(v *types.Verdicts, i int) { v.Verdicts[i].Code = 16 }},
		"another's miner": {types.ErrWrongMiners, func(v *types.Verdicts, i int) { v.Verdicts[i].Miner = s.learner().String() }},
		"a forged weight": {types.ErrWrongWeights, func(v *types.Verdicts, i int) { v.Weights[i]-- }},
		"short work":      {types.ErrInvalidWork, func(v *types.Verdicts, i int) { v.Verdicts[i].Work = work[:31] }},
	} {
		for _, i := range []int{0, 50, 100} {
			b := s.branch()
			v := b.verdicts(0, nil, work)
			require.Len(t, v.Verdicts, 101)
			c.spoil(&v, i)
			b.commitVerdicts(0, 0, v) // committed to as it is, so that the verdict alone is wrong
			b.at(inReveal(0))
			before := b.storesHash()
			_, err := b.server().RevealVerdicts(b.ctx, b.revealMsg(0, 0, v))
			require.ErrorIs(t, err, c.want, "%s at %d", what, i)
			require.Equal(t, before, b.storesHash(), "%s at %d", what, i)
		}
	}
	s.grade(0, 0, nil)
	require.Len(t, s.export().Reveals[0].Verdicts.Verdicts, 101)
}

// Whatever the amounts and rates are, what a window mints is found to the last coin
// with whom it was paid to, in credits and in the community pool.
func TestAudit_D23_PaidPlusRemainderIsWhatWasMinted(t *testing.T) {
	type rates struct{ miners, graders, learner, validators uint32 }
	for name, c := range map[string]struct {
		reward sdkmath.Int
		rates  rates
		stakes []int64
		groups []uint32
	}{
		"the defaults":          {params.GAL(1), rates{410_000, 410_000, 80_000, 100_000}, []int64{60, 40}, []uint32{16, 8, 3}},
		"a coin a block":        {sdkmath.OneInt(), rates{410_000, 410_000, 80_000, 100_000}, []int64{60, 40}, []uint32{16, 16, 16}},
		"a prime":               {sdkmath.NewInt(1_000_003), rates{333_333, 333_333, 333_333, 1}, []int64{3, 3, 3}, []uint32{16, 15, 14, 13, 12, 11, 10}},
		"all to miners":         {sdkmath.NewInt(7), rates{1_000_000, 0, 0, 0}, []int64{1}, []uint32{16, 16, 16}},
		"all to graders":        {sdkmath.NewInt(7), rates{0, 1_000_000, 0, 0}, []int64{1, 1, 1}, []uint32{16, 16}},
		"a millionth each":      {params.GAL(1).AddRaw(1), rates{1, 1, 1, 1}, []int64{1, 1000}, []uint32{16, 1}},
		"nothing to anyone":     {params.GAL(1), rates{}, []int64{60, 40}, []uint32{16}},
		"nobody worked":         {params.GAL(1), rates{410_000, 410_000, 80_000, 100_000}, []int64{60, 40}, []uint32{0, 0}},
		"all scores are zero":   {params.GAL(1), rates{410_000, 410_000, 80_000, 100_000}, []int64{60, 40}, []uint32{1, 1, 2}},
		"one among many idlers": {params.GAL(3).SubRaw(1), rates{999_997, 1, 1, 1}, []int64{1, 1_000, 1}, []uint32{16, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSuite(t, len(c.groups), c.stakes...)
			s.params(func(p *types.Params) {
				p.InitialBlockReward = c.reward
				p.MinersPpm, p.GradersPpm, p.LearnerPpm, p.ValidatorsPpm = c.rates.miners, c.rates.graders, c.rates.learner, c.rates.validators
			})
			s.open(0, func(w *challengetypes.Window) { w.CheckpointVersion = 1 })
			for i, n := range c.groups {
				if n > 0 {
					s.commit(0, s.miners[i], n)
				}
			}
			s.gradeAll(0, nil)
			fees := authtypes.NewModuleAddress(authtypes.FeeCollectorName)
			found := func() sdkmath.Int {
				sum := s.pool().Add(s.balance(s.learner())).Add(s.balance(fees)).Add(s.balance(authtypes.NewModuleAddress(types.ModuleName)))
				for g := range s.graders {
					sum = sum.Add(s.outstanding(g))
				}
				return sum
			}
			before, supply := found(), s.supply()
			s.settle(0)
			minted := s.supply().Sub(supply)
			require.Equal(t, c.reward.MulRaw(15), minted)
			require.Equal(t, minted, found().Sub(before), "somebody has each coin")

			r := s.result(0)
			paid := r.Window.Learner.Add(r.Window.Validators).Add(r.Window.Pool)
			for _, m := range r.Miners {
				require.False(t, m.Paid.IsNegative())
				paid = paid.Add(m.Paid)
			}
			for _, g := range r.Graders {
				paid = paid.Add(g.Paid)
			}
			require.Equal(t, minted, paid, "the rows and the remainder")
		})
	}
}

// Claims pay the same whether they come one credit at a time or all at once, also after
// a split of the work over windows whose pay does not divide.
func TestAudit_D24_ClaimingInPiecesPaysTheSame(t *testing.T) {
	s := newSuite(t, 3, 60, 41)
	s.params(func(p *types.Params) {
		p.RewardLockWindows, p.EvidenceWindows, p.InitialBlockReward = 1, 1, sdkmath.NewInt(1_000_003)
	})
	const windows = 6
	for w := range uint64(windows + 1) {
		s.open(w)
		for i, m := range s.miners {
			s.commit(w, m, uint32(16-i-int(w)))
		}
		s.gradeAll(w, nil)
		s.settle(w)
	}
	claimAll := func(most uint32) (sum sdkmath.Int, claims int) {
		b := s.branch()
		b.params(func(p *types.Params) { p.MaxClaim = most })
		sum = sdkmath.ZeroInt()
		before := b.balance(b.miners[0])
		for len(b.credits(b.miners[0])) > 1 { // the newest is locked
			res, err := b.claim(b.miners[0])
			require.NoError(t, err)
			sum = sum.Add(res.Amount)
			claims++
		}
		b.invariants()
		require.Equal(t, before.Add(sum), b.balance(b.miners[0]))
		return sum, claims
	}
	owed := sdkmath.ZeroInt()
	for _, c := range s.credits(s.miners[0])[:windows] {
		owed = owed.Add(c.Amount)
	}
	for most, want := range map[uint32]int{windows: 1, 2: windows / 2, 1: windows} {
		sum, claims := claimAll(most)
		require.Equal(t, want, claims)
		require.Equal(t, owed, sum, "%d at a time", most)
	}
}

// frozenMiner is a window frozen but not settled: one miner with a locked credit of the
// window before, a bond and a lock, and a row of the tally for a test to change.
func frozenMiner(t testing.TB) *suite {
	t.Helper()
	s := newSuite(t, 1, 100)
	s.params(func(p *types.Params) { p.MaxSettlePerBlock, p.RewardLockWindows, p.EvidenceWindows = 1, 3, 3 })
	for w := range uint64(2) {
		s.open(w)
		s.commit(w, s.miners[0], 16)
		s.gradeAll(w, nil)
		if w == 0 {
			s.settle(w)
		}
	}
	s.endBlock(settleAt(1))
	cursors := s.export().Cursors
	require.Len(t, cursors, 1)
	require.Zero(t, cursors[0].Next)
	return s
}

// anyRow is a row of a tally, and what else one miner's settlement depends on.
type anyRow struct {
	incentive, part, partHigh uint64
	code                      verify.Code
	groups, declared          uint32
	slashable, evidence       bool
	jailed, left              bool
	convicted                 bool   // over the window before: its credits are void from here on
	slashed                   uint32 // millionths, for this window and before
	hardPpm, softPpm          uint32
	lock                      uint64 // beyond 16 GAL
}

// Whatever row of a tally settles a miner, coins are neither made nor lost: its share is
// paid or withheld as a whole, what is burned leaves its bond and the supply, at the rate
// that the failure has and not twice, what was void is in the community pool, and so is
// the rest of the window.
func TestAudit_D23_SettlingAnyRowMakesAndLosesNoCoin(t *testing.T) {
	const one, gal = uint64(yuma.One), uint64(1e18)
	base := frozenMiner(t)
	for _, r := range []anyRow{
		{incentive: one, part: gal, code: verify.OK, groups: 16, declared: 16, hardPpm: 200_000, softPpm: 10_000},
		{incentive: 1, part: 1, code: verify.OK, groups: 1, declared: 16, convicted: true, hardPpm: 1, lock: 7},
		{incentive: one / 2, part: gal, code: verify.OK, groups: 16, declared: 16, jailed: true, hardPpm: 1},
		{incentive: one / 2, part: gal, code: verify.OK, groups: 16, declared: 16, evidence: true, hardPpm: 1},
		{incentive: one / 3, part: math.MaxUint64, partHigh: math.MaxUint64, code: verify.BadSample, slashable: true, hardPpm: 1_000_000, lock: 999_999},
		{incentive: one / 7, part: 12345, code: verify.Unavailable, groups: 5, declared: 9, slashed: 14, hardPpm: 300_001, softPpm: 300_001, lock: 13},
		{code: verify.Undecided, hardPpm: 5, evidence: true, jailed: true},
		{incentive: one - 1, part: gal, code: verify.BadReward, slashable: true, slashed: 199_878, hardPpm: 200_001, lock: gal + 1},
	} {
		settleAnyRow(t, base, r)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	maybe := func() bool { return r.IntN(3) == 0 }
	for range 300 {
		row := anyRow{
			incentive: []uint64{0, 1, r.Uint64N(one + 1), one}[r.IntN(4)], part: r.Uint64() >> r.IntN(64), partHigh: r.Uint64() >> r.IntN(65),
			code: verify.OK + verify.Code(r.IntN(int(verify.Undecided))), groups: r.Uint32N(17), declared: r.Uint32N(17),
			evidence: maybe(), jailed: maybe(), left: maybe(), convicted: maybe(),
			hardPpm: 1 + r.Uint32N(1_000_000)>>r.IntN(20), lock: r.Uint64() >> r.IntN(64),
		}
		if maybe() {
			row.code = verify.OK
		}
		row.softPpm = r.Uint32N(row.hardPpm + 1)
		row.slashable = row.code.Hard() && r.IntN(2) == 0
		if !row.convicted && maybe() {
			row.slashed = 1 + r.Uint32N(row.hardPpm)
		}
		settleAnyRow(t, base, row)
		if t.Failed() {
			t.Fatalf("%+v", row)
		}
	}
}

func settleAnyRow(t *testing.T, base *suite, r anyRow) {
	t.Helper()
	s := base.branch()
	s.t = t
	miner := s.miners[0]
	s.params(func(p *types.Params) {
		p.MaxSettlePerBlock, p.HardSlashPpm, p.UnavailableSlashPpm = 256, r.hardPpm, r.softPpm
	})
	// The bond locked for the window grows by any amount that is free.
	locked, ok, err := s.app.Registry.GetLock(s.ctx, run, 1, miner)
	require.NoError(t, err)
	require.True(t, ok)
	held := locked.Amount.Add(sdkmath.NewIntFromUint64(r.lock))
	require.NoError(t, s.app.Registry.Lock(s.ctx, run, 1, miner, held))
	if r.convicted {
		_, err := s.k.AfterHardFailure(s.ctx, run, 0, miner, verify.BadReward, 1)
		require.NoError(t, err)
	}
	if r.slashed > 0 {
		_, err := s.app.Registry.Slash(s.ctx, run, 1, miner, r.slashed, "before")
		require.NoError(t, err)
	}

	// The window's row, and a miners' part of any size that the module has.
	row := types.TallyRow{
		Miner: miner.String(), Code: types.VerdictCode(r.code), Groups: r.groups, DeclaredGroups: r.declared,
		Incentive: r.incentive, Evidence: r.evidence, Left: r.left, Slashable: r.slashable,
	}
	if r.jailed {
		row.JailedUntil = 9
	}
	require.NoError(t, s.k.TallyPages.Set(s.ctx, collections.Join3(run, uint64(1), uint64(0)), types.TallyPage{Run: run, Window: 1, Rows: []types.TallyRow{row}}))
	cursor, err := s.k.Cursors.Get(s.ctx, collections.Join(run, uint64(1)))
	require.NoError(t, err)
	more := new(big.Int).Lsh(new(big.Int).SetUint64(r.partHigh>>1), 64)
	part := sdkmath.NewIntFromBigInt(more.Add(more, new(big.Int).SetUint64(r.part)))
	cursor.Result.MinersPart = part
	cursor.Result.Minted = cursor.Result.Minted.Add(part)
	require.NoError(t, s.k.Cursors.Set(s.ctx, collections.Join(run, uint64(1)), cursor))
	if part.IsPositive() {
		require.NoError(t, s.app.Bank.MintCoins(s.ctx, types.ModuleName, testapp.Coins(part)))
	}
	s.invariants()
	rest, err := cursor.Unspent()
	require.NoError(t, err)

	credits := func() sdkmath.Int {
		sum := sdkmath.ZeroInt()
		for _, c := range s.credits(miner) {
			sum = sum.Add(c.Amount)
		}
		return sum
	}
	supply, pool, bond, owed := s.supply(), s.pool(), s.registered(miner).Bond, credits()
	s.endBlock(settleAt(1) + 1) // and checks that the module's account holds what it owes
	require.True(t, s.win(1).Done())
	res := s.result(1)
	require.Zero(t, res.Window.SkippedCount)
	require.False(t, res.Window.Void)
	got := res.Miners[0]

	share := sdkmath.NewIntFromBigInt(new(big.Int).Rsh(new(big.Int).Mul(part.BigInt(), new(big.Int).SetUint64(r.incentive)), 32))
	paid, withheld := share, sdkmath.ZeroInt()
	if r.code != verify.OK || r.evidence || r.jailed {
		paid, withheld = withheld, paid
	}
	require.Equal(t, paid.String(), got.Paid.String(), "paid whole or not at all")
	require.Equal(t, withheld.String(), got.Withheld.String())
	if r.convicted {
		require.Equal(t, paid.String(), got.Voided.String(), "a convict's pay is void")
	} else {
		require.True(t, got.Voided.IsZero())
	}

	rate := uint32(0)
	switch {
	case r.slashable:
		rate = r.hardPpm
	case r.code == verify.Unavailable && r.groups > 0:
		rate = r.softPpm
	}
	partOf := func(ppm uint32) sdkmath.Int { return held.MulRaw(int64(ppm)).QuoRaw(1_000_000) }
	burned := sdkmath.MaxInt(partOf(rate).Sub(partOf(r.slashed)), sdkmath.ZeroInt())
	require.Equal(t, burned.String(), got.Slashed.String(), "%d and before it %d millionths of %s", rate, r.slashed, held)
	require.Equal(t, burned.String(), bond.Sub(s.registered(miner).Bond).String())
	require.Equal(t, burned.String(), supply.Sub(s.supply()).String())

	void := owed.Add(got.Paid).Sub(credits())
	require.False(t, void.IsNegative())
	if r.slashable {
		require.True(t, credits().IsZero(), "all locked credits of a convict are void")
	}
	require.Equal(t, rest.Sub(got.Paid).Add(void).String(), s.pool().Sub(pool).String(), "the pool has the rest")
}
