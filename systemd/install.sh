#!/bin/sh
# Installs the built programs: install.sh BUILD_DIRECTORY, with DESTDIR and PREFIX from the environment. See `make install`.
set -eu
build=$1
here=$(dirname "$0")
prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}
to=$root$prefix
say() { printf '  %s\n' "$*"; }

# The programs are installed into one directory with the Swift libraries they need, which they load from there: a service
# cannot access a toolchain in a home directory, and the toolchain may be removed.
install -d "$to/bin" "$to/lib/kantaibert"
for program in kantaibertd kantaibert-train kantaibert-read kbctl kantaibert-web kb-bench; do
    install -m 755 "$build/$program" "$to/lib/kantaibert/$program"
    ln -sfn "../lib/kantaibert/$program" "$to/bin/$program"
    ldd "$build/$program" 2>/dev/null | awk '$3 ~ /\/lib\/swift\/linux\// { print $3 }'
done | sort -u | while read -r library; do
    install -m 644 "$library" "$to/lib/kantaibert/"
done
for plugin in "$build"/libkantaibert-mpi-*.so; do
    [ -e "$plugin" ] || continue
    install -m 755 "$plugin" "$to/lib/kantaibert/"
    say "$to/lib/kantaibert/$(basename "$plugin")"
done
say "$to/bin: kantaibertd kantaibert-train kantaibert-read kbctl kantaibert-web kb-bench"

install -d "$to/lib/systemd/system" "$to/lib/systemd/catalog" "$to/lib/sysusers.d" "$to/lib/tmpfiles.d" "$to/share/doc/kantaibert"
for unit in kantaibertd.service kantaibertd.socket kantaibert-web.service kantaibert-web.socket; do
    sed "s|/usr/local/|$prefix/|g" "$here/$unit" >"$to/lib/systemd/system/$unit"
    chmod 644 "$to/lib/systemd/system/$unit"
done
install -m 644 "$here/kantaibert.sysusers" "$to/lib/sysusers.d/kantaibert.conf"
install -m 644 "$here/kantaibert.tmpfiles" "$to/lib/tmpfiles.d/kantaibert.conf"
install -m 644 "$here/kantaibert.catalog" "$to/lib/systemd/catalog/kantaibert.catalog"
say "$to/lib: units, sysusers.d, tmpfiles.d, the journal's catalog"

for page in "$build"/man/*.[158]; do
    [ -e "$page" ] || continue
    install -d "$to/share/man/man${page##*.}"
    install -m 644 "$page" "$to/share/man/man${page##*.}/"
    say "$to/share/man/man${page##*.}/$(basename "$page")"
done
if [ -e "$here/../README.md" ]; then install -m 644 "$here/../README.md" "$to/share/doc/kantaibert/"; fi

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
