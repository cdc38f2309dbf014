// Package grpo is the learning rule of Galahad: group-relative policy optimisation with a clipped ratio, as one pure
// function from (parent weights and optimizer state, ordered groups of rollouts, hyperparameters) to (next weights and
// optimizer state, metrics).
//
// A group is K completions of one prompt. A completion's advantage is its reward measured against its own group:
//
//	A_i = (r_i - mean(r)) / (std(r) + eps)        std is the population's, eps 1e-4
//
// A group whose rewards are all equal carries no signal; it is dropped before the forward pass and counted. Every
// completion token t of what is kept adds to the loss
//
//	-min(rho*A, clip(rho, 0.8, 1.2)*A) / N         rho = exp(logp - logp_behaviour)
//
// N being the number of completion tokens kept. logp_behaviour is the log-probability recorded when the token was
// sampled, by the checkpoint that sampled it. There is no KL term, no critic and no entropy bonus.
//
// The arithmetic is binary32 in one fixed order with the engine's own exp, and the engine adds gradients in the order
// in which the sequences are given, so the same call gives the same bits on every machine and with any number of
// threads; that is what lets a step be replayed by whoever doubts it. No input gives NaN: a rollout whose recorded
// log-probabilities are not finite takes its group out, and the ratio is clamped in log space.
//
// Sources: the group baseline is of Shao et al. 2024 (DeepSeekMath, section 4.1), the clipped objective of Schulman et
// al. 2017 (PPO, equation 7).
package grpo
