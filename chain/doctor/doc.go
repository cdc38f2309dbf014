// Package doctor is `galahadd doctor`: it looks at a node, its machine and the beacon from outside and says, for each
// thing that is wrong, what to do about it.
//
// facts.go asks, diagnose.go judges. It changes nothing, and needs no rights but to read the node's folder.
package doctor
