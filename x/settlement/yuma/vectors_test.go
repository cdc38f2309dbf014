package yuma

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// vectorFile is yuma.json; its field "format" says what the fields mean.
type vectorFile struct {
	Counts struct{ Cases int }
	Cases  []vectorCase
	Math   []vectorMath
}

type vectorCase struct {
	Name, Kind string
	N          int
	Params     struct {
		Kappa          uint16  `json:"kappa_u16"`
		BondsPenalty   uint16  `json:"bonds_penalty_u16"`
		MovingAverage  uint64  `json:"bonds_moving_average_millionths"`
		Yuma3          bool    `json:"yuma3"`
		LiquidAlpha    bool    `json:"liquid_alpha"`
		AlphaLow       uint16  `json:"alpha_low_u16"`
		AlphaHigh      uint16  `json:"alpha_high_u16"`
		Steepness      int16   `json:"alpha_sigmoid_steepness_x100"`
		MaxValidators  int     `json:"max_allowed_validators"`
		StakeThreshold uint64  `json:"stake_threshold"`
		ActivityCutoff uint64  `json:"activity_cutoff_blocks"`
		Tempo          uint64  `json:"tempo"`
		Owner          *uint16 `json:"owner_uid"`
	}
	Uniform *vectorUniform
	Epochs  []struct {
		Input    vectorInput
		Expected json.RawMessage
	}
}

func (c vectorCase) params() (Network, Params) {
	p := c.Params
	return Network{
			MaxValidators: p.MaxValidators, StakeThreshold: p.StakeThreshold,
			ActivityCutoff: p.ActivityCutoff, Tempo: p.Tempo, Owner: p.Owner,
		}, Params{
			Kappa: p.Kappa, BondsPenalty: p.BondsPenalty, BondsMovingAverage: p.MovingAverage, Yuma3: p.Yuma3,
			LiquidAlpha: p.LiquidAlpha, AlphaLow: p.AlphaLow, AlphaHigh: p.AlphaHigh, Steepness: p.Steepness,
			Compat: true,
		}
}

// vectorInput has what an epoch changes; absent fields are nil.
type vectorInput struct {
	Block        *uint64
	LastStep     *uint64 `json:"last_mechanism_step_block"`
	Emission     *uint64
	Stake        []uint64
	LastUpdate   []uint64        `json:"last_update"`
	Registered   []uint64        `json:"block_at_registration"`
	CommitBlocks json.RawMessage `json:"commit_blocks"` // null is "none", not absent
	Weights      vectorRows
	Permits      []bool     `json:"validator_permits_in"`
	Bonds        vectorRows `json:"bonds_in"`
}

