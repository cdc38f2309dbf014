// Package policy is the module of checkpoints: which weights a run's miners
// sample with. README.md is its specification.
package policy
