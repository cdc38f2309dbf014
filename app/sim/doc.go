// Package sim runs the chain under random transactions, with the SDK's simulator: the
// accounts, the parameters of the SDK's modules, the order of messages, the time of
// blocks and the validators that are offline or misbehave all follow from a seed. The
// messages of the SDK's modules are the SDK's own; those of the chain's five modules
// are in messages_test.go. The beacon is one whose key the test holds, so that windows
// open, are graded and close.
//
// Messages are made to fit the state most of the time and sent by whoever may send
// them; a refusal must be a typed error, never a panic. Not sent: withdrawals of
// accusations, and messages that governance alone may send, which the moments and
// upgrade tests of package app cover. Run 1 is never closed, or a long run would have
// nothing left to do.
//
// A seed with so much random evidence that no validator is left ends early, and its
// tests are reported as skipped. The tests are small by default. `make sim` runs more; flags of the test binary, such
// as -NumBlocks, -BlockSize and -Seed, choose freely.
package sim
