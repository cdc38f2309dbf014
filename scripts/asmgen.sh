#!/bin/sh
# Generates the amd64 assembly of rl/kernel from tools/asm.
#
#   scripts/asmgen.sh          write it
#   scripts/asmgen.sh check    fail if what is committed differs from what would be written
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)
export CGO_ENABLED=0
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
bad=0

# generate GENERATOR FOLDER NAME [FLAG...]: tools/asm/GENERATOR writes
# NAME_amd64.s, and its declarations in NAMEasm_amd64.go, for the package in FOLDER.
generate() {
	generator=$1 folder=$2 name=$3
	shift 3
	go build -C tools -o "$new/generator" "./asm/$generator"
	# The output names the command, so it must not depend on where it lands.
	(cd "$new" && ./generator -out "${name}_amd64.s" -stubs "${name}asm_amd64.go" -pkg "$(basename "$folder")" "$@")
	for f in "${name}_amd64.s" "${name}asm_amd64.go"; do
		if [ "$mode" = write ]; then
			cmp -s "$new/$f" "$root/$folder/$f" || cp "$new/$f" "$root/$folder/$f"
		elif ! cmp "$new/$f" "$root/$folder/$f"; then
			bad=1
		fi
	done
}

mode=${1:-write}
generate matmul rl/kernel matmul
generate matmul rl/kernel reorder -reorder
generate vector rl/kernel vector
generate peak rl/kernel/peak peak
if [ "$bad" = 1 ]; then
	echo "the assembly is not what tools/asm generates: run 'make asm'"
fi
exit "$bad"
