// Package client is how a daemon talks to the chain: typed queries, transactions
// with the right sequence, and the height of the newest block.
//
// A Client knows one or more nodes. It asks the one that answered last and goes
// to the next when a node cannot be reached; when none can, it tries again with
// growing pauses until the caller's context ends, and says so in the log.
// Queries go over gRPC where gRPC addresses are given, and otherwise over the
// node's RPC port, which answers the same services.
//
// A Writer signs with one key. All transactions of a key must go through one
// Writer, which hands out sequence numbers. What a transaction would be refused
// for, a simulation says first, with the module's error. A transaction carries a timeout
// height: once the chain is past it, the transaction can never be included, so
// it is known for certain what became of it, and it may be sent again.
package client
