#!/bin/sh
# The whole way once: a corpus into the inbox, two models out of it, an answer from each.
#
#   demo.sh BUILD_DIRECTORY [CORPUS]
#
# The state stays in ./var (or STATE): a second time, the models answer at once.
set -eu
build=$1
corpus=${2:-}
here=$(dirname "$0")
state=${STATE:-./var}
fortunes=/usr/share/games/fortunes
log=$state/kantaibertd.log
service=

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

# kbctl SUBCOMMAND …
ask() {
    subcommand=$1
    shift
    "$build/kbctl" "$subcommand" --socket "$state/io.kantaibert" "$@"
}

stop() {
    [ -n "$service" ] || return 0
    say "Stopping the service"
    kill -TERM "$service" 2>/dev/null || true
    stopped=0
    wait "$service" || stopped=$?
    service=
    [ "$stopped" -eq 0 ] || { echo "kantaibertd ended with status $stopped, see $log" >&2; return "$stopped"; }
}

# Whatever ends this script, the service does not outlive it; what went wrong is shown and told on.
finish() {
    status=$?
    trap - EXIT INT TERM
    stop || [ "$status" -ne 0 ] || status=1
    if [ "$status" -ne 0 ] && [ -s "$log" ]; then
        echo "The last lines of $log:" >&2
        tail -n 20 "$log" >&2
    fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -n "$corpus" ]; then
    [ -r "$corpus" ] || { echo "CORPUS=$corpus cannot be read" >&2; exit 66; }
    name=$(basename "$corpus")
else
    [ -d "$fortunes" ] || { echo "$fortunes is missing: install the package fortunes, or name a CORPUS=FILE" >&2; exit 66; }
    name=fortunes.txt
fi

say "Starting the service on $state"
mkdir -p "$state/inbox"
"$build/kantaibertd" --state-dir "$state" --config "$here/kantaibert.yaml" 2>"$log" &
service=$!
tries=0
until ask status >/dev/null 2>&1; do
    kill -0 "$service" 2>/dev/null || { service=; echo "kantaibertd did not start" >&2; exit 69; }
    tries=$((tries + 1))
    [ "$tries" -le 600 ] || { echo "kantaibertd does not answer" >&2; exit 69; }
    sleep 0.1
done

# Written under a hidden name first: the inbox takes it when it has its name.
say "Dropping $name into $state/inbox"
part=$state/inbox/.$name.part
if [ -n "$corpus" ]; then
    cp "$corpus" "$part"
else
    # A line with a lone % parts two fortunes: a blank line makes each a paragraph. What is struck over is left out.
    find "$fortunes" -maxdepth 1 -type f ! -name '*.dat' ! -name 'ascii-art' | LC_ALL=C sort |
        while read -r file; do sed -e 's/^%$//' -e 's/.\x08//g' "$file"; echo; done >"$part"
fi
chmod u+w "$part"
mv "$part" "$state/inbox/$name"

ask watch --exit-when-served

say 'kbctl fill "Human thinking involves human <mask>."'
ask fill "Human thinking involves human <mask>."
say 'kbctl ask "I would like to assist"'
ask ask "I would like to assist"
