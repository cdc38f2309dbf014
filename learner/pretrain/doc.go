// Package pretrain makes the base model: a small transformer trained, from a seed and nothing else, to imitate a pupil
// that adds three-digit numbers column by column and makes mistakes.
//
// The weakness of the base is planted, and on purpose. The pupil forgets three carries of four and slips in one column
// of five, so about one of its sums in eight is right; the model learns the wrong habit along with the right format.
// Its most likely answer is the sum without any carry, while correct sums are still within what it samples. Reinforcement
// learning on the network then has something real to amplify that two CPU cores can show in minutes. It is an
// illustration of the loop, not evidence about large models.
//
// The recipe: 32 tokens, hidden width 64, two layers, about 101 thousand parameters; 900 steps of 64 fresh examples, loss
// on the completion, AdamW. Streams are ChaCha8 and the arithmetic is the engine's, so the same seed gives the same bytes
// on every machine; models/base holds them and their digest.
package pretrain
