// Package challenge is the module of runs, windows and the beacon: who has to
// answer what, and when. README.md is its specification.
package challenge
