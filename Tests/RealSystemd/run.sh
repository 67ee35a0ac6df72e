#!/bin/sh
# Installs the built programs into a Debian root, boots it with systemd, and runs checks.sh inside it.
#
#   run.sh BUILD_DIRECTORY         as root; see `make test-systemd`
#
# The two Debian roots, bookworm to boot and trixie for its varlinkctl, are created once and kept in CACHE. If the machine
# does not allow this, the script says why and exits with 0, except as root on Debian 12, where it must work.
set -eu
build=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
repository=$here/../..
what="real systemd"
. "$here/roots.sh"
[ "$(id -u)" -eq 0 ] || cannot "it takes root"
[ "$release" = "debian 12" ] || cannot "the programs were built for $release, and Debian 12 is what is booted"
sh "$repository/.ci/packages" debootstrap systemd-container || cannot "debootstrap and systemd-container are missing"
unshare -m true || cannot "namespaces are not allowed here"

work=$(mktemp -d /var/tmp/kantaibert-systemd.XXXXXX)
tail=
trap 'rm -rf --one-file-system "$work"; [ -z "$tail" ] || kill "$tail"' EXIT
trap 'exit 1' INT TERM

# Prints the packages of the libraries that the programs load: the build machine has the -dev packages, the root only the
# libraries.
libraries() {
    for program in kantaibertd kantaibert-train kantaibert-read kbctl kantaibert-web; do ldd "$build/$program"; done |
        awk '$3 ~ /^\// && $3 !~ /\/lib\/swift\// { print $3 }' | sort -u | while read -r library; do
        # dpkg knows either the given path or its real path; for an alternative, neither.
        for path in "$library" "$(realpath "$library")" "${library#/lib}"; do
            dpkg-query -S "$path" 2>/dev/null && break
            dpkg-query -S "/usr$path" 2>/dev/null && break
        done
    done | cut -d: -f1 | sort -u | paste -sd,
}

bookworm=$(root bookworm "systemd,dbus,$(libraries)") || cannot "there is no root of Debian 12"
trixie=$(root trixie systemd) || cannot "there is no root of Debian 13"
cp -a --reflink=auto "$bookworm" "$work/root"

make -C "$repository" --no-print-directory install DESTDIR="$work/root" BUILD="$build" >"$work/install.log" || {
    cat "$work/install.log"
    exit 1
}
install -D -m 755 "$here/checks.sh" "$work/root/checks/checks.sh"
install -m 644 "$repository"/Sources/Interface/*.varlink "$work/root/checks/"
install -m 644 "$here/kantaibert.yaml" "$work/root/etc/kantaibert/kantaibert.yaml"
install -m 644 "$here/checks.service" "$work/root/etc/systemd/system/checks.service"
ln -s ../checks.service "$work/root/etc/systemd/system/multi-user.target.wants/checks.service"
# More than a normal boot takes: the machine may be busy.
mkdir -p "$work/root/etc/systemd/journald.conf.d"
printf '[Journal]\nStorage=persistent\nRateLimitBurst=0\n' >"$work/root/etc/systemd/journald.conf.d/checks.conf"

: >"$work/root/checks/results"
tail -f "$work/root/checks/results" &
tail=$!
while :; do
    status=0
    boot "$work/root" "$work/console" --bind-ro="$trixie:/trixie" || status=$?
    # 133 requests a reboot.
    [ "$status" -eq 133 ] || break
done
# Show the remaining output.
sleep 0.2
kill "$tail"
tail=

if [ "$status" -ne 0 ] || grep -q '^not ok' "$work/root/checks/results" ||
    [ "$(tail -n 1 "$work/root/checks/results")" != "all checks passed" ]; then
    echo "real systemd: failed (nspawn ended with $status)"
    cat "$work/root/checks/journal" 2>/dev/null || tail -n 40 "$work/console"
    exit 1
fi
