package env

import (
	"slices"

	"github.com/galahad-network/galahad/rl/tokenizer"
)

// MaxTurns bounds the turns that a policy may have in one episode, whatever the environment says.
const MaxTurns = 64

// MultiTurn is an environment that answers: a problem is an episode in which the policy and the environment take turns.
// The policy ends a turn with an end token. Unless the episode is over, the environment's reply follows at once, and the
// policy goes on. A completion holds all of it; see Read.
type MultiTurn interface {
	Environment
	// Reply returns the token ids of the environment's reply to the policy's turns so far, of which there is at least one:
	// the bytes of each, without its end token. No ids say that the episode is over. It takes any bytes, is a function
	// of its arguments alone and keeps none of them. Nodes run it, so it must be as cheap as Reward.
	Reply(t tokenizer.Tokenizer, p Problem, turns [][]byte) []int32
	// Score judges an episode that is over by the policy's turns, in millionths, 0..FullReward. No rollout of the
	// environment is judged by its Reward, which is that of an episode of one turn.
	Score(p Problem, turns [][]byte) uint32
}

// Transcript is a completion as its environment reads it. For one of a single turn that is the completion up to the
// first end token.
type Transcript struct {
	// Turns are the policy's that an end token ended: their bytes, without it.
	Turns [][]byte
	// Given are the positions of the replies.
	Given Given
	// Next is the reply that is due after the completion's last token, if that ended a turn and not the episode.
	Next []int32
	// End is the position of the end token with which the episode is over, -1 if there is none. What follows it is not read.
	End int
	// Wrong is the first position at which the completion is not what the environment replies, or ends within it; -1 if
	// there is none. What follows it is not read.
	Wrong int

	length  int  // of the completion
	control bool // a turn holds a control token
}

// Read reads a completion given as token ids: the one rule by which everybody knows what of it the policy sampled. It
// takes any ids. After each end token of the policy the environment's reply must follow, token for token; the
// MaxTurns-th ends the episode, if it is not over before.
func Read(e Environment, t tokenizer.Tokenizer, p Problem, completion, endTokens []int32) Transcript {
	tr := Transcript{End: -1, Wrong: -1, length: len(completion)}
	m, answers := e.(MultiTurn)
	for at := 0; at < len(completion); {
		n := slices.IndexFunc(completion[at:], func(id int32) bool { return slices.Contains(endTokens, id) })
		if n < 0 {
			break
		}
		turn := completion[at : at+n]
		tr.Turns = append(tr.Turns, t.Decode(turn))
		tr.control = tr.control || slices.ContainsFunc(turn, t.Special)
		at += n + 1
		var reply []int32
		if answers && len(tr.Turns) < MaxTurns {
			reply = m.Reply(t, p, tr.Turns)
		}
		if len(reply) == 0 {
			tr.End = at - 1
			break
		}
		if at == len(completion) {
			tr.Next = reply
			break
		}
		if same := common(completion[at:], reply); same < len(reply) {
			tr.Wrong = at + same
			break
		}
		tr.Given = append(tr.Given, [2]int{at, at + len(reply)})
		at += len(reply)
	}
	return tr
}

// common is the number of tokens with which both begin.
func common(a, b []int32) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// Ended reports whether the completion ends where the episode does.
func (tr Transcript) Ended() bool { return tr.length > 0 && tr.End == tr.length-1 }

// Full reports whether a completion that did not end has no room within limit for what comes next: a token of the policy,
// and the reply that is due before it.
func (tr Transcript) Full(limit int) bool {
	drawn := len(tr.Given) == 0 || tr.Given[len(tr.Given)-1][1] < tr.length // the last token
	return tr.End < 0 && tr.Wrong < 0 && drawn && tr.length <= limit && tr.length+len(tr.Next) >= limit
}

// Reward is Judge's, for who has read the completion already.
func (tr Transcript) Reward(e Environment, p Problem) uint32 {
	if !tr.Ended() || tr.control {
		return 0
	}
	if m, ok := e.(MultiTurn); ok {
		return m.Score(p, tr.Turns)
	}
	return e.Reward(p, tr.Turns[0], true)
}

// Replies is Read for who samples: of a completion whose last token ended a turn it returns the reply, none if the episode
// is over. It is nil for an environment of one turn.
func Replies(e Environment, t tokenizer.Tokenizer, p Problem, endTokens []int32) func(completion []int32) []int32 {
	if _, ok := e.(MultiTurn); !ok {
		return nil
	}
	return func(completion []int32) []int32 { return Read(e, t, p, completion, endTokens).Next }
}

// Given are the positions of a completion that its environment wrote and no policy sampled, as runs [from, to), ascending.
type Given [][2]int

// Tokens is the number of positions.
func (g Given) Tokens() (n int) {
	for _, run := range g {
		n += run[1] - run[0]
	}
	return n
}

// Mask says of each position of a completion of so many tokens whether it is given; nil where none is.
func (g Given) Mask(tokens int) []bool {
	if len(g) == 0 {
		return nil
	}
	mask := make([]bool, tokens)
	for _, run := range g {
		for t := run[0]; t < min(run[1], tokens); t++ {
			mask[t] = true
		}
	}
	return mask
}
