package verify

import "fmt"

// Code is the verdict on a miner's batch or on one rollout. The numbers are
// part of the protocol; the proto enum mirrors them.
type Code uint32

// Codes, in the order of the checks. Check n of the package comment gives the
// code with the number n+1.
const (
	Unspecified     Code = 0
	OK              Code = 1
	BadEncoding     Code = 2  // check 1
	BadBinding      Code = 3  // check 2
	BadPrompt       Code = 4  // check 3
	BadTokens       Code = 5  // check 4
	BadFinish       Code = 6  // check 5
	BadReward       Code = 7  // check 6
	Duplicate       Code = 8  // check 7
	BadSample       Code = 9  // check 8
	BadLogProb      Code = 10 // check 9
	BadTermination  Code = 11 // check 10, tolerant mode
	BadProof        Code = 12 // check 11, tolerant mode
	BadDistribution Code = 13 // check 12, tolerant mode
	Unavailable     Code = 14 // the committed batch could not be had
	Undecided       Code = 15 // the grader failed, not the miner: neither pass nor failure
)

// names is indexed by Code.
var names = [...]string{
	"unspecified", "ok", "bad_encoding", "bad_binding", "bad_prompt", "bad_tokens", "bad_finish", "bad_reward",
	"duplicate", "bad_sample", "bad_logprob", "bad_termination", "bad_proof", "bad_distribution",
	"unavailable", "undecided",
}

// String is the code's name in logs, tables and reports, such as "bad_sample".
func (c Code) String() string {
	if c.Known() {
		return names[c]
	}
	return fmt.Sprintf("code_%d", uint32(c))
}

// Known reports whether c is one of the constants, Unspecified included.
func (c Code) Known() bool { return uint64(c) < uint64(len(names)) }

// Hard reports whether c is a failure that the miner is answerable for.
func (c Code) Hard() bool { return c >= BadEncoding && c <= BadDistribution }

// Abstains reports whether c says nothing about the miner's work.
func (c Code) Abstains() bool { return c == Unavailable || c == Undecided }

// ParseCode is the inverse of String; ok is false for other names.
func ParseCode(name string) (c Code, ok bool) {
	for i, n := range names {
		if n == name {
			return Code(i), true
		}
	}
	return Unspecified, false
}

// Result is the outcome of the checks: the code, the leaf it is about (group*K +
// index; 0 for OK, Unavailable and Undecided), the value that was measured and
// the threshold it was held against, both in the unit of the check, and a
// sentence for people. Code and Leaf are the same for every honest grader;
// Detail is no part of a verdict.
type Result struct {
	Code      Code
	Leaf      uint64
	Value     int64
	Threshold int64
	Detail    string
}

// String is one line for logs.
func (r Result) String() string {
	if !r.Code.Hard() {
		if r.Detail == "" {
			return r.Code.String()
		}
		return fmt.Sprintf("%s: %s", r.Code, r.Detail)
	}
	return fmt.Sprintf("%s at leaf %d: %s (value %d, threshold %d)", r.Code, r.Leaf, r.Detail, r.Value, r.Threshold)
}