// apply puts the fields given into in.
func (v vectorInput) apply(in *Input) error {
	set(&in.Block, v.Block)
	set(&in.LastStep, v.LastStep)
	set(&in.Emission, v.Emission)
	setSlice(&in.Stake, v.Stake)
	setSlice(&in.LastUpdate, v.LastUpdate)
	setSlice(&in.Registered, v.Registered)
	setSlice(&in.Permits, v.Permits)
	setSlice(&in.Weights, v.Weights)
	setSlice(&in.Bonds, v.Bonds)
	if v.CommitBlocks != nil {
		var blocks []*uint64
		if err := json.Unmarshal(v.CommitBlocks, &blocks); err != nil {
			return err
		}
		in.CommitBlocks = nil
		for _, block := range blocks {
			at := uint64(NoCommit)
			set(&at, block)
			in.CommitBlocks = append(in.CommitBlocks, at)
		}
	}
	return nil
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func setSlice[T any](to *[]T, from []T) {
	if from != nil {
		*to = from
	}
}

type vectorRows [][]Entry

func (r *vectorRows) UnmarshalJSON(raw []byte) error {
	var rows [][][2]uint16
	if err := json.Unmarshal(raw, &rows); err != nil || rows == nil {
		return err
	}
	*r = make(vectorRows, len(rows))
	for i, row := range rows {
		for _, e := range row {
			(*r)[i] = append((*r)[i], Entry{e[0], e[1]})
		}
	}
	return nil
}

// vectorOutput is what every epoch of the kind epoch_sequence expects.
type vectorOutput struct {
	StakeWeight    []uint16   `json:"stake_weight_u16"`
	Consensus      []uint16   `json:"consensus_u16"`
	ValidatorTrust []uint16   `json:"validator_trust_u16"`
	Incentive      []uint16   `json:"incentive_u16"`
	Dividends      []uint16   `json:"dividends_u16"`
	Server         []uint64   `json:"server_emission"`
	Validator      []uint64   `json:"validator_emission"`
	Emission       []uint64   `json:"emission"`
	Active         []bool     `json:"active"`
	Permits        []bool     `json:"new_permits"`
	Bonds          vectorRows `json:"bonds_u16"`
	Raw            struct {
		ActiveStake    []Fixed `json:"active_stake"`
		Consensus      []Fixed `json:"consensus"`
		ValidatorTrust []Fixed `json:"validator_trust"`
		Incentive      []Fixed `json:"incentive"`
		Dividends      []Fixed `json:"dividends"`
	} `json:"raw_i32f32_bits"`
}

func outputOf(out Output) (v vectorOutput) {
	v.StakeWeight, v.Consensus, v.ValidatorTrust = toU16(out.Stake), toU16(out.Consensus), toU16(out.ValidatorTrust)
	v.Incentive, v.Dividends = toU16(out.Incentive), toU16(out.Dividends)
	v.Server, v.Validator, v.Emission = out.Server, out.Validator, out.Emission
	v.Active, v.Permits, v.Bonds = out.Active, out.Permits, out.Bonds
	v.Raw.ActiveStake, v.Raw.Consensus, v.Raw.ValidatorTrust = out.ActiveStake, out.Consensus, out.ValidatorTrust
	v.Raw.Incentive, v.Raw.Dividends = out.Incentive, out.Dividends
	return v
}

// vectorUniform is the rule that makes the input of a case of 512 nodes.
type vectorUniform struct {
	Validators, Servers [2]uint16 // first and last
	StakeValidator      uint64    `json:"stake_validator"`
	StakeServer         uint64    `json:"stake_server"`
	Weight              uint16    `json:"weight_stored_u16_validator_to_each_server"`
	ServerSelf          bool      `json:"server_self_weight"`
	LastUpdate          uint64    `json:"last_update"`
	Registered          uint64    `json:"block_at_registration"`
}

func (u vectorUniform) input(n int) Input {
	in := Input{Weights: make([][]Entry, n), Bonds: make([][]Entry, n), Stake: make([]uint64, n), Permits: make([]bool, n)}
	in.LastUpdate, in.Registered = slices.Repeat([]uint64{u.LastUpdate}, n), slices.Repeat([]uint64{u.Registered}, n)
	for i := u.Validators[0]; i <= u.Validators[1]; i++ {
		in.Stake[i], in.Permits[i] = u.StakeValidator, true
		for j := u.Servers[0]; j <= u.Servers[1]; j++ {
			in.Weights[i] = append(in.Weights[i], Entry{j, u.Weight})
		}
	}
	for j := u.Servers[0]; j <= u.Servers[1]; j++ {
		in.Stake[j] = u.StakeServer
		if u.ServerSelf {
			in.Weights[j] = []Entry{{j, 65535}}
		}
	}
	return in
}

// uniformOutput is what an epoch of the kind epoch_sequence_uniform expects.
type uniformOutput struct {
	Validators, Servers uniformRole
	Bond                uint16 `json:"bond_validator_to_server_u16"`
	BondOther           uint16 `json:"bond_other"`
}

type uniformRole struct {
	Consensus      uint16 `json:"consensus_u16"`
	Incentive      uint16 `json:"incentive_u16"`
	Dividends      uint16 `json:"dividends_u16"`
	ValidatorTrust uint16 `json:"validator_trust_u16"`
	StakeWeight    uint16 `json:"stake_weight_u16"`
	Emission       uint64 `json:"emission"`
	Server         uint64 `json:"server_emission"`
	Validator      uint64 `json:"validator_emission"`
}

func (u vectorUniform) check(t *testing.T, want uniformOutput, out Output) {
	got := outputOf(out)
	role := func(uid uint16) uniformRole {
		return uniformRole{
			got.Consensus[uid], got.Incentive[uid], got.Dividends[uid], got.ValidatorTrust[uid],
			got.StakeWeight[uid], got.Emission[uid], got.Server[uid], got.Validator[uid],
		}
	}
	for uid := u.Servers[0]; uid <= u.Servers[1]; uid++ {
		require.Equal(t, want.Servers, role(uid), "uid %d", uid)
	}
	var bonds []Entry
	for to := range uint16(len(out.Stake)) {
		value := want.BondOther
		if to >= u.Servers[0] && to <= u.Servers[1] {
			value = want.Bond
		}
		if value > 0 {
			bonds = append(bonds, Entry{to, value})
		}
	}
	for uid := u.Validators[0]; uid <= u.Validators[1]; uid++ {
		require.Equal(t, want.Validators, role(uid), "uid %d", uid)
		require.Equal(t, bonds, got.Bonds[uid], "uid %d", uid)
	}
}

// openVectors reads yuma.json of the folder GALAHAD_VECTORS, else of testdata.
func openVectors(t *testing.T) vectorFile {
	t.Helper()
	dir := os.Getenv("GALAHAD_VECTORS")
	if dir == "" {
		dir = "testdata"
	}
	return openVectorsIn(t, dir)
}

// openVectorsIn reads yuma.json of a folder. A file that is missing fails the test.
func openVectorsIn(t *testing.T, dir string) (f vectorFile) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "yuma.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &f))
	require.NotEmpty(t, f.Cases)
	return f
}

