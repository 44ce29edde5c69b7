#!/bin/sh
# Installs what a target needs and says so first. Silent when nothing is missing.
#
#   packaging/deps.sh build|run|test|fuzz|peers
#
# Debian 12, 13 and Ubuntu 24.04. As root, or as a user with sudo.
set -eu

codename=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}") || codename=
# msgpack-c's package: renamed in Debian 13 and in Ubuntu after 24.04.
case "$codename" in
bookworm | noble) msgpack=libmsgpack-dev ;;
*) msgpack=libmsgpack-c-dev ;;
esac

build="gcc make pkg-config libc6-dev libuv1-dev libhiredis-dev $msgpack libmicrohttpd-dev
	libxxhash-dev libisal-dev libsodium-dev libinih-dev libsystemd-dev libjansson-dev
	zlib1g-dev libjs-dygraphs"
run="redis-server python3 netcat-openbsd curl"
# libFuzzer comes with clang's runtime, which newer releases split off under clang's version.
clang=$(apt-cache depends clang 2>/dev/null | sed -n 's/^ *Depends: clang-\([0-9]*\)$/\1/p')
fuzz="clang libclang-rt-${clang:-14}-dev"
test="libcmocka-dev python3-pytest python3-pytest-xdist python3-pytest-timeout python3-redis python3-msgpack
	python3-statsd libnet-statsd-perl python3-yaml"
# For the page's tests, 131 MB. Ubuntu has Chromium as a snap only; there these tests are skipped.
case "$(. /etc/os-release 2>/dev/null && echo "${ID:-}")" in
debian) test="$test chromium chromium-driver python3-selenium" ;;
esac
# What `make bench-peers` compares with, as far as this release has it; they start no service.
peers=
if [ "${1:-}" = peers ]; then
	for package in collectd-core netdata-core; do
		if apt-cache show "$package" >/dev/null 2>&1; then peers="$peers $package"; fi
	done
fi

case "${1:-build}" in
build) wanted="$build" ;;
run) wanted="$build $run" ;;
test) wanted="$build $run $test" ;;
fuzz) wanted="$build $fuzz" ;;
peers) wanted="$build $run $test $peers" ;;
*) echo "usage: packaging/deps.sh build|run|test|fuzz|peers" >&2; exit 2 ;;
esac

missing=
for package in $wanted; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
		missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null; then
	echo "These packages (or your distribution's names for them) are needed:$missing" >&2
	exit 1
fi
sudo=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || {
		echo "Not root and no sudo here; please install:$missing" >&2
		exit 1
	}
	sudo=sudo
fi
echo "Installing from your distribution:$missing"
case "$missing" in *redis-server*)
	echo "(Debian's redis-server package also starts a Redis of its own; Hourglass does not use it.)" ;;
esac
$sudo apt-get update -qq
# shellcheck disable=SC2086 # a list of words is what is meant
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	$missing >/dev/null
