// Package consensus is the arithmetic of settlement: scores, weights, the tally of
// the graders' verdicts, emission and its split. It is pure: integers only, no chain
// state, no clock, no randomness; equal inputs give equal outputs whatever their order
// of arrival was. The chain settles with it and graders compute their weights with it.
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
// a window is settled in four steps:
//
//  1. Work. If half(stake of the reveals with the same work root), the other reveals
//     count as not revealed. Without such a majority nobody's work is wrong.
//  2. Quorum. Unless half(stake of the reveals that count), the window is VOID.
//  3. Code. A miner's code is the one for which half(stake naming it); of a hard
//     failure it needs no agreement on the leaf, and the leaf reported is that with
//     the most stake (the lowest of several). Without such a code it is undecided: no
//     pay, no slash. Leaf and bond: slashable if two(stake naming this code and leaf).
//  4. Weight. An abstention (unavailable, undecided) is replaced by the miner's code of
//     step 3, each row is normalized anew, and a miner's weight is the largest w for
//     which half(stake of the rows with a weight of at least w).
//
// A grader whose work differs because it could not fetch a miner that the others could
// fetch, or the other way round, is excused: it is not paid, but it missed no duty.
//
// # What a coalition can do
//
// With at most 1/2 of the eligible stake it can neither have anyone paid nor, as long
// as the others hold more than 1/2 and agree, move anyone's weight: step 3 and 4 ask
// for more than 1/2 in favour. Slashing needs more than 2/3.
package consensus
