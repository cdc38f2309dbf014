package beacon_test

import (
	"encoding/hex"
	"math"
	"testing"
	"time"

	bls12381 "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/x/challenge/beacon"
)

// Round 1000 of drand's quicknet.
const (
	quicknetKey = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c" +
		"8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb" +
		"5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
	quicknetGenesis = 1692803367
	quicknetRound   = 1000
	quicknetSig     = "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125" +
		"e342b73a8dd2bacbe47e4b6b63ed5e39"
	quicknetRandomness = "fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

func secret(t testing.TB, last byte) beacon.SecretKey {
	t.Helper()
	b := make([]byte, beacon.SecretKeySize)
	b[0], b[31] = 1, last
	k, err := beacon.NewSecretKey(b)
	require.NoError(t, err)
	return k
}

func TestAudit_F49_QuicknetRoundVerifies(t *testing.T) {
	key, sig := unhex(t, quicknetKey), unhex(t, quicknetSig)
	require.NoError(t, beacon.Verify(key, quicknetRound, sig))
	r := beacon.Randomness(sig)
	require.Equal(t, quicknetRandomness, hex.EncodeToString(r[:]))
}

func TestAudit_F49_AnotherRoundIsRefused(t *testing.T) {
	key, sig := unhex(t, quicknetKey), unhex(t, quicknetSig)
	for _, round := range []uint64{0, 999, 1001, math.MaxUint64} {
		require.ErrorIs(t, beacon.Verify(key, round, sig), beacon.ErrSignature, "round %d", round)
	}
}

func TestAudit_F49_EveryFlippedBitIsRefused(t *testing.T) {
	key, good := unhex(t, quicknetKey), unhex(t, quicknetSig)
	for bit := 0; bit < len(good)*8; bit++ {
		sig := append([]byte(nil), good...)
		sig[bit/8] ^= 1 << (bit % 8)
		require.Error(t, beacon.Verify(key, quicknetRound, sig), "bit %d", bit)
	}
}

func TestAudit_F49_IdentityIsRefused(t *testing.T) {
	key := unhex(t, quicknetKey)
	identity := make([]byte, beacon.SignatureSize)
	identity[0] = 0xc0
	require.ErrorIs(t, beacon.Verify(key, quicknetRound, identity), beacon.ErrEncoding)

	// With the identity as key every message verifies against the identity.
	zeroKey := make([]byte, beacon.PublicKeySize)
	zeroKey[0] = 0xc0
	require.ErrorIs(t, beacon.ValidatePublicKey(zeroKey), beacon.ErrPublicKey)
	require.ErrorIs(t, beacon.Verify(zeroKey, quicknetRound, unhex(t, quicknetSig)), beacon.ErrPublicKey)
}

// outsideSubgroup is a compressed point of the curve y^2 = x^3 + 4 that is not in
// the subgroup of prime order.
func outsideSubgroup(t testing.TB) []byte {
	t.Helper()
	for x := uint64(1); x < 1000; x++ {
		var p bls12381.G1Affine
		p.X.SetUint64(x)
		var y2, four fp.Element
		four.SetUint64(4)
		y2.Square(&p.X).Mul(&y2, &p.X).Add(&y2, &four)
		if p.Y.Sqrt(&y2) == nil {
			continue
		}
		require.True(t, p.IsOnCurve())
		if !p.IsInSubGroup() {
			enc := p.Bytes()
			return enc[:]
		}
	}
	t.Fatal("no such point found")
	return nil
}

func TestAudit_F49_PointOutsideTheSubgroupIsRefused(t *testing.T) {
	err := beacon.Verify(unhex(t, quicknetKey), quicknetRound, outsideSubgroup(t))
	require.ErrorIs(t, err, beacon.ErrEncoding)
}

func TestAudit_F49_WrongLengthsAreRefused(t *testing.T) {
	key, sig := unhex(t, quicknetKey), unhex(t, quicknetSig)
	for _, s := range [][]byte{nil, {}, sig[:47], append(append([]byte(nil), sig...), 0), make([]byte, 96)} {
		require.ErrorIs(t, beacon.Verify(key, quicknetRound, s), beacon.ErrEncoding, "%d bytes", len(s))
	}
	for _, k := range [][]byte{nil, key[:95], append(append([]byte(nil), key...), 0), sig} {
		require.ErrorIs(t, beacon.Verify(k, quicknetRound, sig), beacon.ErrPublicKey, "%d bytes", len(k))
	}
}

// The randomness is a hash of the encoding, so a second encoding of a valid
// signature would be a second choice of seed.
func TestAValidSignatureHasOneEncoding(t *testing.T) {
	key, sig := unhex(t, quicknetKey), unhex(t, quicknetSig)
	var p bls12381.G1Affine
	_, err := p.SetBytes(sig)
	require.NoError(t, err)
	raw := p.RawBytes() // uncompressed, 96 bytes
	require.Error(t, beacon.Verify(key, quicknetRound, raw[:]))
	require.Error(t, beacon.Verify(key, quicknetRound, raw[:48]))
	for mask := 0; mask < 8; mask++ { // every combination of the flag bits but the right one
		s := append([]byte(nil), sig...)
		s[0] = s[0]&0x1f | byte(mask)<<5
		if s[0] != sig[0] {
			require.Error(t, beacon.Verify(key, quicknetRound, s), "flags %03b", mask)
		}
	}
}

func TestAudit_F49_AnotherKeyIsRefused(t *testing.T) {
	a, b := secret(t, 1), secret(t, 2)
	sig, err := a.Sign(7)
	require.NoError(t, err)
	require.NoError(t, beacon.Verify(a.PublicKey(), 7, sig))
	require.ErrorIs(t, beacon.Verify(b.PublicKey(), 7, sig), beacon.ErrSignature)
	require.ErrorIs(t, beacon.Verify(unhex(t, quicknetKey), 7, sig), beacon.ErrSignature)
}

func TestSecretKeyBounds(t *testing.T) {
	_, err := beacon.NewSecretKey(make([]byte, 32))
	require.ErrorIs(t, err, beacon.ErrSecretKey)
	_, err = beacon.NewSecretKey(make([]byte, 31))
	require.ErrorIs(t, err, beacon.ErrSecretKey)
	// The group's order is not below itself.
	_, err = beacon.NewSecretKey(unhex(t, "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001"))
	require.ErrorIs(t, err, beacon.ErrSecretKey)
	k, err := beacon.NewSecretKey(unhex(t, "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000000"))
	require.NoError(t, err)
	require.Equal(t, "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000000", hex.EncodeToString(k.Bytes()))
}

func TestRoundAndItsTime(t *testing.T) {
	const genesis, period = 1000, 3
	for _, c := range []struct {
		unix int64
		want uint64
	}{{0, 0}, {999, 0}, {1000, 1}, {1002, 1}, {1003, 2}, {1005, 2}, {1006, 3}} {
		require.Equal(t, c.want, beacon.Round(time.Unix(c.unix, 0), genesis, period), "at %d", c.unix)
		require.Equal(t, c.want, beacon.Round(time.Unix(c.unix, 999_999_999), genesis, period), "at %d.999", c.unix)
	}
	for round := uint64(1); round < 100; round++ {
		at, ok := beacon.RoundTime(round, genesis, period)
		require.True(t, ok)
		require.Equal(t, round, beacon.Round(time.Unix(at, 0), genesis, period))
		require.Equal(t, round-1, beacon.Round(time.Unix(at-1, 0), genesis, period))
	}
	at, ok := beacon.RoundTime(quicknetRound, quicknetGenesis, 3)
	require.True(t, ok)
	require.Equal(t, int64(quicknetGenesis+999*3), at)
}

func TestRoundAtTheEndsOfItsRange(t *testing.T) {
	require.Zero(t, beacon.Round(time.Unix(10, 0), 0, 0))
	require.Equal(t, uint64(math.MaxInt64)+1, beacon.Round(time.Unix(math.MaxInt64, 0), 0, 1))
	require.Zero(t, beacon.Round(time.Time{}, 0, 1))
	for _, c := range []struct {
		round   uint64
		genesis int64
		period  uint32
	}{{0, 1, 1}, {1, 1, 0}, {1, -1, 1}, {math.MaxUint64, 1, 1}, {math.MaxInt64, 2, 1}, {1 << 62, 0, 3}} {
		_, ok := beacon.RoundTime(c.round, c.genesis, c.period)
		require.False(t, ok, "%+v", c)
	}
	at, ok := beacon.RoundTime(math.MaxInt64, 1, 1)
	require.True(t, ok)
	require.Equal(t, int64(math.MaxInt64), at)
}

// FuzzVerify: nothing but the one encoding of the one signature passes, and no
// input panics.
func FuzzVerify(f *testing.F) {
	k := secret(f, 3)
	key := k.PublicKey()
	good, err := k.Sign(42)
	require.NoError(f, err)
	f.Add(key, uint64(42), good)
	f.Add(key, uint64(43), good)
	f.Add(key, uint64(42), good[:47])
	f.Add(key, uint64(42), outsideSubgroup(f))
	f.Add(unhex(f, quicknetKey), uint64(quicknetRound), unhex(f, quicknetSig))
	f.Add([]byte{0xc0}, uint64(0), []byte{0xc0})
	f.Fuzz(func(t *testing.T, publicKey []byte, round uint64, signature []byte) {
		if beacon.Verify(publicKey, round, signature) != nil {
			return
		}
		switch hex.EncodeToString(publicKey) {
		case quicknetKey:
			require.Equal(t, uint64(quicknetRound), round)
			require.Equal(t, quicknetSig, hex.EncodeToString(signature))
		case hex.EncodeToString(key):
			want, err := k.Sign(round)
			require.NoError(t, err)
			require.Equal(t, want, signature)
		default:
			t.Fatalf("a signature of an unknown key %x verified", publicKey)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	key, sig := unhex(b, quicknetKey), unhex(b, quicknetSig)
	for b.Loop() {
		if err := beacon.Verify(key, quicknetRound, sig); err != nil {
			b.Fatal(err)
		}
	}
}
