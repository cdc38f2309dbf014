#!/bin/sh
# Runs the race detector on the packages of the daemons and the engine, whose
# goroutines share memory. It needs a C compiler, and does nothing without one.
# The packages that import the chain are left out: compiling the whole SDK anew
# for the detector takes longer than all else together.
set -eu
cd "$(dirname "$0")/.."
if ! command -v cc >/dev/null 2>&1; then
	echo "race: skipped, no C compiler here"
	exit 0
fi
CGO_ENABLED=0 go list -f '{{.ImportPath}}{{range .Deps}} {{.}}{{end}}' ./rl/... ./miner/... ./validator/... ./learner/... ./chain/... |
	grep -v 'github.com/cosmos/cosmos-sdk' | cut -d' ' -f1 |
	CGO_ENABLED=1 xargs go test -race -short -timeout 10m
