#!/bin/sh
# All checks of source that are not tests: formatting, go vet, staticcheck, the
# rules of the consensus path (tools/lint), and that scripts parse.
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)
bad=0

echo "lint: formatting"
unformatted=$(git ls-files -co --exclude-standard '*.go' | grep -v '\.pb\.go$\|\.pb\.gw\.go$' | xargs gofmt -l)
if [ -n "$unformatted" ]; then
	echo "not formatted (run 'make fmt'):"
	echo "$unformatted"
	bad=1
fi

echo "lint: scripts"
for f in scripts/*.sh scripts/*/*.sh; do sh -n "$f" || bad=1; done
bash -n .ci/run 2>/dev/null || { command -v bash >/dev/null && bad=1; }

echo "lint: go vet"
go vet ./... || bad=1
GOARCH=arm64 go vet ./rl/kernel || bad=1
go -C tools vet ./... || bad=1

echo "lint: staticcheck"
go build -C tools -o "$root/build/tools/" honnef.co/go/tools/cmd/staticcheck
# Generated code is as its generator wrote it.
build/tools/staticcheck ./... >build/staticcheck.txt || true
if grep -v '\.pb\.go:\|\.pb\.gw\.go:' build/staticcheck.txt; then bad=1; fi

echo "lint: consensus path"
go -C tools run ./lint -root "$root" || bad=1

exit "$bad"
