# Roots of Debian to boot with systemd, for run.sh here and in ../Packages, which set $what, the name of the test, and $work, a
# temporary directory.
cache=${CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kantaibert}
release=$(. /etc/os-release && echo "$ID $VERSION_ID")

# Ends the test, which must work as root on Debian 12 and is skipped elsewhere.
cannot() {
    if [ "$(id -u)" -eq 0 ] && [ "$release" = "debian 12" ]; then
        echo "$what: $*" >&2
        exit 1
    fi
    echo "skipped $what: $*"
    exit 0
}

# Prints the path of a root of `suite` with `packages`, which is created once per list of packages.
root() {
    suite=$1 packages=$2
    kept=$cache/$suite-$(echo "$packages" | cksum | cut -d' ' -f1)
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9
    if [ ! -d "$kept" ]; then
        echo "creating a root of $suite with $packages in $kept" >&2
        rm -rf "$kept".new
        mkdir -p "$kept".new
        debootstrap --variant=minbase --include="$packages" "$suite" "$kept".new >"$work/$suite.log" 2>&1 || {
            tail -n 20 "$work/$suite.log" >&2
            return 1
        }
        rm -rf "$kept".new/var/cache/apt/archives/*.deb "$kept".new/var/lib/apt/lists/*
        mkdir -p "$kept".new/run/kantaibert
        mv "$kept".new "$kept"
    fi
    exec 9>&-
    echo "$kept"
}

# Boots a root with systemd: boot ROOT CONSOLE [OPTION], with an option of systemd-nspawn. 133 requests a reboot.
boot() {
    timeout --kill-after=10 "${LIMIT:-300}" unshare -m sh -c '
        mount -t tmpfs tmpfs /run
        exec systemd-nspawn --boot --directory="$1" ${2:+"$2"} --register=no --keep-unit \
            --private-network --console=read-only \
            --system-call-filter="landlock_create_ruleset landlock_add_rule landlock_restrict_self"
    ' sh "$1" "${3-}" </dev/null >>"$2" 2>&1
}
