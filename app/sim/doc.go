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
// Every second validator is honest, whatever the seed says, so that a seed with much random
// evidence does not end when no validator is left; a simulation that ends early fails. At
// the default size every message must be accepted at least once. `make sim` runs more;
// flags of the test binary, such as -NumBlocks, -BlockSize and -Seed, choose freely.
package sim
