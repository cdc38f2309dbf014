// Package consensus is the arithmetic of settlement: scores, weights, the tally of
// the graders' verdicts, penalties, emission and its split. It is pure: integers only,
// no chain state, no clock, no randomness; equal inputs give equal outputs whatever
// their order of arrival was. The chain settles with it and graders compute their
// weights with it. What the weights are worth is package yuma's.
//
// # Scores and weights
//
// A miner that declared d groups and committed g of them scores floor(g*g/d): half the
// work is worth a quarter. A weight is floor(score*65535/max), max the largest score
// of the row; a miner whose verdict is not ok scores 0. See Score and NormalizeWeights.
//
// # Tally
//
// All shares are of the eligible stake: that of every frozen grader, whether it
// revealed or not. With
//
//	half(s)  s is more than 1/2 of the eligible stake
//	two(s)   s is more than 2/3 of the eligible stake
//
// a window is tallied in six steps:
//
//  1. Work. A miner has a work root if half(stake of the reveals that pass it, verdict
//     ok, with this root). A reveal that passes any miner with another root than the
//     miner's counts as not revealed (WrongWork). Without such a majority nobody's work
//     on the miner is wrong, and who does not pass it shows no work on it. This is one
//     pass over the reveals as they came: the stake of a reveal that does not count
//     still speaks for its other roots. So the order in which reveals are looked at
//     makes no difference, and no reveal that is dropped can bring another one back.
//  2. Quorum. Unless half(stake of the reveals that count), the window is VOID.
//  3. Code. A miner's code is the one for which half(stake naming it); of a hard
//     failure it needs no agreement on the leaf, and the leaf reported is that with
//     the most stake (the lowest of several). Without such a code it is undecided: no
//     pay, no slash. Leaf and bond: slashable if two(stake naming this code and leaf).
//  4. Idleness. A reveal that abstains (unavailable, undecided) on more than half of
//     the work, by score, on which the code is no abstention earns nothing: an
//     abstention shows no work. It counts all the same, and is no missed duty, since
//     others may have kept the batches from it.
//  5. Weights. An abstention is replaced by the miner's code of step 3, and each row
//     normalized anew. These rows are what package yuma judges by. So a miner that does
//     not serve one grader moves neither the consensus nor that grader's bonds.
//  6. Accusations. One is confirmed if two(stake naming the same hard failure).
//
// # What a coalition can do
//
// With at most 1/2 of the eligible stake it can neither have anyone paid nor, as long
// as the others hold more than 1/2 and agree, change anyone's code or make anyone's
// work wrong: all of it asks for more than 1/2 in favour. Slashing needs more than 2/3.
package consensus
