// Package testapp runs the real application, in memory, for tests that need
// blocks, signatures and every module at once.
//
//	c := testapp.New(t, testapp.WithValidators(100, 50), testapp.WithAccount("miner", 1000))
//	res, err := c.Deliver(c.Account("miner"), &registrytypes.MsgRegister{...})
//	c.NextBlock()
//	q := registrytypes.NewQueryClient(c)
//
// Every block runs on two instances of the application, whose app hashes must be
// equal; a FinalizeBlock that fails is a failed test. When the test ends, the
// invariants are checked and the state is exported, imported into a fresh
// application and exported again, which must change nothing.
package testapp
