package beacon

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"

	scheme "github.com/galahad-network/galahad/x/challenge/beacon"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// KeyFile is the name of the file in the home folder that holds the key.
const KeyFile = "beacon.json"

// beaconID names every local network; their keys tell them apart.
const beaconID = "galahad-local"

// Network is a network of one signer, for tests: whoever has its secret knows
// every seed of the chain in advance.
type Network struct {
	info   Info
	secret scheme.SecretKey
}

// keyFile is Network on disk.
type keyFile struct {
	Warning     string   `json:"warning"`
	Secret      HexBytes `json:"secret"`
	PublicKey   HexBytes `json:"public_key"`
	GenesisTime int64    `json:"genesis_time"`
	Period      uint32   `json:"period"`
}

const warning = "Whoever reads this file knows every seed of the chain in advance. Test networks only."

// NewNetwork returns the network of a secret scalar (32 bytes, big-endian), whose
// round 1 is public at genesis (unix seconds) and each later one period seconds
// after the one before.
func NewNetwork(secret []byte, genesis int64, period uint32) (*Network, error) {
	if genesis <= 0 || period == 0 {
		return nil, fmt.Errorf("beacon: genesis time %d and period %d must be positive", genesis, period)
	}
	key, err := scheme.NewSecretKey(secret)
	if err != nil {
		return nil, err
	}
	public := key.PublicKey()
	group := sha256.Sum256(public)
	n := &Network{secret: key, info: Info{
		PublicKey:   public,
		Period:      period,
		GenesisTime: genesis,
		GroupHash:   group[:],
		SchemeID:    scheme.SchemeID,
		Metadata:    Metadata{BeaconID: beaconID},
	}}
	hash := n.info.ChainHash()
	n.info.Hash = hash[:]
	return n, nil
}

// Create makes a network with a fresh random key and writes it to home/beacon.json,
// readable by its owner only. It refuses to replace a file that is there
// (fs.ErrExist): a chain's genesis names the key.
func Create(home string, genesis int64, period uint32) (*Network, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Sub(fr.Modulus(), big.NewInt(1)))
	if err != nil {
		return nil, fmt.Errorf("beacon: random key: %w", err)
	}
	secret := n.Add(n, big.NewInt(1)).FillBytes(make([]byte, scheme.SecretKeySize))
	network, err := NewNetwork(secret, genesis, period)
	if err != nil {
		return nil, err
	}
	return network, network.save(home)
}

func (n *Network) save(home string) error {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return fmt.Errorf("beacon: %w", err)
	}
	data, err := json.MarshalIndent(keyFile{
		Warning: warning, Secret: n.secret.Bytes(), PublicKey: n.info.PublicKey,
		GenesisTime: n.info.GenesisTime, Period: n.info.Period,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("beacon: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(home, KeyFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("beacon: %w", err)
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("beacon: write %s: %w", f.Name(), err)
	}
	return nil
}

// Load reads the network that Create wrote to home. Errors name the file; one
// that is missing wraps fs.ErrNotExist.
func Load(home string) (*Network, error) {
	path := filepath.Join(home, KeyFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("beacon: no key in %s, make one with 'galahadd beacon init': %w", home, err)
	}
	if err != nil {
		return nil, fmt.Errorf("beacon: %w", err)
	}
	var k keyFile
	if err := json.Unmarshal(data, &k); err != nil {
		return nil, fmt.Errorf("beacon: %s: %w", path, err)
	}
	n, err := NewNetwork(k.Secret, k.GenesisTime, k.Period)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if string(k.PublicKey) != string(n.info.PublicKey) {
		return nil, fmt.Errorf("beacon: %s: the public key is not that of the secret", path)
	}
	return n, nil
}

// Info describes the network.
func (n *Network) Info() Info { return n.info }

// Params are what a genesis says of the network, marked as a test.
func (n *Network) Params(timeoutBlocks uint32) challengetypes.BeaconParams {
	return challengetypes.BeaconParams{
		PublicKey:     n.info.PublicKey,
		GenesisTime:   n.info.GenesisTime,
		Period:        n.info.Period,
		TimeoutBlocks: timeoutBlocks,
		Test:          true,
	}
}

// Latest is the newest round that is public at t, 0 before the first.
func (n *Network) Latest(t time.Time) uint64 {
	return scheme.Round(t, n.info.GenesisTime, n.info.Period)
}

// Sign makes a round, whether its time has come or not.
func (n *Network) Sign(round uint64) (Beacon, error) {
	sig, err := n.secret.Sign(round)
	if err != nil {
		return Beacon{}, err
	}
	randomness := scheme.Randomness(sig)
	return Beacon{Round: round, Randomness: randomness[:], Signature: sig}, nil
}
