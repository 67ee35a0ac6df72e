#!/bin/sh
# Installs the built programs: install.sh BUILD_DIRECTORY, with DESTDIR, PREFIX and UNITDIR from the environment. See
# `make install`.
set -eu
build=$1
here=$(dirname "$0")
prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}
to=$root$prefix
say() { printf '  %s\n' "$*"; }

# The programs are installed into one directory with the libraries they need, which they load from there: Swift's, because
# a service cannot access a toolchain in a home directory, and the toolchain may be removed; or the one that
# release/link.py makes, beside the programs.
programs="kantaibertd kantaibert-train kantaibert-read kbctl kantaibert-web"
# Benchmarks, which are not linked for packages.
[ ! -e "$build/kb-bench" ] || programs="$programs kb-bench"
install -d "$to/bin" "$to/lib/kantaibert"
for program in $programs; do
    install -m 755 "$build/$program" "$to/lib/kantaibert/$program"
    ln -sfn "../lib/kantaibert/$program" "$to/bin/$program"
    ldd "$build/$program" 2>/dev/null | awk '$3 ~ /\/lib\/swift\/linux\/|\/libkantaibert-/ { print $3 }'
done | sort -u | while read -r library; do
    install -m 644 "$library" "$to/lib/kantaibert/"
done
for plugin in "$build"/libkantaibert-mpi-*.so; do
    [ -e "$plugin" ] || continue
    install -m 755 "$plugin" "$to/lib/kantaibert/"
    say "$to/lib/kantaibert/$(basename "$plugin")"
done
say "$to/bin: $programs"

# The folder of units is another one only for packages of a distribution that looks for them elsewhere.
units=${UNITDIR:+$root$UNITDIR}
units=${units:-$to/lib/systemd/system}
install -d "$units" "$to/lib/systemd/catalog" "$to/lib/sysusers.d" "$to/lib/tmpfiles.d" "$to/share/doc/kantaibert"
for unit in kantaibertd.service kantaibertd.socket kantaibert-web.service kantaibert-web.socket; do
    sed "s|/usr/local/|$prefix/|g" "$here/$unit" >"$units/$unit"
    chmod 644 "$units/$unit"
done
for package in kantaibert kantaibert-web; do
    install -m 644 "$here/$package.sysusers" "$to/lib/sysusers.d/$package.conf"
    install -m 644 "$here/$package.tmpfiles" "$to/lib/tmpfiles.d/$package.conf"
done
install -m 644 "$here/kantaibert.catalog" "$to/lib/systemd/catalog/kantaibert.catalog"
say "$to/lib: units, sysusers.d, tmpfiles.d, the journal's catalog"

for page in "$build"/man/*.[158]; do
    [ -e "$page" ] || continue
    install -d "$to/share/man/man${page##*.}"
    install -m 644 "$page" "$to/share/man/man${page##*.}/"
    say "$to/share/man/man${page##*.}/$(basename "$page")"
done

# Where the shells look in /usr, and in /usr/local.
zsh=$to/share/zsh/site-functions
[ "$prefix" != /usr ] || zsh=$to/share/zsh/vendor-completions
complete() {
    # Programs of another architecture, and the stand-ins of tests, print none.
    script=$("$build/kbctl" completion "$1" | sed '1{/^#!/d}') && [ -n "$script" ] || return 0
    install -d "$(dirname "$2")"
    printf '%s\n' "$script" >"$2"
    chmod 644 "$2"
    say "$2"
}
complete bash "$to/share/bash-completion/completions/kbctl"
complete zsh "$zsh/_kbctl"
complete fish "$to/share/fish/vendor_completions.d/kbctl.fish"

if [ -e "$here/../README.md" ]; then install -m 644 "$here/../README.md" "$to/share/doc/kantaibert/"; fi
install -d "$to/share/kantaibert/grafana"
install -m 644 "$here/../etc/grafana/kantaibert.json" "$to/share/kantaibert/grafana/"

settings=$root/etc/kantaibert/kantaibert.yaml
if [ -e "$settings" ]; then
    say "$settings: kept as it is"
else
    install -d "$(dirname "$settings")"
    install -m 644 "$here/../etc/kantaibert/kantaibert.yaml" "$settings"
    say "$settings"
fi

if [ -z "$root" ]; then
    cat <<'NEXT'
Next, as root:
  systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload
  journalctl --update-catalog
  systemctl enable --now kantaibertd.socket kantaibertd.service
  usermod -aG kantaibert NAME           # allows NAME to fill the inbox and query the models
  usermod -aG kantaibert-admin NAME     # allows NAME to read the page's token, and to train and promote if
                                        # socket.admin_group: kantaibert-admin is set
  systemctl enable --now kantaibert-web.socket   # serves the page on http://127.0.0.1:8460
NEXT
fi
