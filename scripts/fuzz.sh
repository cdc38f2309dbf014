#!/bin/sh
# Runs every fuzz target for a short while.
#
#   scripts/fuzz.sh [SECONDS]   seconds for each target [3]
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-3}
export CGO_ENABLED=0
git ls-files -co --exclude-standard '*_test.go' | xargs grep -l '^func Fuzz' | while read -r file; do
	package=./$(dirname "$file")
	sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file" | while read -r target; do
		echo "fuzz: $package $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "${seconds}s" -fuzzminimizetime 1x "$package"
	done
done
