// Package beacon verifies rounds of a drand network: public randomness that
// nobody knew before the round's time and that anybody can check afterwards.
//
// The scheme is drand's unchained BLS12-381 with signatures on G1, named
// bls-unchained-g1-rfc9380 (the quicknet network uses it):
//
//	message    = SHA-256(round as 8 bytes, big-endian)
//	H(message) = hash to G1 by RFC 9380, suite BLS12381G1_XMD:SHA-256_SSWU_RO_
//	valid      = e(signature, g2) == e(H(message), public key)
//	randomness = SHA-256(signature)
//
// Signatures are 48 bytes and public keys 96 bytes, both compressed. The
// randomness is a hash of the signature's bytes, so a signature must have one
// encoding only: every other one is refused.
//
// The package is pure: no clock, no network, no state.
package beacon

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"time"

	bls12381 "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
)

const (
	// SignatureSize is the size of a compressed G1 point.
	SignatureSize = bls12381.SizeOfG1AffineCompressed
	// PublicKeySize is the size of a compressed G2 point.
	PublicKeySize = bls12381.SizeOfG2AffineCompressed
	// SecretKeySize is the size of a secret scalar, big-endian.
	SecretKeySize = fr.Bytes
	// SchemeID is drand's name of the scheme.
	SchemeID = "bls-unchained-g1-rfc9380"
)

// dst separates this use of the hash to G1 from all others (RFC 9380, 3.1).
const dst = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"

// Errors that Verify, ValidatePublicKey and NewSecretKey wrap; test with errors.Is.
var (
	ErrPublicKey = errors.New("beacon: invalid public key")
	ErrEncoding  = errors.New("beacon: signature is not a canonical point of G1")
	ErrSignature = errors.New("beacon: signature does not verify")
	ErrSecretKey = errors.New("beacon: invalid secret key")
)

// Round returns the newest round that is public at t, 0 before round 1. Round 1
// is public at genesis (unix seconds), each later one period seconds after the
// one before. A period of 0 has no rounds.
func Round(t time.Time, genesis int64, period uint32) uint64 {
	now := t.Unix()
	if period == 0 || now < genesis {
		return 0
	}
	// Unsigned subtraction is right over the whole range of int64 since now >= genesis.
	return (uint64(now)-uint64(genesis))/uint64(period) + 1
}

// RoundTime returns the unix second at which a round becomes public. Round 0
// and rounds whose time does not fit an int64 have none.
func RoundTime(round uint64, genesis int64, period uint32) (unix int64, ok bool) {
	if round == 0 || period == 0 || genesis < 0 {
		return 0, false
	}
	const maxInt64 = 1<<63 - 1
	if round-1 > (maxInt64-uint64(genesis))/uint64(period) {
		return 0, false
	}
	return genesis + int64((round-1)*uint64(period)), true
}

// Message is what the network signs for a round.
func Message(round uint64) [32]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, round))
}

// Randomness is the public randomness of a round, given its valid signature.
func Randomness(signature []byte) [32]byte { return sha256.Sum256(signature) }

// ValidatePublicKey checks that key is a compressed point of G2's prime-order
// subgroup other than the identity. Error: ErrPublicKey.
func ValidatePublicKey(key []byte) error {
	_, err := decodePublicKey(key)
	return err
}

// Verify checks the signature of a round. It takes about 1.5 ms: whoever calls
// it for a stranger charges first. Errors: ErrPublicKey, ErrEncoding (length,
// not canonical, not in the subgroup, identity), ErrSignature.
func Verify(publicKey []byte, round uint64, signature []byte) error {
	pk, err := decodePublicKey(publicKey)
	if err != nil {
		return err
	}
	sig, err := decodeSignature(signature)
	if err != nil {
		return err
	}
	msg := Message(round)
	h, err := bls12381.HashToG1(msg[:], []byte(dst))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	_, _, _, g2 := bls12381.Generators()
	var negG2 bls12381.G2Affine
	negG2.Neg(&g2)
	// e(sig, -g2) * e(H, pk) == 1 in one product, which shares the final exponentiation.
	ok, err := bls12381.PairingCheck([]bls12381.G1Affine{sig, h}, []bls12381.G2Affine{negG2, pk})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if !ok {
		return fmt.Errorf("%w: round %d", ErrSignature, round)
	}
	return nil
}

func decodePublicKey(key []byte) (p bls12381.G2Affine, err error) {
	if len(key) != PublicKeySize {
		return p, fmt.Errorf("%w: %d bytes, want %d", ErrPublicKey, len(key), PublicKeySize)
	}
	// SetBytes checks the curve and the subgroup, not the identity.
	if _, err := p.SetBytes(key); err != nil {
		return p, fmt.Errorf("%w: %w", ErrPublicKey, err)
	}
	if p.IsInfinity() {
		return p, fmt.Errorf("%w: identity", ErrPublicKey)
	}
	if enc := p.Bytes(); !bytes.Equal(enc[:], key) {
		return p, fmt.Errorf("%w: not canonical", ErrPublicKey)
	}
	return p, nil
}

func decodeSignature(sig []byte) (p bls12381.G1Affine, err error) {
	if len(sig) != SignatureSize {
		return p, fmt.Errorf("%w: %d bytes, want %d", ErrEncoding, len(sig), SignatureSize)
	}
	if _, err := p.SetBytes(sig); err != nil {
		return p, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	if p.IsInfinity() {
		return p, fmt.Errorf("%w: identity", ErrEncoding)
	}
	if enc := p.Bytes(); !bytes.Equal(enc[:], sig) {
		return p, fmt.Errorf("%w: not the compressed form", ErrEncoding)
	}
	return p, nil
}

// SecretKey signs rounds of a test network. Whoever holds it knows every seed
// in advance, so no public network has one in a single hand.
type SecretKey struct {
	scalar fr.Element
}

// NewSecretKey takes a scalar of SecretKeySize bytes, big-endian, in [1, r).
// Error: ErrSecretKey.
func NewSecretKey(scalar []byte) (SecretKey, error) {
	var k SecretKey
	if len(scalar) != SecretKeySize {
		return k, fmt.Errorf("%w: %d bytes, want %d", ErrSecretKey, len(scalar), SecretKeySize)
	}
	if err := k.scalar.SetBytesCanonical(scalar); err != nil {
		return k, fmt.Errorf("%w: %w", ErrSecretKey, err)
	}
	if k.scalar.IsZero() {
		return k, fmt.Errorf("%w: zero", ErrSecretKey)
	}
	return k, nil
}

// Bytes is the scalar, big-endian.
func (k SecretKey) Bytes() []byte {
	b := k.scalar.Bytes()
	return b[:]
}

// PublicKey is the compressed key on G2 that Verify takes.
func (k SecretKey) PublicKey() []byte {
	_, _, _, g2 := bls12381.Generators()
	var p bls12381.G2Affine
	p.ScalarMultiplication(&g2, k.scalar.BigInt(new(big.Int)))
	enc := p.Bytes()
	return enc[:]
}

// Sign returns the signature of a round.
func (k SecretKey) Sign(round uint64) ([]byte, error) {
	msg := Message(round)
	h, err := bls12381.HashToG1(msg[:], []byte(dst))
	if err != nil {
		return nil, fmt.Errorf("beacon: hash round %d to G1: %w", round, err)
	}
	var sig bls12381.G1Affine
	sig.ScalarMultiplication(&h, k.scalar.BigInt(new(big.Int)))
	enc := sig.Bytes()
	return enc[:], nil
}
