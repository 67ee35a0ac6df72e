#!/bin/bash
# Checks the installed service inside a booted Debian, as its users and its administrator would use it. Writes a line `ok`
# or `not ok` per check to /checks/results. Runs at every boot; run.sh reads the results.
set -u
here=/checks
exec >>$here/results 2>>$here/errors
export PATH=/usr/local/bin:$PATH
settings=/etc/kantaibert/kantaibert.yaml
inbox=/var/lib/kantaibert/inbox
fill="the old fox sees a <mask> in spring."

# Prints the result of a check. $found holds the output that was checked.
check() {
    local name=$1
    shift
    if "$@"; then echo "ok $name"; else echo "not ok $name: $found"; fi
}
# Repeats a check every tenth of a second until it succeeds or this many seconds have passed.
within() {
    local seconds=$1 end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}
found=
# Runs a command and stores its output in $found.
says() { found=$("$@" 2>&1); }
fails() { ! says "$@"; }
empty() { says "$@" && [ -z "$found" ]; }
holds() { [[ $found == *"$1"* ]]; }
unit() { systemctl show -P "$1" kantaibertd.service; }
is() { found=$(unit "$1") && [ "$found" = "$2" ]; }
matches() { found=$(unit "$1") && [[ $found =~ $2 ]]; }
alice() { runuser -u alice -- "$@"; }
bob() { runuser -u bob -- "$@"; }
carol() { runuser -u carol -- "$@"; }
dora() { runuser -u dora -- "$@"; }
page_user() { runuser -u kantaibert-web -- "$@"; }
# Prints the service's journal entries with these fields since the last `mark`, as JSON.
journal() { found=$(journalctl -u kantaibertd -o json --cursor-file=$here/none "${since[@]}" "$@" 2>&1) && [ -n "$found" ]; }
since=()
mark() { since=(--after-cursor "$(journalctl -u kantaibertd -n 1 -o json -q | sed 's/.*"__CURSOR":"\([^"]*\)".*/\1/')"); }
event() { journalctl -u kantaibertd -o json -q "${since[@]}" | grep "\"KB_EVENT\":\"$1\"" | grep -- "${2:-}"; }
has_event() { found="no event $1 with ‘${2:-}’" && event "$@" >/dev/null; }
fillings() { alice kbctl fill "$fill" --json; }
# Sends a request to the page's port: METHOD PATH BODY [HEADER…], where BODY is a file.
http() {
    local method=$1 path=$2 body=$3
    shift 3
    exec 3<>/dev/tcp/127.0.0.1/8460 || return
    {
        printf '%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n' "$method" "$path"
        printf '%s\r\n' "Content-Length: $(wc -c <"$body")" "$@" ''
        cat "$body"
    } >&3
    cat <&3
    exec 3>&-
}
# Prints sentences of a small artificial language.
grammar() {
    awk -v seed="$1" 'BEGIN {
        srand(seed); split("fox judge baker sailor child", who); split("lamp letter river garden story", what)
        split("sees finds keeps forgets", does); split("spring autumn winter summer", when)
        for (i = 1; i <= 600; i++)
            print "the old " who[1 + int(rand() * 5)] " " does[1 + int(rand() * 4)] " a " what[1 + int(rand() * 5)] \
                " in " when[1 + int(rand() * 4)] "." (i % 5 ? "" : "\n")
    }'
}

installation() {
    systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload
    check "the units have no errors" \
        says systemd-analyze verify kantaibertd.service kantaibertd.socket kantaibert-web.service kantaibert-web.socket
    check "systemd-analyze rates the sandbox at most 1.0" \
        says systemd-analyze security --threshold=10 --no-pager kantaibertd.service kantaibert-web.service
    systemctl enable kantaibertd.socket kantaibertd.service
    useradd -m -G kantaibert alice
    useradd -m -G kantaibert carol
    useradd -m -G kantaibert,kantaibert-admin dora
    useradd -m bob
}

activation() {
    systemctl start kantaibertd.socket
    is ActiveState inactive || echo "not ok the service is not started before the first connection: $found"
    check "a connection starts the service" says alice kbctl status
    check "the service is active afterwards" is ActiveState active
    # Read from the running process, to which the unit's setting applies.
    check "the watchdog of the installed unit is enabled" matches WatchdogUSec '^[0-9]+(min|s)$'
    # systemd's message when a unit has started.
    started=39f53479d3a045ac8e11786248231fbf
    says journalctl -o json --output-fields=MESSAGE_ID,KB_EVENT,MESSAGE _SYSTEMD_UNIT=kantaibertd.service + \
        UNIT=kantaibertd.service MESSAGE_ID=$started
    order=$(grep -o -e service_ready -e $started <<<"$found" | uniq | paste -sd' ')
    check "systemd considers the service started after it is ready, not before" [ "$order" = "service_ready $started" ]
}

access() {
    check "a user outside the group cannot query" fails bob kbctl status
    check "a user outside the group cannot list the inbox" fails bob ls $inbox
    grammar 1 >/home/bob/text.txt
    check "a user outside the group cannot add a file" fails bob cp /home/bob/text.txt $inbox/text.txt
    mark
    grammar 1 >/home/alice/text.txt
    alice cp /home/alice/text.txt $inbox/text.txt
    check "a member's file is admitted" within 20 has_event corpus_admitted text.txt
    check "an admitted file is removed from the inbox" within 5 fails ls $inbox/text.txt
    printf '\211PNG\r\n\032\n\0\0\0\1' >/home/alice/picture.txt
    alice cp /home/alice/picture.txt $inbox/picture.txt
    check "a file that is not text is named by the confined reader" within 20 has_event corpus_rejected "PNG picture"
    check "the first model is trained and serves" within 120 has_event generation_serves '"KB_MODEL":"kantaibert"'
    check "the second model is trained and serves" within 120 has_event generation_serves '"KB_MODEL":"assistant"'
    check "a member can query" says fillings
    check "a run reports the free memory" has_event preflight '(free memory)'
}

# Two members, a user outside the group, and the page's user try what they are not permitted to do.
strangers() {
    local state=/var/lib/kantaibert who path corpus
    corpus=$(find $state/corpus -type f | head -n 1)
    for who in alice carol bob page_user; do
        check "$who cannot list the state directory" fails $who ls $state
        for path in "$corpus" $state/metrics.db $state/metrics.db-wal $state/metrics.db-shm $state/corpora.jsonl $state/lock \
            $state/models/kantaibert/1/model.safetensors $state/runs/kantaibert-1/job.json; do
            check "$path exists" [ -e "$path" ]
            check "$who cannot read $path" fails $who cat "$path"
            check "$who cannot lock $path" fails $who flock --nonblock --shared "$path" true
            check "$who cannot write $path" fails $who sh -c ": >>'$path'"
        done
        check "$who cannot add a corpus" fails $who sh -c ": >'$state/corpus/planted'"
        check "$who cannot create a transfer socket" fails $who mkdir /run/kantaibert/transfer.d
    done
    check "the service can still use its database" says kbctl runs

    # Hidden, so that it stays in the inbox.
    carol sh -c "umask 002; echo hers >$inbox/.carols"
    check "a member cannot remove another's file" fails alice rm -f $inbox/.carols
    check "a member cannot rename another's file" fails alice mv $inbox/.carols $inbox/.alices
    check "a member cannot replace another's file" fails alice mv /home/alice/text.txt $inbox/.carols
    check "the owner can remove it" says carol rm $inbox/.carols
    check "a member cannot rename .rejected" fails alice mv $inbox/.rejected $inbox/.old
    check "a member cannot add a file to .rejected" fails alice sh -c ": >$inbox/.rejected/planted"
    check "a member cannot rename a model's inbox" fails alice mv $inbox/assistant $inbox/.old

    check "a user outside the group cannot train" fails bob kbctl train kantaibert --force
    check "a member cannot cancel" fails alice kbctl cancel kantaibert-1
    check "a member cannot promote" fails alice kbctl promote kantaibert 1
    check "a member cannot export" fails alice kbctl export assistant /home/alice/copy
    check "the error says who may export" holds "only root"
    check "root can export" says kbctl export assistant /root/copy
    cp -r /root/copy /home/alice/model
    chown -R alice: /home/alice/model
    check "a member cannot import" fails alice kbctl import /home/alice/model --model assistant
    check "the page's user cannot import" fails page_user kbctl import /home/alice/model --model assistant
    mark
    check "root can import files that the service cannot read" says kbctl import /root/copy --model assistant
    check "the import is evaluated" within 120 has_event generation_judged '"KB_MODEL":"assistant"'
    check "no transfer socket is left" empty find /run/kantaibert/transfer -type s
    check "no partial import is left" empty find $state -maxdepth 1 -name '.import*'
}

fields() {
    since=()
    journal KB_EVENT=checkpoint
    for field in MESSAGE MESSAGE_ID PRIORITY KB_RUN KB_MODEL KB_STEP; do
        check "the journal entry of a checkpoint has $field" holds "\"$field\":\""
    done
    check "MESSAGE_ID selects the entries of one kind" journal MESSAGE_ID=b1f0c7a6d3e94a0f8c52e1745a9d0011
    check "these entries report a serving generation" holds '"KB_EVENT":"generation_serves"'
}

page() {
    local token=/var/lib/kantaibert-web/token
    found=$(systemctl is-enabled kantaibert-web.socket)
    check "the page is disabled by default" [ "$found" = disabled ]
    systemctl enable --now kantaibert-web.socket
    says http GET /health /dev/null
    check "a connection starts the page, which reaches the service" holds '"status":"ok"'
    found=$(systemctl show -P ActiveState kantaibert-web.service)
    check "the page's service is active afterwards" [ "$found" = active ]
    check "an administrator can read the token" says dora cat $token
    check "a member cannot read the token" fails alice cat $token
    check "a user outside the group cannot read the token" fails bob cat $token
    local pid
    pid=$(systemctl show -P MainPID kantaibert-web.service)
    says nsenter --target "$pid" --mount ls -A /var/lib/kantaibert
    check "the page sees only the inbox of the service's state" [ "$found" = inbox ]
    says http POST '/api/inbox?name=page.txt' /home/alice/text.txt
    check "an upload without the token is rejected" holds 401
    mark
    says http POST '/api/inbox?name=page.txt&model=assistant' /home/alice/text.txt "Authorization: Bearer $(cat $token)"
    check "an upload with the token is accepted" holds '201 Created'
    check "the service finds the upload" within 20 has_event corpus_duplicate assistant/page.txt
    systemctl stop kantaibertd.service kantaibertd.socket
    says http GET /health /dev/null
    check "the page reports that the service is not available" holds '"status":"unavailable"'
    systemctl start kantaibertd.socket kantaibertd.service
    back_again() { says http GET /health /dev/null && holds '"status":"ok"'; }
    check "the page reports that the service is available again" within 20 back_again
    systemctl stop kantaibert-web.service kantaibert-web.socket
    found=$(systemctl show -P Result kantaibert-web.service)
    check "the page stops without an error" [ "$found" = success ]
}

varlink() {
    [ -x /trixie/usr/bin/varlinkctl ] || { echo "not ok varlinkctl exists: none in /trixie"; return; }
    mount --bind /run/kantaibert /trixie/run/kantaibert
    local ctl=(chroot /trixie varlinkctl) socket=unix:/run/kantaibert/io.kantaibert
    check "varlinkctl info" says "${ctl[@]}" info $socket
    check "varlinkctl info lists both interfaces" holds io.kantaibert.Inference
    check "varlinkctl introspect, Inference" says "${ctl[@]}" introspect $socket io.kantaibert.Inference
    check "varlinkctl introspect shows a method" holds "method FillMask"
    check "varlinkctl introspect, Manager" says "${ctl[@]}" introspect $socket io.kantaibert.Manager
    check "shows a method of the Manager" holds "method DescribeTensor"
    local definition
    valid() { found=$("${ctl[@]}" validate-idl <"$definition" 2>&1); }
    for definition in $here/*.varlink; do check "varlinkctl validate-idl ${definition##*/}" valid; done
    check "varlinkctl call" says "${ctl[@]}" call $socket io.kantaibert.Inference.FillMask "{\"text\":\"$fill\"}"
    check "varlinkctl call returns a reply" holds '"sequence"'
    check "varlinkctl call --more" says "${ctl[@]}" --json=short call --more $socket io.kantaibert.Inference.Generate \
        '{"prompt":"the old","sampling":{"max_new_tokens":20,"seed":3}}'
    check "varlinkctl call --more receives the text in pieces" [ "$(wc -l <<<"$found")" -gt 3 ]
    check "varlinkctl call of an unknown method fails" fails "${ctl[@]}" call $socket io.kantaibert.Inference.Nothing '{}'
    check "the error is MethodNotFound" holds MethodNotFound
}

reload() {
    # Requests are sent continuously, and a text is being generated, while the settings change.
    while [ ! -e $here/enough ]; do
        fillings >$here/answer || echo failed >>$here/dropped
        echo >>$here/asked
    done &
    local asking=$! pid
    pid=$(unit MainPID)
    alice kbctl ask "the old" --max-new-tokens 400 >$here/long 2>&1 &
    local writing=$!
    mark
    cp $settings $here/before
    sed -i -e '/max_steps: 60/c\  num_train_epochs: 100000' $settings
    printf 'serving:\n  fillings: 3\nsocket:\n  mode: "0600"\nlogging:\n  level: debug\n' >>$settings
    check "systemctl reload succeeds" says systemctl reload kantaibertd
    check "the settings are reloaded" within 10 has_event settings_reloaded
    check "settings that need a restart are named" has_event settings_reloaded '"KB_WAITING":"socket.mode"'
    three() { found=$(fillings) && [ "$(grep -o '"token_str"' <<<"$found" | wc -l)" -eq 3 ]; }
    check "a changed setting is in effect" within 5 three
    check "the process is the same" is MainPID "$pid"
    cp $settings $here/good
    sed -i 's/stable: 200ms/stable: soon/' $settings
    check "systemctl reload rejects invalid settings" fails systemctl reload kantaibertd
    systemctl kill --kill-who=main -s HUP kantaibertd
    check "the service itself rejects invalid settings" within 10 has_event settings_refused 'inbox.stable'
    check "the old settings stay in effect" three
    cp $here/good $settings
    check "systemctl reload succeeds again" says systemctl reload kantaibertd
    wait $writing
    local status=$?
    found=$(cat $here/long)
    check "the text being generated is completed" [ $status -eq 0 ]
    touch $here/enough
    wait $asking
    found=$(cat $here/dropped 2>&1)
    check "none of $(wc -l <$here/asked) requests was dropped" [ ! -e $here/dropped ]
    check "the process is still the same" is MainPID "$pid"
}

progress() {
    check "a member who is not an administrator cannot train" fails alice kbctl train kantaibert --force
    check "the error says who may train" holds "only root"
    check "a manual run, made long by the new settings" says kbctl train kantaibert --force
    check "systemctl status shows the progress" within 60 matches StatusText 'step [0-9]+ of [0-9]+, loss [0-9.]+'
    check "systemctl status prints the progress" [ -n "$(systemctl status kantaibertd | grep 'Status: .*step ')" ]
}

stop() {
    mark
    within 60 has_event checkpoint || echo "not ok a checkpoint is written: $found"
    fillings >$here/answer.before
    local began=${EPOCHREALTIME/./}
    systemctl stop kantaibertd.service kantaibertd.socket
    found="$(((${EPOCHREALTIME/./} - began) / 1000)) ms, $(unit Result)"
    check "systemctl stop during a run takes less than 15 s" [ $((${EPOCHREALTIME/./} - began)) -lt 15000000 ]
    check "systemctl stop succeeds" is Result success
    mark
    systemctl start kantaibertd.socket kantaibertd.service
    check "the models answer immediately, with the same results" [ "$(fillings)" = "$(cat $here/answer.before)" ]
    check "the run resumes from its checkpoint" within 60 has_event run_started '"KB_RESUMED_STEP":"[1-9]'
}

# The main process is killed; the service restarts with a new one, answers, and the run resumes.
back() {
    local what=$1 pid=$2 end=$((SECONDS + 60))
    another() { found=$(unit MainPID) && [ "$found" != 0 ] && [ "$found" != "$pid" ] && is ActiveState active; }
    check "$what the service is restarted" within 60 another
    check "$what the models give the same results" within 10 same
    check "$what the run resumes from its checkpoint" within 60 has_event run_started '"KB_RESUMED_STEP":"[1-9]'
}
same() { found=$(fillings) && [ "$found" = "$(cat $here/answer.before)" ]; }

killed() {
    mark
    local pid
    pid=$(unit MainPID)
    kill -KILL "$pid"
    back "after SIGKILL" "$pid"
}

hung() {
    mkdir -p /etc/systemd/system/kantaibertd.service.d
    printf '[Service]\nWatchdogSec=3s\n' >/etc/systemd/system/kantaibertd.service.d/watchdog.conf
    systemctl daemon-reload
    systemctl restart kantaibertd
    mark
    local pid restarts
    pid=$(unit MainPID)
    kill -STOP "$pid"
    ended() { found=$(journalctl -u kantaibertd "${since[@]}" --no-pager) && holds "Watchdog timeout"; }
    check "the watchdog ends a stopped process" within 30 ended
    back "after the watchdog" "$pid"
    rm /etc/systemd/system/kantaibertd.service.d/watchdog.conf
    systemctl daemon-reload
}

reboot() {
    within 60 has_event checkpoint
    echo "rebooting during a run"
    touch $here/rebooting
    trap - EXIT
    systemctl reboot
    sleep infinity
}

rebooted() {
    since=(-b)
    check "after a reboot the service is active" within 30 is ActiveState active
    check "after a reboot the models give the same results" within 10 same
    check "after a reboot the run resumes from its checkpoint" within 60 has_event run_started '"KB_RESUMED_STEP":"[1-9]'
    mount --bind /run/kantaibert /trixie/run/kantaibert
    check "a run is cancelled" says chroot /trixie varlinkctl call unix:/run/kantaibert/io.kantaibert \
        io.kantaibert.Manager.CancelRun '{"run":"kantaibert-2"}'
    systemctl stop kantaibertd.service kantaibertd.socket
    check "the service stops without an error" is Result success
    check "no temporary files are left" empty find /var/lib/kantaibert -name '.*.tmp'
}

trap 'systemctl poweroff' EXIT
if [ -e $here/rebooting ]; then
    rebooted
    echo "all checks passed"
    journalctl -u kantaibertd --no-pager | tail -n 200 >$here/journal
else
    for part in installation activation access strangers fields page varlink reload progress stop killed hung; do $part; done
    journalctl -u kantaibertd --no-pager | tail -n 200 >$here/journal
    reboot
fi
