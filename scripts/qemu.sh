#!/bin/sh
# Installs qemu's user mode emulation where it is missing, so that the tests of
# bit equality can run on an emulated arm64. Without it those are skipped, except
# in continuous integration (CI=true), where its absence is an error.
set -eu

missing() {
	command -v qemu-aarch64 >/dev/null 2>&1 && return 1
	command -v qemu-aarch64-static >/dev/null 2>&1 && return 1
	[ "$(uname -m)" != aarch64 ] # which emulates nothing
}

missing || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
	echo "qemu: qemu-aarch64 is missing, and there is no apt-get to install qemu-user with"
elif [ "$(id -u)" != 0 ]; then
	echo "qemu: qemu-aarch64 is missing; as root: apt-get install qemu-user"
else
	{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends qemu-user; } >&2 ||
		echo "qemu: apt-get could not install qemu-user"
fi

missing || exit 0
echo "qemu: arm64 is not checked here"
[ "${CI:-}" != true ]
