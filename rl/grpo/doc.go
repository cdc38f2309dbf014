// Package grpo is the learning rule of Galahad: group-relative policy optimisation, as one pure function from (parent
// weights and optimizer state, ordered groups of rollouts, hyperparameters) to (next weights and optimizer state,
// metrics).
//
// A group is K completions of one prompt. A completion's advantage is its reward measured against its own group
// (Advantage). A group whose rewards are all equal carries no signal; it is dropped before the forward pass and counted,
// and so is one that the band of difficulty leaves out. Every completion token of what is kept adds to the loss what the
// objective (Loss) makes of its ratio
//
//	rho = exp(logp - logp_behaviour)
//
// and of the advantage, divided as Normalization says. logp_behaviour is the log-probability under the checkpoint that
// sampled the token, computed by whoever makes the step: what a miner claims never enters. A divergence (KL), an entropy
// bonus and shorter answers may be weighed in; the divergence's weight may be fixed, or adapt from step to step towards a
// target (NextKLWeight). The default, measured to learn, is
//
//	A_i = (r_i - mean(r)) / (std(r) + eps)        std is the population's, eps 1e-4
//	-min(rho*A, clip(rho, 0.8, 1.2)*A) / N        N completion tokens kept; no KL term, no entropy bonus
//
// The arithmetic is binary32 in one fixed order with the engine's own exp, and the engine adds gradients in the order
// in which the sequences are given, so the same call gives the same bits on every machine and with any number of
// threads; that is what lets a step be replayed by whoever doubts it. No input gives NaN: a rollout whose
// log-probabilities are not finite takes its group out, and the ratio is clamped in log space.
//
// Sources stand with each rule; the group baseline is of Shao et al. 2024 (DeepSeekMath, section 4.1), the clipped
// objective of Schulman et al. 2017 (PPO, equation 7).
package grpo
