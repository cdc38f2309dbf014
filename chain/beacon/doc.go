// Package beacon brings randomness to the chain from outside: a client that
// reads a drand network over HTTP, and, for networks without internet, a server
// that has a key of its own and answers on drand's routes. The daemons use the
// client for both.
//
//	galahadd beacon init    make the key of a test network
//	galahadd beacon         serve its rounds
//
// # Routes
//
// All answer GET with JSON, as drand's HTTP servers do.
//
//	/chains                    the chain hashes served
//	/info, /{hash}/info        the network: key, period, genesis time, hash, scheme
//	/{hash}/public/{round}     a round: number, randomness, signature (hex)
//	/{hash}/public/latest      the newest round
//	/health                    200 once round 1 is public
//
// A round that is not public yet is answered with 425 Too Early: the server
// holds to its schedule even towards its owner's own daemons, since a window's
// seeds must not be known before their time.
//
// Package x/challenge/beacon has the scheme itself and is what the chain runs.
package beacon
