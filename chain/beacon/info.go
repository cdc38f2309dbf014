package beacon

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"

	scheme "github.com/galahad-network/galahad/x/challenge/beacon"
)

// HexBytes are bytes that JSON shows in hexadecimal.
type HexBytes []byte

// MarshalText implements encoding.TextMarshaler.
func (h HexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *HexBytes) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*h = b
	return err
}

// Info describes a network, in the form of drand's /info.
type Info struct {
	PublicKey   HexBytes `json:"public_key"`
	Period      uint32   `json:"period"`       // seconds
	GenesisTime int64    `json:"genesis_time"` // unix seconds of round 1
	Hash        HexBytes `json:"hash"`         // chain hash, see ChainHash
	GroupHash   HexBytes `json:"groupHash"`    // of the signers' first configuration
	SchemeID    string   `json:"schemeID"`
	Metadata    Metadata `json:"metadata"`
}

// Metadata of a network.
type Metadata struct {
	BeaconID string `json:"beaconID"`
}

// Beacon is one round, in the form of drand's /public/{round}.
type Beacon struct {
	Round      uint64   `json:"round"`
	Randomness HexBytes `json:"randomness"`
	Signature  HexBytes `json:"signature"`
}

// defaultBeaconID is the network name that drand leaves out of the chain hash.
const defaultBeaconID = "default"

// ChainHash names a network by drand's formula: SHA-256 of period (uint32),
// genesis time (int64), public key, group hash and, unless it is "default", the
// beacon id; integers big-endian.
func (i Info) ChainHash() [32]byte {
	h := sha256.New()
	var fixed [12]byte
	binary.BigEndian.PutUint32(fixed[:4], i.Period)
	binary.BigEndian.PutUint64(fixed[4:], uint64(i.GenesisTime))
	h.Write(fixed[:])
	h.Write(i.PublicKey)
	h.Write(i.GroupHash)
	if id := i.Metadata.BeaconID; id != "" && id != defaultBeaconID {
		h.Write([]byte(id))
	}
	return [32]byte(h.Sum(nil))
}

// validate checks what a client is about to rely on.
func (i Info) validate() error {
	if err := scheme.ValidatePublicKey(i.PublicKey); err != nil {
		return err
	}
	if i.SchemeID != scheme.SchemeID {
		return errors.New("beacon: scheme " + i.SchemeID + ", want " + scheme.SchemeID)
	}
	if hash := i.ChainHash(); string(hash[:]) != string(i.Hash) {
		return errors.New("beacon: the chain hash is not that of the network's description")
	}
	return nil
}

func (i Info) hashText() string { return hex.EncodeToString(i.Hash) }

// String is the JSON form.
func (i Info) String() string {
	b, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}
