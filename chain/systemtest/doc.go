// Package systemtest holds tests of whole networks of separate processes: nodes that are killed, a beacon that falls
// silent, a node that joins by state sync, an upgrade from one binary to the next. It has nothing but tests; what runs
// the processes is chain/localnet.
//
// All scenarios run one after the other on one network, and each leaves it whole: starting one is most of the cost. The
// last test looks back at every window that any of them has seen.
package systemtest
