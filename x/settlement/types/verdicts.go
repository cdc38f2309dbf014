package types

import (
	"bytes"
	"slices"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/x/settlement/consensus"
)

const (
	// HashSize is the length of a posted hash, a salt and a work root.
	HashSize = 32
)

// CommittedMiner is a miner with a commitment in the window, as a verdict sees it.
type CommittedMiner struct {
	Address sdk.AccAddress
	// Text is Address as the chain spells it; empty where nobody has spelled it yet.
	Text string
	// Groups committed, of the Declared ones frozen into the window.
	Groups, Declared uint32
}

// Score of the miner if its verdict is ok.
func (m CommittedMiner) Score() uint64 { return consensus.Score(m.Groups, m.Declared) }

func (m CommittedMiner) text() string {
	if m.Text != "" {
		return m.Text
	}
	return m.Address.String()
}

// SortMiners sorts miners into the order that verdicts must have: ascending by raw address.
func SortMiners(miners []CommittedMiner) {
	slices.SortFunc(miners, func(a, b CommittedMiner) int { return bytes.Compare(a.Address, b.Address) })
}

// VerifyCode is the verdict's code with the names and predicates of package verify.
func (v Verdict) VerifyCode() verify.Code { return verify.Code(uint32(v.Code)) }

// NewVerdicts builds what a grader commits to and reveals: one verdict for each of the
// committed miners, with the weights that follow from them, and its word on the
// accusations that the window judges, by id. results has, for each of miners (in any
// order), the result of the same index, and works the Merkle root over its work hashes,
// which is left out unless the result is ok. miners, results and works are not changed.
func NewVerdicts(
	miners []CommittedMiner, results []verify.Result, works [][]byte, accusations []AccusationVerdict, conformance []byte,
) (Verdicts, error) {
	if len(miners) != len(results) || len(miners) != len(works) {
		return Verdicts{}, ErrInvalidVerdict.Wrapf("%d results and %d work roots on %d miners", len(results), len(works), len(miners))
	}
	order := make([]int, len(miners))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(miners[a].Address, miners[b].Address) })
	v := Verdicts{Accusations: accusations, ConformanceDigest: conformance}
	sorted := make([]CommittedMiner, 0, len(miners))
	for _, i := range order {
		entry := Verdict{Miner: miners[i].text(), Code: VerdictCode(results[i].Code)}
		switch {
		case results[i].Code.Hard():
			entry.Leaf, entry.Value, entry.Threshold = results[i].Leaf, results[i].Value, results[i].Threshold
		case results[i].Code == verify.OK:
			entry.Work = works[i]
		}
		v.Verdicts = append(v.Verdicts, entry)
		sorted = append(sorted, miners[i])
	}
	v.Weights = Weights(v.Verdicts, sorted)
	return v, nil
}

// Weights are the normalized weights of verdicts on miners: entry i of one is on entry
// i of the other. A verdict that is not ok weighs 0.
func Weights(verdicts []Verdict, miners []CommittedMiner) []uint32 {
	scores := make([]uint64, min(len(verdicts), len(miners)))
	for i := range scores {
		if verdicts[i].Code == VerdictCode_VERDICT_CODE_OK {
			scores[i] = miners[i].Score()
		}
	}
	return consensus.NormalizeWeights(scores)
}

