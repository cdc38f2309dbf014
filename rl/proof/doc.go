// Package proof holds what a rollout carries so that work on an engine that is not
// exact can be checked: TOPLOC and the sketch. An exact run needs neither; its rollouts
// carry no proof.
//
// # TOPLOC
//
// A proof of a chunk of activations (rows x H values of the final hidden state, bfloat16)
// is a polynomial over GF(65497) through the k values of largest magnitude: at each
// index mod m, where index = row*H + column, it has the value's bits. m is the largest
// modulus of at most 65497 that keeps the indices distinct. The wire form is m and the k
// coefficients, lowest degree first, big-endian uint16 each: 258 bytes for k = 128.
//
// A verifier finds the k largest values of its own activations, evaluates the polynomial
// there and compares: how many exponents differ, and how far apart the mantissas are
// where the exponents agree. Byte-compatible with TOPLOC v0.1.6 (Ong et al., 2025,
// arXiv:2501.16007), of which testdata/toploc.json holds vectors.
//
// Two things are stricter here. Bytes that no honest builder makes are refused with a
// typed error. And since a constant polynomial, which encodes no computation, passes the
// thresholds in use elsewhere (activations share few exponents), a proof is also
// evaluated away from the top k: there a polynomial through real values looks uniform,
// see Degeneracy.
//
// # Sketch
//
// One int32 for each completion position: the final hidden state over its root mean
// square, projected on signs that the window's opening seed draws, times
// 1000/sqrt(H). Honest engines that differ agree to some units, other models do not; the
// values have a deviation of about 1000 over the choice of signs, so no constant is near
// them. See Sketch.
package proof
