package engine

// TrainSequence is one sequence to train on; the completion is Tokens[Prompt:].
type TrainSequence struct {
	Tokens []int32
	Prompt int // number of leading tokens that are the prompt, at least 1
	// Temperature divides the logits as in sampling; 0 means 1.
	Temperature float32
}

// AdamW holds the settings of one optimizer step (Loshchilov and Hutter,
// "Decoupled Weight Decay Regularization").
type AdamW struct {
	LR, Beta1, Beta2, Eps, WeightDecay float32
	// Clip bounds the global norm of the gradient; 0 means no bound.
	Clip float32
}
