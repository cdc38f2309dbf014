#!/bin/sh
# The table of bit equality: the golden digests of rl/engine and the tests of
# rl/kernel on every path of the arithmetic that this machine can take, its own
# processor with each kernel and an emulated arm64. Every path must give the same
# bits. A kernel that the processor has not got is skipped, and so is the
# emulation where qemu is not installed, unless CI=true.
#
#   scripts/bits.sh
set -u
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0

# build ARCH: the test binaries for it.
build() {
	for package in kernel engine; do
		GOARCH=$1 go test -c -o "$work/$package.$1" "./rl/$package" || exit 1
	done
}

# tests KERNEL ARCH PACKAGE FLAG...: runs them, their output in $work/log.
tests() {
	kernel=$1 binary=$work/$3.$2 package=$3
	shift 3
	(cd "rl/$package" && GALAHAD_KERNEL=$kernel $emulator "$binary" "$@") >"$work/log" 2>&1
}

row() { printf '%-14s | %-7s | %-7s | %s\n' "$@"; }

# kernels ARCH: rl/kernel's tests, which are of every kernel that the processor
# has. One of them starts its own binary and one measures memory: not emulated.
kernels() {
	if tests go "$1" kernel -test.short ${emulator:+-test.skip '^(TestKernelByName|TestLargeOperands)'}; then
		k=equal
	else
		fail kernel
		k=FAILED
	fi
}

# path ARCH KERNEL: one row of the table.
path() {
	start=$(date +%s)
	if ! tests "$2" "$1" kernel -test.run '^TestArithmeticIsAsTheRulesWant$' && grep -q 'unknown kernel' "$work/log"; then
		row "$1 $2" skipped skipped 'this processor has not got it'
		return
	fi
	if tests "$2" "$1" engine ${emulator:+-test.short} -test.run '^TestGolden' -test.skip ARM64; then
		e=equal
	else
		fail engine
		e=FAILED
	fi
	row "$1 $2" $k $e "$(($(date +%s) - start)) s${emulator:+, emulated}"
}

fail() {
	bad=1
	echo "--- $1:"
	tail -n 40 "$work/log"
}

emulator=
host=$(go env GOHOSTARCH)
build "$host"
case $host in
amd64) names="go avx2 avx512" ;;
arm64) names="go neon" ;;
*) names=go ;;
esac
kernels "$host"
row path kernel engine "engine's time"
row -------------- ------- ------- -------------
for kernel in $names; do path "$host" "$kernel"; done

[ "$host" != arm64 ] || exit $bad
emulator=$(command -v qemu-aarch64 || command -v qemu-aarch64-static)
if [ -z "$emulator" ]; then
	row 'arm64' skipped skipped 'qemu-aarch64 is not installed: scripts/qemu.sh'
	[ "${CI:-}" != true ] || bad=1
	exit $bad
fi
build arm64
kernels arm64
for kernel in go neon; do path arm64 "$kernel"; done
exit $bad
