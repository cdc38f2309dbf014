// Package repo holds the rules of the repository that are tests: which package
// may import which, and what must be documented where.
package repo
