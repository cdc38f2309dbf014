package proof

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/derive"
)

type vectorDistance struct {
	Exponents int     `json:"exp_mismatches"`
	Mean      float64 `json:"mant_err_mean"`
	Median    float64 `json:"mant_err_median_upper"`
}

func (d vectorDistance) want() Distance { return Distance(d) }

// vectorFile is toploc.json; its "meta" says how it was made.
type vectorFile struct {
	Constants struct {
		Prime   uint32  `json:"field_prime"`
		TopK    int     `json:"topk_default"`
		Rows    int     `json:"chunk_tokens_default"`
		Bytes   int     `json:"bytes_per_proof_topk128"`
		NoMatch float64 `json:"no_match_sentinel"`
	}
	Interpolation []struct {
		X, Y   []uint32
		Coeffs []uint16
	} `json:"interpolation_mod_65497"`
	Evaluation []struct {
		Coeffs   []uint16
		X, Value uint32
	}
	Serialization []struct {
		Modulus uint32
		Coeffs  []uint16
		Hex     string
	}
	InjectiveModulus []struct {
		Indices []int
		Modulus uint32 `json:"injective_modulus"`
		Y       []uint16
		Proof   []byte `json:"proof_base64"`
	} `json:"injective_modulus"`
	Readme struct {
		Chunks []struct {
			Activations string `json:"chunk_bf16_hex"`
			TopK        int
			Indices     []int `json:"topk_indices"`
			Modulus     uint32
			Coeffs      []uint16
			Proof       string         `json:"proof_hex"`
			Self        vectorDistance `json:"verify_self"`
			Jittered    string         `json:"jittered_x1p01_bf16_hex"`
			Other       vectorDistance `json:"verify_jittered"`
		}
	} `json:"readme_example"`
	Golden struct {
		TopK        int
		Activations string `json:"activations_bf16_hex"`
		Indices     []int  `json:"topk_indices_torch_order"`
		Modulus     uint32
		Coeffs      []uint16
		Proof       string `json:"proof_hex"`
		Scaled      []struct {
			Scale  any
			Result vectorDistance
		} `json:"verify_after_scaling"`
	} `json:"golden_258_byte_proof"`
	Compare []struct {
		Name   string
		Proof  []uint16 `json:"proof_values"`
		Own    []uint16 `json:"verifier_values"`
		Result vectorDistance
	} `json:"compare_bf16"`
	Sequence struct {
		Thresholds struct {
			Exponents int     `json:"exp_mismatch"`
			Mean      float64 `json:"mant_mean"`
			Median    float64 `json:"mant_median"`
		}
		Cases []struct {
			Chunks  [][3]float64
			Allowed int     `json:"min_allowed_failures"`
			Ratio   float64 `json:"ratio_allowed_failures"`
			Accept  bool
			Reason  string
		}
	} `json:"sequence_verdict"`
	MustReject []struct{ Hex, Why string } `json:"must_reject"`
	Constant   struct {
		Proof  []byte `json:"proof_base64"`
		Result vectorDistance
		Modal  struct {
			Honest   float64 `json:"honest_golden"`
			Constant float64
		} `json:"modal_exponent_fraction_at_random_indices"`
	} `json:"constant_polynomial_attack"`
	Shapes []struct {
		Rows, Prefill, Proofs int
		DecodeRows            int  `json:"decode_rows"`
		Batching              int  `json:"decode_batching_size"`
		SkipPrefill           bool `json:"skip_prefill"`
		Output                int  `json:"output_tokens"`
		MaxLen                int  `json:"max_len"`
	}
}

