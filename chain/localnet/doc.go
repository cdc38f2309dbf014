// Package localnet starts and supervises a whole Galahad network on one machine: four nodes, the local
// randomness beacon, three graders, three honest miners, one cheat and the learner, each a process of its own
// that runs the binary which an operator would run.
//
// It owns the layout of the network's folder, its genesis, the life of the processes and what the terminal
// shows. It owns no rule of the protocol: everything that it prints was queried from the chain or from a
// daemon's status page.
package localnet
