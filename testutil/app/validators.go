package testapp

import (
	"bytes"
	"slices"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtcrypto "github.com/cometbft/cometbft/crypto/encoding"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"

	"github.com/cosmos/cosmos-sdk/crypto/keys/ed25519"
	sdk "github.com/cosmos/cosmos-sdk/types"
)

// Validator is a validator of genesis. Its operator account signs for it and
// holds 100 GAL beside its stake.
type Validator struct {
	*Account
	// Operator is the validator's operator address, the grader address of our
	// modules.
	Operator sdk.ValAddress
	// ConsKey signs blocks.
	ConsKey *ed25519.PrivKey
}

// OperatorString is the operator address in bech32.
func (v Validator) OperatorString() string { return v.Operator.String() }

// valsets follows the set of validators that sign blocks: an update of block h
// takes effect at h+2.
type valsets struct {
	last, current, coming []member
}

type member struct {
	address []byte
	power   int64
}

func newValsets(updates []abci.ValidatorUpdate) valsets {
	set := apply(nil, updates)
	return valsets{current: set, coming: set}
}

func (v *valsets) next(updates []abci.ValidatorUpdate) {
	v.last = v.current
	v.current = v.coming
	v.coming = apply(v.coming, updates)
}

// proposer is the first of the set; nothing depends on who it is.
func (v *valsets) proposer() []byte {
	if len(v.current) == 0 {
		return nil
	}
	return v.current[0].address
}

// lastCommit is signed by everyone in the set of the block before.
func (v *valsets) lastCommit() abci.CommitInfo {
	var info abci.CommitInfo
	for _, m := range v.last {
		info.Votes = append(info.Votes, abci.VoteInfo{
			Validator:   abci.Validator{Address: m.address, Power: m.power},
			BlockIdFlag: cmtproto.BlockIDFlagCommit,
		})
	}
	return info
}

// apply returns set with the updates, ordered by address as CometBFT orders equal
// powers.
func apply(set []member, updates []abci.ValidatorUpdate) []member {
	out := slices.Clone(set)
	for _, u := range updates {
		key, err := cmtcrypto.PubKeyFromProto(u.PubKey)
		if err != nil {
			panic(err) // the application made the key
		}
		addr := []byte(key.Address())
		out = slices.DeleteFunc(out, func(m member) bool { return bytes.Equal(m.address, addr) })
		if u.Power > 0 {
			out = append(out, member{addr, u.Power})
		}
	}
	slices.SortFunc(out, func(a, b member) int { return bytes.Compare(a.address, b.address) })
	return out
}