// openVectors reads toploc.json of the folder GALAHAD_VECTORS, else of testdata. A file
// that is missing fails the test.
func openVectors(t testing.TB) (f vectorFile) {
	t.Helper()
	dir := os.Getenv("GALAHAD_VECTORS")
	if dir == "" {
		dir = "testdata"
	}
	raw, err := os.ReadFile(filepath.Join(dir, "toploc.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &f))
	require.NotEmpty(t, f.Readme.Chunks)
	return f
}

// bf16 reads 4 hexadecimal digits for each value.
func bf16(t testing.TB, text string) []uint16 {
	t.Helper()
	raw, err := hex.DecodeString(text)
	require.NoError(t, err)
	out := make([]uint16, len(raw)/2)
	for i := range out {
		out[i] = uint16(raw[2*i])<<8 | uint16(raw[2*i+1])
	}
	return out
}

func at(values []uint16, indices []int) []uint16 {
	out := make([]uint16, len(indices))
	for i, x := range indices {
		out[i] = values[x]
	}
	return out
}

// scale multiplies in float32 and rounds to bfloat16.
func scale(values []uint16, by float64) []uint16 {
	wide := make([]float32, len(values))
	for i, v := range values {
		wide[i] = math.Float32frombits(uint32(v)<<16) * float32(by)
	}
	out := make([]uint16, len(values))
	BF16(out, wide)
	return out
}

func TestVectorsTOPLOCField(t *testing.T) {
	f := openVectors(t)
	require.EqualValues(t, Prime, f.Constants.Prime)
	require.Equal(t, TopK, f.Constants.TopK)
	require.Equal(t, ChunkRows, f.Constants.Rows)
	require.Equal(t, 2+2*TopK, f.Constants.Bytes)
	require.Equal(t, NoMatch, f.Constants.NoMatch)
	for _, v := range f.Interpolation {
		require.Equal(t, v.Coeffs, interpolate(v.X, v.Y))
	}
	for _, v := range f.Evaluation {
		require.Equal(t, v.Value, evaluate(v.Coeffs, v.X))
	}
	for _, v := range f.Serialization {
		require.Equal(t, v.Hex, hex.EncodeToString(TOPLOC{v.Modulus, v.Coeffs}.Bytes()))
	}
	for _, v := range f.InjectiveModulus {
		p, err := BuildAt(v.Indices, v.Y)
		require.NoError(t, err)
		require.Equal(t, v.Modulus, p.Modulus)
		require.Equal(t, v.Proof, p.Bytes())
	}
}

func TestVectorsTOPLOCReadme(t *testing.T) {
	for i, v := range openVectors(t).Readme.Chunks {
		own := bf16(t, v.Activations)
		p, err := Build(own, v.TopK)
		require.NoError(t, err, "chunk %d", i)
		require.Equal(t, TOPLOC{v.Modulus, v.Coeffs}, p, "chunk %d", i)
		require.Equal(t, v.Proof, hex.EncodeToString(p.Bytes()), "chunk %d", i)
		parsed, err := Parse(p.Bytes(), v.TopK)
		require.NoError(t, err)
		require.Equal(t, p, parsed)
		d, err := p.Compare(own)
		require.NoError(t, err)
		require.Equal(t, v.Self.want(), d, "chunk %d", i)
		jittered := bf16(t, v.Jittered)
		require.Equal(t, jittered, scale(own, 1.01), "chunk %d", i)
		d, err = p.Compare(jittered)
		require.NoError(t, err)
		require.Equal(t, v.Other.want(), d, "chunk %d", i)
	}
}

// The proof of prime-rl's test, byte for byte. Eleven values tie for the last nine
// places and torch takes nine of them in no order that is documented, so the bytes are of
// its choice, while a comparison makes its own.
func TestVectorsTOPLOCGoldenProof(t *testing.T) {
	f := openVectors(t)
	g := f.Golden
	own := bf16(t, g.Activations)
	p, err := BuildAt(g.Indices, at(own, g.Indices))
	require.NoError(t, err)
	require.Equal(t, TOPLOC{g.Modulus, g.Coeffs}, p)
	require.Equal(t, g.Proof, hex.EncodeToString(p.Bytes()))
	shuffled := slices.Clone(g.Indices)
	slices.Reverse(shuffled)
	q, err := BuildAt(shuffled, at(own, shuffled))
	require.NoError(t, err)
	require.Equal(t, p, q, "the order of the points does not matter")

	mine, err := Build(own, g.TopK)
	require.NoError(t, err)
	compared := 0
	for _, s := range g.Scaled {
		by, ok := s.Scale.(float64)
		if !ok {
			continue // activations that only torch makes
		}
		scaled := scale(own, by)
		for _, proof := range []TOPLOC{p, mine} {
			d, err := proof.Compare(scaled)
			require.NoError(t, err)
			require.InDelta(t, s.Result.Exponents, d.Exponents, 2, "scale %v: at most the tied values are others", by)
			require.InDelta(t, s.Result.Mean, d.Mean, 0.5, "scale %v", by)
			require.InDelta(t, s.Result.Median, d.Median, 0.5, "scale %v", by)
		}
		compared++
	}
	require.NotZero(t, compared)
}

// values of a proof at indices.
func values(p TOPLOC, indices []int) []uint16 {
	out := make([]uint16, len(indices))
	for i, x := range indices {
		out[i] = uint16(evaluate(p.Coefficients, uint32(x)%p.Modulus))
	}
	return out
}

func TestVectorsTOPLOCStatistics(t *testing.T) {
	f := openVectors(t)
	for _, v := range f.Compare {
		require.Equal(t, v.Result.want(), distance(v.Proof, v.Own), v.Name)
	}
	for i, c := range f.Sequence.Cases {
		th := Thresholds{
			Exponents: f.Sequence.Thresholds.Exponents, Mean: f.Sequence.Thresholds.Mean, Median: f.Sequence.Thresholds.Median,
			Forgiven: max(c.Allowed, int(c.Ratio*float64(len(c.Chunks)))),
		}
		var chunks []Distance
		for _, x := range c.Chunks {
			chunks = append(chunks, Distance{int(x[0]), x[1], x[2]})
		}
		ok, reason, _ := th.Accept(chunks)
		require.Equal(t, c.Accept, ok, "case %d", i)
		require.Equal(t, c.Reason, reason, "case %d", i)
	}
	for _, s := range f.Shapes {
		rows, size, extra := s.Rows, s.Batching, 0
		switch {
		case s.MaxLen > 0:
			rows, size = s.Output, s.MaxLen
		case s.DecodeRows > 0:
			rows, extra = s.DecodeRows, s.Prefill
		}
		require.Equal(t, s.Proofs, extra+(rows+size-1)/size)
		if size == ChunkRows {
			require.Equal(t, s.Proofs, Chunks(rows))
		}
	}
}

func TestVectorsTOPLOCMustReject(t *testing.T) {
	for _, v := range openVectors(t).MustReject {
		wire, err := hex.DecodeString(v.Hex)
		require.NoError(t, err)
		k := max(1, (len(wire)-2)/2)
		_, err = Parse(wire, k)
		require.ErrorIs(t, err, ErrProof, v.Why)
	}
}

// A constant passes thresholds that are in use, and shows away from the top k.
func TestVectorsTOPLOCConstantPolynomial(t *testing.T) {
	f := openVectors(t)
	own := bf16(t, f.Golden.Activations)
	constant, err := Parse(f.Constant.Proof, f.Golden.TopK)
	require.NoError(t, err)
	require.Equal(t, f.Constant.Result.want(), distance(values(constant, f.Golden.Indices), at(own, f.Golden.Indices)))
	d, err := constant.Compare(own)
	require.NoError(t, err)
	deployed := Thresholds{Exponents: 60, Mean: 40, Median: 40}
	ok, _, _ := deployed.Accept([]Distance{d})
	require.True(t, ok, "which is what makes it an attack")

	places := func() *derive.Stream { return derive.NewStream(derive.Seed{1}) }
	require.Equal(t, f.Constant.Modal.Constant, constant.Degeneracy(places()))
	honest, err := Build(own, f.Golden.TopK)
	require.NoError(t, err)
	require.InDelta(t, f.Constant.Modal.Honest, honest.Degeneracy(places()), 0.01)
	require.Greater(t, constant.Degeneracy(places()), MaxDegeneracy)
	require.Less(t, honest.Degeneracy(places()), MaxDegeneracy)
}
