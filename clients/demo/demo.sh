#!/bin/sh
# Trains two small models on a corpus and asks each one a question.
#
#   demo.sh BUILD_DIRECTORY [CORPUS]
#
# The state is kept in ./var (or STATE): if the models were already trained on the same text, they answer immediately.
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
    [ "$stopped" -eq 0 ] || { echo "kantaibertd exited with status $stopped; see $log" >&2; return "$stopped"; }
}

# Stops the service however this script ends, and shows the end of the log after a failure.
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
    [ -f "$corpus" ] && [ -r "$corpus" ] || { echo "CORPUS=$corpus is not a readable file" >&2; exit 66; }
    name=$(basename "$corpus")
else
    [ -d "$fortunes" ] || { echo "$fortunes is missing: install the package fortunes, or use CORPUS=FILE" >&2; exit 66; }
    name=fortunes.txt
fi

say "Starting the service in $state"
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

# Written under a hidden name first, which the inbox ignores until the file is renamed.
part=$state/inbox/.$name.part
if [ -n "$corpus" ]; then
    cp "$corpus" "$part"
else
    # A line with only % separates two fortunes: a blank line makes each a paragraph. Overstruck characters are removed.
    find "$fortunes" -maxdepth 1 -type f ! -name '*.dat' ! -name 'ascii-art' | LC_ALL=C sort |
        while read -r file; do sed -e 's/^%$//' -e 's/.\x08//g' "$file"; echo; done >"$part"
fi
chmod u+w "$part"
# The service stores a corpus under its SHA-256.
if [ -e "$state/corpus/$(sha256sum <"$part" | cut -d' ' -f1)" ] &&
    [ -e "$state/models/kantaibert/current" ] && [ -e "$state/models/assistant/current" ]; then
    rm "$part"
    say "The models in $state/models were already trained on $name; using them"
    echo "To train them again, run ‘kbctl train MODEL --force’ while the service is running, or remove $state."
else
    say "Adding $name to $state/inbox"
    mv "$part" "$state/inbox/$name"
fi

ask watch --exit-when-served

say 'kbctl fill "Human thinking involves human <mask>."'
ask fill "Human thinking involves human <mask>."
say 'kbctl ask "I would like to assist"'
ask ask "I would like to assist"
stop

# kbctl finds the socket in ./var without --socket.
socket=
[ "$state" = ./var ] || socket=" --socket $state/io.kantaibert"
say "The models are in $state/models"
cat <<END
To start the service again:
    $build/kantaibertd --state-dir $state --config $here/kantaibert.yaml
Then, in another terminal in this directory:
    $build/kbctl fill$socket "Human thinking involves human <mask>."
    $build/kbctl ask$socket "I would like to assist"
    $build/kbctl status$socket
The models are also trained on any other text that you copy into $state/inbox.
END
