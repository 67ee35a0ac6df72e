#!/bin/sh
# Makes Debian packages of programs linked by link.py: deb.sh LINKED OUTPUT VERSION. See `make deb`.
set -eu
# Variables on the command line of `make deb` are not for debian/rules.
unset MAKEFLAGS MAKEOVERRIDES MFLAGS
linked=$(realpath "$1")
version=$3
mkdir -p "$2"
output=$(realpath "$2")
cd "$(dirname "$0")/.."

# debhelper writes beside the sources that it packages: into a copy.
sources=$output/kantaibert-$version
rm -rf "$sources" "$output"/*kantaibert*.deb
mkdir -p "$sources/clients"
cp -R README.md debian docs etc systemd "$sources/"
tar -C clients --exclude='__pycache__' --exclude='*.egg-info' --exclude='.*cache' -cf - python | tar -C "$sources/clients" -xf -
maintainer=$(sed -n 's/^Maintainer: //p' debian/control)
awk -f release/changelog.awk -v package=kantaibert -v version="$version" -v maintainer="$maintainer" \
    CHANGELOG.md >"$sources/debian/changelog"
cd "$sources"
LINKED=$linked dpkg-buildpackage --build=binary --no-check-builddeps --no-pre-clean --no-sign >"$output/build.log" 2>&1 || {
    tail -n 40 "$output/build.log" >&2
    exit 1
}
cd "$output"
rm -rf "$sources"
for package in *.deb; do
    size=$(dpkg-deb -f "$package" Installed-Size)
    printf '  %s: installed %s KiB\n' "$output/$package" "$size"
done
if [ "${LINTIAN:-yes}" = yes ] && command -v lintian >/dev/null; then
    lintian --allow-root --fail-on error,warning --suppress-tags bad-distribution-in-changes-file ./*.deb
fi