// Check returns an error unless v is what a grader of the window may reveal: miners
// are the committed ones, ascending by raw address, accusations the ids of those that
// the window judges, ascending, groupSize is the run's K and conformance its digest. It
// fails with ErrWrongMiners, ErrInvalidVerdict, ErrWrongWeights, ErrInvalidWork,
// ErrWrongAccusations or ErrWrongConformance, naming the entry.
func (v Verdicts) Check(miners []CommittedMiner, accusations []uint64, groupSize uint32, conformance []byte) error {
	if !bytes.Equal(v.ConformanceDigest, conformance) {
		return ErrWrongConformance.Wrapf("%X, the window's is %X", clip(v.ConformanceDigest), conformance)
	}
	if len(v.Verdicts) != len(miners) {
		return ErrWrongMiners.Wrapf("%d verdicts on %d miners", len(v.Verdicts), len(miners))
	}
	for i := range v.Verdicts {
		if err := v.Verdicts[i].check(miners[i], groupSize); err != nil {
			return err
		}
	}
	if want := Weights(v.Verdicts, miners); !slices.Equal(v.Weights, want) {
		for i := range min(len(want), len(v.Weights)) {
			if v.Weights[i] != want[i] {
				return ErrWrongWeights.Wrapf("%s: %d, the verdicts give %d", v.Verdicts[i].Miner, v.Weights[i], want[i])
			}
		}
		return ErrWrongWeights.Wrapf("%d weights on %d miners", len(v.Weights), len(want))
	}
	if len(v.Accusations) != len(accusations) {
		return ErrWrongAccusations.Wrapf("%d verdicts on %d accusations", len(v.Accusations), len(accusations))
	}
	for i, a := range v.Accusations {
		if a.Id != accusations[i] {
			return ErrWrongAccusations.Wrapf("verdict %d is on accusation %d, want %d", i, a.Id, accusations[i])
		}
		if code := verify.Code(uint32(a.Code)); code == verify.Unspecified || !code.Known() {
			return ErrInvalidVerdict.Wrapf("accusation %d: code %d", a.Id, uint32(a.Code))
		}
	}
	return nil
}

func (v Verdict) check(m CommittedMiner, groupSize uint32) error {
	// One spelling of an address only: the hash is over the text.
	if want := m.text(); v.Miner != want {
		return ErrWrongMiners.Wrapf("verdict is on %.90q, want %s", v.Miner, want)
	}
	code := v.VerifyCode()
	if code == verify.Unspecified || !code.Known() {
		return ErrInvalidVerdict.Wrapf("%s: code %d", v.Miner, uint32(v.Code))
	}
	leaves := uint64(m.Groups) * uint64(groupSize)
	switch {
	case !code.Hard() && v.Leaf != 0:
		return ErrInvalidVerdict.Wrapf("%s: %s names leaf %d", v.Miner, code, v.Leaf)
	case !code.Hard() && (v.Value != 0 || v.Threshold != 0):
		return ErrInvalidVerdict.Wrapf("%s: %s measured %d against %d", v.Miner, code, v.Value, v.Threshold)
	case code.Hard() && v.Leaf >= leaves:
		return ErrInvalidVerdict.Wrapf("%s: leaf %d of %d", v.Miner, v.Leaf, leaves)
	case code == verify.OK && len(v.Work) != HashSize:
		return ErrInvalidWork.Wrapf("%s: %d bytes, want %d", v.Miner, len(v.Work), HashSize)
	case code != verify.OK && len(v.Work) != 0:
		return ErrInvalidWork.Wrapf("%s: %s has %d bytes, want none", v.Miner, code, len(v.Work))
	}
	return nil
}

// Canonical is the byte string that the hash commits to.
func (v Verdicts) Canonical() ([]byte, error) { return v.Marshal() }

// Hash is what grader posts for v in AUDIT; salt is 32 secret bytes.
func (v Verdicts) Hash(chainID string, run, window uint64, grader sdk.ValAddress, salt []byte) ([]byte, error) {
	if len(salt) != HashSize {
		return nil, ErrInvalidSalt.Wrapf("%d bytes, want %d", len(salt), HashSize)
	}
	canonical, err := v.Canonical()
	if err != nil {
		return nil, ErrInvalidVerdict.Wrap(err.Error())
	}
	hash := derive.VerdictHash(chainID, run, window, grader, canonical, salt)
	return hash[:], nil
}

// clip shortens what a stranger sent for an error message.
func clip(b []byte) []byte { return b[:min(len(b), HashSize)] }
