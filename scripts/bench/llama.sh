#!/bin/sh
# Compares the exact engine with llama.cpp's CPU build at the shapes of
# Qwen2.5-0.5B, bfloat16 weights: prefill of 256 tokens and decode of one
# sequence, on two threads, in turn. It needs node and npm, from which it gets
# llama.cpp's prebuilt libraries into build/llama; nothing else here uses them.
#
#   scripts/bench/llama.sh [ROUNDS]   rounds of both [2]
set -eu
cd "$(dirname "$0")/../.."
rounds=${1:-2}
threads=2
version=3.22.1 # of node-llama-cpp, which has llama.cpp v0.5.0
dir=build/llama
export CGO_ENABLED=0
mkdir -p "$dir"
if [ ! -d "$dir/node_modules/@node-llama-cpp/linux-x64" ]; then
	echo '{"private": true}' >"$dir/package.json"
	# Without the optional packages, which are builds for graphics cards.
	npm install --prefix "$dir" --no-save --omit=optional --ignore-scripts --no-audit --no-fund \
		"node-llama-cpp@$version" "@node-llama-cpp/linux-x64@$version"
fi
cp scripts/bench/llama.mjs "$dir/"
go test -c -o "$dir/engine.test" ./rl/engine
for _ in $(seq "$rounds"); do
	(cd "$dir" && node llama.mjs qwen2-0.5b-random.gguf "$threads" 10)
	(cd rl/engine && "../../$dir/engine.test" -test.run '^$' -test.bench '^BenchmarkLarge$' -test.benchtime 3x) | grep '^BenchmarkLarge'
done