// Every case, every field, every bit.
func TestVectorsYuma(t *testing.T) { openVectors(t).check(t) }

func (f vectorFile) check(t *testing.T) {
	for _, c := range f.Cases {
		t.Run(c.Name, func(t *testing.T) {
			net, params := c.params()
			in := Input{Permits: make([]bool, c.N), Bonds: make([][]Entry, c.N), Weights: make([][]Entry, c.N)}
			if c.Uniform != nil {
				in = c.Uniform.input(c.N)
			}
			require.NotEmpty(t, c.Epochs)
			for k, e := range c.Epochs {
				require.NoError(t, e.Input.apply(&in))
				out, err := Epoch(in, net, params)
				require.NoError(t, err, "epoch %d", k)
				switch c.Kind {
				case "epoch_sequence":
					var want vectorOutput
					require.NoError(t, json.Unmarshal(e.Expected, &want))
					require.Equal(t, want, outputOf(out), "epoch %d", k)
				case "epoch_sequence_uniform":
					var want uniformOutput
					require.NoError(t, json.Unmarshal(e.Expected, &want))
					c.Uniform.check(t, want, out)
				default:
					t.Fatalf("unknown kind %q", c.Kind)
				}
				in.Permits, in.Bonds = out.Permits, out.Bonds
			}
		})
	}
}

// The repository's own vectors, all of them: no part of the formula may lose its cases.
func TestAudit_D26_TheFormulaIsTheSpecifications(t *testing.T) {
	f := openVectorsIn(t, "testdata")
	require.Len(t, f.Cases, f.Counts.Cases)
	var yuma2, yuma3, liquid, sequences int
	for _, c := range f.Cases {
		switch {
		case !c.Params.Yuma3:
			yuma2++
		case c.Params.LiquidAlpha:
			liquid++
		default:
			yuma3++
		}
		if len(c.Epochs) > 1 {
			sequences++
		}
	}
	for _, n := range []int{yuma2, yuma3, liquid, sequences} {
		require.GreaterOrEqual(t, n, 5, "%d of Yuma2, %d of Yuma3, %d with liquid alpha, %d of several epochs", yuma2, yuma3, liquid, sequences)
	}
	f.check(t)
	called := map[string]bool{}
	for _, v := range f.Math {
		called[v.Fn] = true
	}
	require.Len(t, called, len(mathFunctions))
	checkMath(t, f.Math)
}
