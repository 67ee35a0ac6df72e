#!/bin/bash
# Looks at the installed service from inside a booted Debian, as its users and its administrator do: `ok` or `not ok`
# for each promise, in /checks/results. Runs at every boot; run.sh reads the results.
set -u
here=/checks
exec >>$here/results 2>>$here/errors
export PATH=/usr/local/bin:$PATH
settings=/etc/kantaibert/kantaibert.yaml
inbox=/var/lib/kantaibert/inbox
fill="the old fox sees a <mask> in spring."

# Says how a check went. In $found is what was looked at.
check() {
    local name=$1
    shift
    if "$@"; then echo "ok $name"; else echo "not ok $name: $found"; fi
}
# Tries a check every tenth of a second until it holds or this many seconds are over.
within() {
    local seconds=$1 end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}
found=
# Runs a command; what it says is in $found.
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
# The journal's entries of the service that have these fields, as JSON, since the last `mark`.
journal() { found=$(journalctl -u kantaibertd -o json --cursor-file=$here/none "${since[@]}" "$@" 2>&1) && [ -n "$found" ]; }
since=()
mark() { since=(--after-cursor "$(journalctl -u kantaibertd -n 1 -o json -q | sed 's/.*"__CURSOR":"\([^"]*\)".*/\1/')"); }
event() { journalctl -u kantaibertd -o json -q "${since[@]}" | grep "\"KB_EVENT\":\"$1\"" | grep -- "${2:-}"; }
has_event() { found="no event $1 with ‘${2:-}’" && event "$@" >/dev/null; }
fillings() { alice kbctl fill "$fill" --json; }
# Asks the page's port: METHOD PATH BODY [HEADER…], the body a file.
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
# Sentences of a small language.
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
    check "the units are free of faults" \
        says systemd-analyze verify kantaibertd.service kantaibertd.socket kantaibert-web.service kantaibert-web.socket
    check "the service is locked in, by systemd's own measure" \
        says systemd-analyze security --threshold=10 --no-pager kantaibertd.service kantaibert-web.service
    systemctl enable kantaibertd.socket kantaibertd.service
    useradd -m -G kantaibert alice
    useradd -m -G kantaibert carol
    useradd -m -G kantaibert,kantaibert-admin dora
    useradd -m bob
}

activation() {
    systemctl start kantaibertd.socket
    is ActiveState inactive || echo "not ok before anybody asks there is only the socket: $found"
    check "who asks starts the service" says alice kbctl status
    check "and it is ready then" is ActiveState active
    # What the unit says counts for a process that runs.
    check "the watchdog of the shipped unit is on" matches WatchdogUSec '^[0-9]+(min|s)$'
    # What systemd says when a unit has started.
    started=39f53479d3a045ac8e11786248231fbf
    says journalctl -o json --output-fields=MESSAGE_ID,KB_EVENT,MESSAGE _SYSTEMD_UNIT=kantaibertd.service + \
        UNIT=kantaibertd.service MESSAGE_ID=$started
    order=$(grep -o -e service_ready -e $started <<<"$found" | uniq | paste -sd' ')
    check "systemd takes it for started after it is ready, not before" [ "$order" = "service_ready $started" ]
}

access() {
    check "who is outside the group cannot ask" fails bob kbctl status
    check "nor look into the inbox" fails bob ls $inbox
    grammar 1 >/home/bob/text.txt
    check "nor put a file there" fails bob cp /home/bob/text.txt $inbox/text.txt
    mark
    grammar 1 >/home/alice/text.txt
    alice cp /home/alice/text.txt $inbox/text.txt
    check "a file of a member of the group is admitted" within 20 has_event corpus_admitted text.txt
    check "and leaves the inbox" within 5 fails ls $inbox/text.txt
    check "it is learned, and the model serves" within 120 has_event generation_serves '"KB_MODEL":"kantaibert"'
    check "the other model, too" within 120 has_event generation_serves '"KB_MODEL":"assistant"'
    check "a member of the group is answered" says fillings
    check "a run knows how much memory there is" has_event preflight '(free memory)'
}

# Two members, one who is none, and the page's user, each trying what they may not.
strangers() {
    local state=/var/lib/kantaibert who path corpus
    corpus=$(find $state/corpus -type f | head -n 1)
    for who in alice carol bob page_user; do
        check "$who may not list the state directory" fails $who ls $state
        for path in "$corpus" $state/metrics.db $state/metrics.db-wal $state/metrics.db-shm $state/corpora.jsonl $state/lock \
            $state/models/kantaibert/1/model.safetensors $state/runs/kantaibert-1/job.json; do
            check "there is $path" [ -e "$path" ]
            check "$who may not read $path" fails $who cat "$path"
            check "$who may not lock $path" fails $who flock --nonblock --shared "$path" true
            check "$who may not write $path" fails $who sh -c ": >>'$path'"
        done
        check "$who may not plant a corpus" fails $who sh -c ": >'$state/corpus/planted'"
        check "$who may not plant a socket for files" fails $who mkdir /run/kantaibert/transfer.d
    done
    check "the service writes its database all the while" says kbctl runs

    # Hidden, so that it stays in the inbox.
    carol sh -c "umask 002; echo hers >$inbox/.carols"
    check "a member may not remove another's file" fails alice rm -f $inbox/.carols
    check "nor rename it" fails alice mv $inbox/.carols $inbox/.alices
    check "nor put another in its place" fails alice mv /home/alice/text.txt $inbox/.carols
    check "its owner may" says carol rm $inbox/.carols
    check "a member may not put away what was rejected" fails alice mv $inbox/.rejected $inbox/.old
    check "nor put a file among it" fails alice sh -c ": >$inbox/.rejected/planted"
    check "nor put a model's inbox away" fails alice mv $inbox/assistant $inbox/.old

    check "who is outside the group may not train" fails bob kbctl train kantaibert --force
    check "a member may not cancel" fails alice kbctl cancel kantaibert-1
    check "nor promote" fails alice kbctl promote kantaibert 1
    check "nor export" fails alice kbctl export assistant /home/alice/copy
    check "and is told who may" holds "only root"
    check "root exports" says kbctl export assistant /root/copy
    cp -r /root/copy /home/alice/model
    chown -R alice: /home/alice/model
    check "a member may not import" fails alice kbctl import /home/alice/model --model assistant
    check "nor the page's user" fails page_user kbctl import /home/alice/model --model assistant
    mark
    check "root imports what the service may not read" says kbctl import /root/copy --model assistant
    check "and it comes to the gate" within 120 has_event generation_judged '"KB_MODEL":"assistant"'
    check "nothing is left where files were passed" empty find /run/kantaibert/transfer -type s
    check "nor of what was copied" empty find $state -maxdepth 1 -name '.import*'
}

fields() {
    since=()
    journal KB_EVENT=checkpoint
    for field in MESSAGE MESSAGE_ID PRIORITY KB_RUN KB_MODEL KB_STEP; do
        check "the journal's entry of a checkpoint has $field" holds "\"$field\":\""
    done
    check "MESSAGE_ID finds the entries of one kind" journal MESSAGE_ID=b1f0c7a6d3e94a0f8c52e1745a9d0011
    check "which say what serves" holds '"KB_EVENT":"generation_serves"'
}

page() {
    local token=/var/lib/kantaibert-web/token
    found=$(systemctl is-enabled kantaibert-web.socket)
    check "the page is off until it is enabled" [ "$found" = disabled ]
    systemctl enable --now kantaibert-web.socket
    says http GET /health /dev/null
    check "who opens the page starts it, and it reaches the service" holds '"status":"ok"'
    found=$(systemctl show -P ActiveState kantaibert-web.service)
    check "it is ready then" [ "$found" = active ]
    check "an administrator may read the token" says dora cat $token
    check "a member of the group may not" fails alice cat $token
    check "nor who is outside" fails bob cat $token
    local pid
    pid=$(systemctl show -P MainPID kantaibert-web.service)
    says nsenter --target "$pid" --mount ls -A /var/lib/kantaibert
    check "of the service's state the page sees the inbox alone" [ "$found" = inbox ]
    says http POST '/api/inbox?name=page.txt' /home/alice/text.txt
    check "without the token nothing comes into the inbox" holds 401
    mark
    says http POST '/api/inbox?name=page.txt&model=assistant' /home/alice/text.txt "Authorization: Bearer $(cat $token)"
    check "with it a file does" holds '201 Created'
    check "where the service finds it" within 20 has_event corpus_duplicate assistant/page.txt
    systemctl stop kantaibertd.service kantaibertd.socket
    says http GET /health /dev/null
    check "where the service is away the page says so" holds '"status":"unavailable"'
    systemctl start kantaibertd.socket kantaibertd.service
    back_again() { says http GET /health /dev/null && holds '"status":"ok"'; }
    check "and that it is back" within 20 back_again
    systemctl stop kantaibert-web.service kantaibert-web.socket
    found=$(systemctl show -P Result kantaibert-web.service)
    check "it ends well" [ "$found" = success ]
}

varlink() {
    [ -x /trixie/usr/bin/varlinkctl ] || { echo "not ok there is a varlinkctl: none in /trixie"; return; }
    mount --bind /run/kantaibert /trixie/run/kantaibert
    local ctl=(chroot /trixie varlinkctl) socket=unix:/run/kantaibert/io.kantaibert
    check "varlinkctl info" says "${ctl[@]}" info $socket
    check "names both interfaces" holds io.kantaibert.Inference
    check "varlinkctl introspect, Inference" says "${ctl[@]}" introspect $socket io.kantaibert.Inference
    check "shows a method" holds "method FillMask"
    check "varlinkctl introspect, Manager" says "${ctl[@]}" introspect $socket io.kantaibert.Manager
    check "varlinkctl call" says "${ctl[@]}" call $socket io.kantaibert.Inference.FillMask "{\"text\":\"$fill\"}"
    check "answers" holds '"sequence"'
    check "varlinkctl call --more" says "${ctl[@]}" --json=short call --more $socket io.kantaibert.Inference.Generate \
        '{"prompt":"the old","sampling":{"max_new_tokens":20,"seed":3}}'
    check "gets the text in pieces" [ "$(wc -l <<<"$found")" -gt 3 ]
    check "varlinkctl call of what is not there" fails "${ctl[@]}" call $socket io.kantaibert.Inference.Nothing '{}'
    check "says so" holds MethodNotFound
}

reload() {
    # Somebody asks all the time, and a text is being written while the settings change.
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
    check "systemctl reload ends well" says systemctl reload kantaibertd
    check "and the settings are read again" within 10 has_event settings_reloaded
    check "what has to wait for a restart is named" has_event settings_reloaded '"KB_WAITING":"socket"'
    three() { found=$(fillings) && [ "$(grep -o '"token_str"' <<<"$found" | wc -l)" -eq 3 ]; }
    check "a changed setting holds" within 5 three
    check "it is the same process" is MainPID "$pid"
    cp $settings $here/good
    sed -i 's/stable: 200ms/stable: soon/' $settings
    check "settings that are wrong are refused" fails systemctl reload kantaibertd
    systemctl kill --kill-who=main -s HUP kantaibertd
    check "by the service itself as well" within 10 has_event settings_refused 'inbox.stable'
    check "and the old ones go on" three
    cp $here/good $settings
    check "systemctl reload ends well again" says systemctl reload kantaibertd
    wait $writing
    local status=$?
    found=$(cat $here/long)
    check "the text that was being written was written to its end" [ $status -eq 0 ]
    touch $here/enough
    wait $asking
    found=$(cat $here/dropped 2>&1)
    check "of $(wc -l <$here/asked) requests meanwhile none was dropped" [ ! -e $here/dropped ]
    check "it is still the same process" is MainPID "$pid"
}

progress() {
    check "a member of the group who is no administrator may not train" fails alice kbctl train kantaibert --force
    check "the answer says who may" holds "only root"
    check "a run by hand, which the new settings make a long one" says kbctl train kantaibert --force
    check "systemctl status shows the progress" within 60 matches StatusText 'step [0-9]+ of [0-9]+, loss [0-9.]+'
    check "for people, too" [ -n "$(systemctl status kantaibertd | grep 'Status: .*step ')" ]
}

stop() {
    mark
    within 60 has_event checkpoint || echo "not ok there is a checkpoint: $found"
    fillings >$here/answer.before
    local began=${EPOCHREALTIME/./}
    systemctl stop kantaibertd.service kantaibertd.socket
    found="$(((${EPOCHREALTIME/./} - began) / 1000)) ms, $(unit Result)"
    check "systemctl stop in the middle of a run takes less than 15 s" [ $((${EPOCHREALTIME/./} - began)) -lt 15000000 ]
    check "and ends well" is Result success
    mark
    systemctl start kantaibertd.socket kantaibertd.service
    check "what served answers at once, the same" [ "$(fillings)" = "$(cat $here/answer.before)" ]
    check "the run goes on from its checkpoint" within 60 has_event run_started '"KB_RESUMED_STEP":"[1-9]'
}

# The main process is put away; the service is back with another, answers, and the run goes on.
back() {
    local what=$1 pid=$2 end=$((SECONDS + 60))
    another() { found=$(unit MainPID) && [ "$found" != 0 ] && [ "$found" != "$pid" ] && is ActiveState active; }
    check "$what it is started again" within 60 another
    check "$what what served answers the same" within 10 same
    check "$what the run goes on from its checkpoint" within 60 has_event run_started '"KB_RESUMED_STEP":"[1-9]'
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
    check "a process that is stopped is ended by the watchdog" within 30 ended
    back "after the watchdog" "$pid"
    rm /etc/systemd/system/kantaibertd.service.d/watchdog.conf
    systemctl daemon-reload
}

reboot() {
    within 60 has_event checkpoint
    echo "rebooting in the middle of a run"
    touch $here/rebooting
    trap - EXIT
    systemctl reboot
    sleep infinity
}

rebooted() {
    since=(-b)
    check "after a reboot the service is there" within 30 is ActiveState active
    check "after a reboot what served answers the same" within 10 same
    check "after a reboot the run goes on from its checkpoint" within 60 has_event run_started '"KB_RESUMED_STEP":"[1-9]'
    mount --bind /run/kantaibert /trixie/run/kantaibert
    check "a run is cancelled" says chroot /trixie varlinkctl call unix:/run/kantaibert/io.kantaibert \
        io.kantaibert.Manager.CancelRun '{"run":"kantaibert-2"}'
    systemctl stop kantaibertd.service kantaibertd.socket
    check "it goes without a complaint" is Result success
    check "nothing is left of a write that was cut off" empty find /var/lib/kantaibert -name '.*.tmp'
}

trap 'systemctl poweroff' EXIT
if [ -e $here/rebooting ]; then
    rebooted
    echo "all checks are through"
    journalctl -u kantaibertd --no-pager | tail -n 200 >$here/journal
else
    for part in installation activation access strangers fields page varlink reload progress stop killed hung; do $part; done
    journalctl -u kantaibertd --no-pager | tail -n 200 >$here/journal
    reboot
fi
