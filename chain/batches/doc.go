// Package batches moves batch files between daemons: miners and graders serve
// them by root, graders and the learner fetch them.
//
// A server answers below its base URL, which is a commitment's locator:
//
//	GET /batches/{root}             the batch file (rl/batch), byte ranges allowed
//	GET /batches/{root}/groups/{g}  group g with its Merkle paths, CBOR
//
// root is 64 lower-case hexadecimal digits. What is not known, and what must not
// be shown yet, is 404.
package batches
