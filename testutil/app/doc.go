// Package testapp runs the real application, in memory, for tests that need
// blocks, signatures and every module at once.
//
//	c := testapp.New(t, testapp.WithValidators(100, 50), testapp.WithAccount("miner", 1000))
//	res, err := c.Deliver(c.Account("miner"), &registrytypes.MsgRegister{...})
//	c.NextBlock()
//	q := registrytypes.NewQueryClient(c)
//
// Serve puts it behind CometBFT's RPC, for chain/client.
//
// # Every block runs on three instances
//
// Their app hashes, results and events must be equal:
//
//   - a plain one, which Context and queries look at;
//   - one that is built anew from its database before blocks, as after a crash.
//     Whatever a keeper or a cache remembers beside the state shows here;
//   - one in another place: time.Local, GOMAXPROCS and the environment differ, and
//     so do the settings that an operator may choose (pruning, the sizes of caches,
//     fast nodes). It also answers CheckTx for every transaction first, which must
//     agree with what the block makes of it, as far as it can, and leave no trace.
//
// Iteration over a map begins at a random place each time in Go, so three runs in
// one process already have three orders of each map; what holds for a process, such
// as the seeds of maphash, differs in TestAnotherProcessComesToTheSameState.
//
// A start costs about 90 ms (nearly all of it in registering proto files), an empty
// block 1.5 ms on one instance and 4 ms on three. So the restarted one restarts
// before each of the first 8 blocks and then before every 16th, which makes a block
// of three instances 10 ms on average; before every block it would be 110 ms.
// WithRestarts sets other numbers, GALAHAD_RESTART_EVERY=1 restarts before every
// block of every test. Figures: go test ./testutil/app -run '^$' -bench .
//
// # What is checked besides
//
// A FinalizeBlock that fails is a failed test. When the test ends, the invariants of
// all modules are checked, every entry of their stores must belong to a collection
// and decode, and the state is exported, imported into a fresh application and
// exported again, which must change nothing.
package testapp
