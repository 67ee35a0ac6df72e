#!/bin/sh
# Installs, upgrades, downgrades, removes and purges the packages of linked programs in booted Debian systems.
#
#   run.sh LINKED VERSION [SUITE…]     as root; see `make test-deb`
#
# Each suite's root is created once and kept in CACHE, and gets the packages that ours depend on from its archive. The
# system itself has no network.
set -eu
linked=$(realpath "$1")
version=$2
shift 2
here=$(dirname "$(realpath "$0")")
repository=$here/../..
what="packages"
. "$here/../RealSystemd/roots.sh"
[ "$(id -u)" -eq 0 ] || cannot "it takes root"
[ "$release" = "debian 12" ] || cannot "the packages were built for $release, and Debian 12 is what they are for"
sh "$repository/.ci/packages" debootstrap systemd-container || cannot "debootstrap and systemd-container are missing"
unshare -m true || cannot "namespaces are not allowed here"

work=$(mktemp -d /var/tmp/kantaibert-packages.XXXXXX)
tail=
trap '[ -z "$tail" ] || kill "$tail"; rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' INT TERM

# The version to test, and a higher one with the same programs.
newer=$version+newer
mkdir "$work/packages"
for each in "$version" "$newer"; do
    LINTIAN=no COMPRESSION=none sh "$repository/release/deb.sh" "$linked" "$work/debs" "$each"
    mv "$work"/debs/*.deb "$work/packages/"
done

# Downloads the packages that ours depend on, also on request of the system without a network.
prepare() {
    cp -R "$work/packages" "$1/packages"
    rm -f "$1/etc/resolv.conf"
    cp -L /etc/resolv.conf "$1/etc/resolv.conf"
    chroot "$1" apt-get update -qq &&
        chroot "$1" sh -c 'apt-get install -y -qq --no-install-recommends --download-only /packages/*_'"$version"'_*.deb'
}

failed=
for suite in ${*:-bookworm trixie}; do
    base=$(root "$suite" systemd,systemd-sysv,dbus,ca-certificates) || cannot "there is no root of $suite"
    cp -a --reflink=auto "$base" "$work/root"
    prepare "$work/root" >"$work/apt.log" 2>&1 || {
        tail -n 20 "$work/apt.log" >&2
        cannot "the dependencies cannot be downloaded for $suite"
    }
    install -D -m 755 "$here/checks.sh" "$work/root/checks/checks.sh"
    install -m 644 "$here/settings.yaml" "$work/root/checks/settings.yaml"
    install -m 644 "$here/../RealSystemd/checks.service" "$work/root/etc/systemd/system/checks.service"
    mkdir -p "$work/root/etc/systemd/system/multi-user.target.wants"
    ln -s ../checks.service "$work/root/etc/systemd/system/multi-user.target.wants/checks.service"
    printf '%s\n' "$version" "$newer" >"$work/root/checks/versions"
    echo "$suite:"
    : >"$work/root/checks/results"
    tail -f "$work/root/checks/results" &
    tail=$!
    status=0
    LIMIT=${LIMIT:-900} boot "$work/root" "$work/console" || status=$?
    # Show the remaining output.
    sleep 0.2
    kill "$tail"
    tail=
    if [ "$status" -ne 0 ] || grep -q '^not ok' "$work/root/checks/results" ||
        [ "$(tail -n 1 "$work/root/checks/results")" != "all checks passed" ]; then
        echo "packages: failed on $suite (nspawn ended with $status)"
        cat "$work/root/checks/apt" "$work/root/checks/errors" "$work/root/checks/journal" 2>/dev/null ||
            tail -n 40 "$work/console"
        failed=yes
    fi
    rm -rf --one-file-system "$work/root"
done
[ -z "$failed" ]
