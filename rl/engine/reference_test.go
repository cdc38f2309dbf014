package engine

import "math"

// A second implementation of the whole model, in float64 and as plain as it can
// be: what the engine's float32 results are measured against.

type reference struct {
	c Config
	t map[string][]float64
}

func newReference(m *Model) *reference {
	r := &reference{m.cfg, map[string][]float64{}}
	w := m.flatten()
	for _, s := range m.specs {
		v := make([]float64, s.size)
		for i := range v {
			v[i] = float64(w.flat[s.offset+i])
		}
		r.t[s.name] = v
	}
	return r
}

func (r *reference) linear(name string, x []float64) []float64 {
	w, in := r.t[name+".weight"], len(x)
	y := make([]float64, len(w)/in)
	for o := range y {
		for i, v := range x {
			y[o] += w[o*in+i] * v
		}
		if b := r.t[name+".bias"]; b != nil {
			y[o] += b[o]
		}
	}
	return y
}

func (r *reference) norm(name string, x []float64) []float64 {
	ss := 0.0
	for _, v := range x {
		ss += v * v
	}
	inv := 1 / math.Sqrt(ss/float64(len(x))+float64(r.c.RMSNormEps))
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = v * inv * r.t[name][i]
	}
	return y
}

func (r *reference) rope(x []float64, pos int) {
	d := r.c.HeadDim
	for at := 0; at < len(x); at += d {
		for i := range d / 2 {
			sin, cos := math.Sincos(float64(pos) * math.Pow(r.c.RopeTheta, -2*float64(i)/float64(d)))
			a, b := x[at+i], x[at+i+d/2]
			x[at+i], x[at+i+d/2] = a*cos-b*sin, b*cos+a*sin
		}
	}
}

// logits returns the logits after each token.
func (r *reference) logits(tokens []int32) [][]float64 {
	c := r.c
	keys := make([][][]float64, c.NumHiddenLayers)
	values := make([][][]float64, c.NumHiddenLayers)
	var out [][]float64
	for pos, id := range tokens {
		x := append([]float64(nil), r.t[embedName][int(id)*c.HiddenSize:(int(id)+1)*c.HiddenSize]...)
		for l := range c.NumHiddenLayers {
			p := "model.layers." + string(rune('0'+l)) + "."
			h := r.norm(p+"input_layernorm.weight", x)
			q, k, v := r.linear(p+"self_attn.q_proj", h), r.linear(p+"self_attn.k_proj", h), r.linear(p+"self_attn.v_proj", h)
			r.rope(q, pos)
			r.rope(k, pos)
			keys[l], values[l] = append(keys[l], k), append(values[l], v)
			att := make([]float64, len(q))
			d, group := c.HeadDim, c.NumAttentionHeads/c.NumKeyValueHeads
			for head := range c.NumAttentionHeads {
				kv := head / group * d
				weights, total := make([]float64, pos+1), 0.0
				for t := range weights {
					s := 0.0
					for i := range d {
						s += q[head*d+i] * keys[l][t][kv+i]
					}
					weights[t] = math.Exp(s / math.Sqrt(float64(d)))
					total += weights[t]
				}
				for t, w := range weights {
					for i := range d {
						att[head*d+i] += w / total * values[l][t][kv+i]
					}
				}
			}
			for i, v := range r.linear(p+"self_attn.o_proj", att) {
				x[i] += v
			}
			h = r.norm(p+"post_attention_layernorm.weight", x)
			gate, up := r.linear(p+"mlp.gate_proj", h), r.linear(p+"mlp.up_proj", h)
			for i, g := range gate {
				up[i] *= g / (1 + math.Exp(-g))
			}
			for i, v := range r.linear(p+"mlp.down_proj", up) {
				x[i] += v
			}
		}
		h := r.norm(normName, x)
		name := headName
		if c.TieWordEmbeddings {
			name = embedName
		}
		y := make([]float64, c.VocabSize)
		for o := range y {
			for i, v := range h {
				y[o] += r.t[name][o*c.HiddenSize+i] * v
			}
		}
		out = append(out, y)
	}
	return out
}

// logProbs returns the log-probabilities of the completion's tokens.
func (r *reference) logProbs(s TrainSequence) []float64 {
	logits := r.logits(s.Tokens[:len(s.Tokens)-1])
	var out []float64
	for t, id := range s.Tokens[s.Prompt:] {
		z := logits[s.Prompt-1+t]
		total := 0.0
		for _, v := range z {
			total += math.Exp((v) / float64(s.temperature()))
		}
		out = append(out, z[id]/float64(s.temperature())-math.Log(total))
	}
	return out
}
