#!/bin/bash
# Installs, upgrades, downgrades, removes and purges the packages in /packages inside a booted Debian, and checks after each
# step what a user has. Writes a line `ok` or `not ok` per check to /checks/results, which run.sh reads.
set -u
here=/checks
exec >>$here/results 2>>$here/errors
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
{ read -r version && read -r newer; } <$here/versions
all="kantaibert kantaibert-web kantaibert-mpi python3-kantaibert"
settings=/etc/kantaibert/kantaibert.yaml
state=/var/lib/kantaibert
inbox=$state/inbox
fill="the old fox sees a <mask> in spring."

# Prints the result of a check. $found holds the output that was checked.
check() {
    local name=$1
    shift
    if "$@"; then echo "ok $name"; else echo "not ok $name: $found"; fi
}
# Repeats a check every tenth of a second until it succeeds or this many seconds have passed.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}
found=
says() { found=$("$@" 2>&1); }
fails() { ! says "$@"; }
holds() { [[ $found == *"$1"* ]]; }
is() { found=$("${@:2}" 2>&1); [ "$found" = "$1" ]; }
alice() { runuser -u alice -- "$@"; }
since=()
mark() { since=(--after-cursor "$(journalctl -u kantaibertd -n 1 -o json -q | sed 's/.*"__CURSOR":"\([^"]*\)".*/\1/')"); }
has_event() {
    found="no event $1 with ‘${2:-}’"
    journalctl -u kantaibertd -o json -q "${since[@]}" | grep "\"KB_EVENT\":\"$1\"" | grep -q -- "${2:-}"
}
apt() {
    echo "apt-get $*" >>$here/apt
    apt-get -y -q --no-install-recommends "$@" </dev/null >$here/apt.last 2>&1
    local status=$?
    cat $here/apt.last >>$here/apt
    found=$(tail -n 5 $here/apt.last)
    return $status
}
# The packages NAME… of a version: packages VERSION NAME…
packages() {
    local each
    for each in "${@:2}"; do echo /packages/"$each"_"$1"_*.deb; done
}
installed() { is "$2" dpkg-query -W -f '${Version}' "$1"; }
state_of() { systemctl show -P "$1" kantaibertd.service; }
active() { is active state_of ActiveState && is yes state_of CanStop; }
answers() { says alice kbctl fill "$fill" --json && holds token_str; }
# Prints what a user would miss: not what the service makes again from it.
possessions() { (cd $state && find corpus models -type f ! -name .checked ! -name '.packed*' -exec sha256sum {} + | sort -k 2); }
kept() {
    possessions >$here/possessions.now
    found=$(diff $here/possessions $here/possessions.now)
}
grammar() {
    awk -v seed="$1" 'BEGIN {
        srand(seed); split("fox judge baker sailor child", who); split("lamp letter river garden story", what)
        split("sees finds keeps forgets", does); split("spring autumn winter summer", when)
        for (i = 1; i <= 600; i++)
            print "the old " who[1 + int(rand() * 5)] " " does[1 + int(rand() * 4)] " a " what[1 + int(rand() * 5)] \
                " in " when[1 + int(rand() * 4)] "." (i % 5 ? "" : "\n")
    }'
}

first() {
    check "apt installs the package" apt install $(packages "$version" kantaibert)
    check "the service is started" active
    is enabled systemctl is-enabled kantaibertd.service
    check "the service is enabled" [ "$found" = enabled ]
    is enabled systemctl is-enabled kantaibertd.socket
    check "its socket is enabled" [ "$found" = enabled ]
    for program in kantaibertd kantaibert-train kantaibert-read kbctl; do
        check "$program --version" says $program --version
        check "$program has a manual page" says ls /usr/share/man/man[18]/$program.[18].gz
    done
    check "no program misses a library" fails sh -c 'ldd /usr/lib/kantaibert/* | grep "not found"'
    check "the settings are a configuration file" is " $settings $(md5sum <$settings | cut -d' ' -f1)" \
        dpkg-query -W -f '${Conffiles}\n' kantaibert
    for file in bash-completion/completions/kbctl zsh/vendor-completions/_kbctl fish/vendor_completions.d/kbctl.fish; do
        check "there is a completion $file" [ -s /usr/share/$file ]
    done
    check "the bash completion is valid" says bash -n /usr/share/bash-completion/completions/kbctl
    check "the journal explains messages" says journalctl --list-catalog b1f0c7a6d3e94a0f8c52e1745a9d0001
    found=$(for each in $(packages "$version" $all); do dpkg-deb -f "$each" Installed-Size; done | paste -sd+)
    check "all packages together are installed in at most 60 MB" [ $(((found) * 1024)) -le 60000000 ]
    useradd -m -G kantaibert alice
    check "the inbox belongs to the group" is "kantaibert kantaibert 3770" stat -c '%U %G %a' $inbox
}

train() {
    cp $here/settings.yaml $settings
    check "the settings can be reloaded" says systemctl restart kantaibertd
    grammar 1 >/home/alice/text.txt
    printf '<html><body><p>the old fox keeps a letter in winter.</p></body></html>' >/home/alice/page.html
    mark
    check "cp" says alice cp /home/alice/text.txt /home/alice/page.html $inbox/
    check "the file is admitted" within 30 has_event corpus_admitted text.txt
    check "the confined reader reads HTML" within 30 has_event corpus_admitted page.html
    check "the first model serves" within 180 has_event generation_serves '"KB_MODEL":"kantaibert"'
    check "the second model serves" within 180 has_event generation_serves '"KB_MODEL":"assistant"'
    check "it answers" answers
    check "it continues a text" says alice kbctl ask "the old" --max-new-tokens 5
}

# Starts a run that lasts until it is cancelled.
begin_run() {
    sed -i 's/^  max_steps: 60/  num_train_epochs: 100000\n  max_time: none/' $settings
    mark
    check "systemctl reload" says systemctl reload kantaibertd
    check "the settings are reloaded" within 20 has_event settings_reloaded
    mark
    check "a run is started" says kbctl train kantaibert --force
    check "it writes a checkpoint" within 60 has_event checkpoint
    possessions >$here/possessions
    md5sum <$settings >$here/settings.md5
}

# What has to be true after any change of the version, with a run under way.
still_there() {
    local wanted=$1
    check "the version is $wanted" installed kantaibert "$wanted"
    check "the service is active" within 20 active
    check "the run goes on from its checkpoint" within 90 has_event run_started '"KB_RESUMED_STEP":"[1-9]'
    check "it trains" within 60 has_event checkpoint
    check "corpora and models are kept" kept
    check "the models answer" answers
    check "the settings are kept" is "$(cat $here/settings.md5)" md5sum <$settings
    check "nothing waits for an administrator" fails ls /etc/kantaibert/*.dpkg-*
}

change() {
    mark
    check "apt upgrades during a run" apt install $(packages "$newer" kantaibert)
    still_there "$newer"
    check "there is one library" is 1 sh -c 'ls /usr/lib/kantaibert/lib*.so | wc -l'
    mark
    check "apt reinstalls during a run" apt install --reinstall $(packages "$newer" kantaibert)
    still_there "$newer"
    mark
    check "apt downgrades during a run" apt install --allow-downgrades $(packages "$version" kantaibert)
    still_there "$version"
    check "the run can be cancelled" says kbctl cancel kantaibert-2
    mark
}

python_and_page() {
    check "apt installs the Python client" apt install $(packages "$version" python3-kantaibert)
    check "Python asks a model" says alice python3 -c \
        'import kantaibert; print(kantaibert.Client().fill_mask("the old fox sees a <mask> in spring."))'
    check "Python has the answer" holds token_str
    check "apt installs the plugins for MPI" apt install $(packages "$version" kantaibert-mpi)
    check "they are beside the program that loads them" says ls /usr/lib/kantaibert/libkantaibert-mpi-{openmpi,mpich}.so
    check "apt installs the page" apt install $(packages "$version" kantaibert-web)
    is disabled systemctl is-enabled kantaibert-web.socket
    check "the page is not enabled" [ "$found" = disabled ]
    check "apt says how to enable it" grep -q 'systemctl enable --now kantaibert-web.socket' $here/apt.last
    check "the page can be enabled" says systemctl enable --now kantaibert-web.socket
    page() { says python3 -c 'import urllib.request as u; print(u.urlopen("http://127.0.0.1:8460/health").read())' && holds '"ok"'; }
    check "the page reaches the service" within 20 page
    check "apt upgrades all packages together" apt install $(packages "$newer" $all)
    is enabled systemctl is-enabled kantaibert-web.socket
    check "the page is still enabled" [ "$found" = enabled ]
    check "the page still answers" within 20 page
    check "apt downgrades all packages together" \
        apt install --allow-downgrades $(packages "$version" $all)
    check "the page answers after that" within 20 page
    check "apt refuses the page of another version" fails apt install $(packages "$newer" kantaibert-web)
}

# A database that a version with more tables has changed.
newer_database() {
    possessions >$here/possessions
    systemctl stop kantaibertd.socket kantaibertd.service
    says python3 -c "
import sqlite3
database = sqlite3.connect('$state/metrics.db')
database.execute('INSERT INTO grdb_migrations VALUES (?)', ('99 a table of a later version',))
database.commit()"
    check "a later version changes the database" [ -z "$found" ]
    systemctl start kantaibertd.socket kantaibertd.service
    check "the earlier version starts" within 20 active
    check "the later version's database is kept" says ls $state/metrics.db.newer-*
    check "corpora and models are kept" kept
    check "the models answer" answers
}

removal() {
    check "apt removes the packages" apt remove $all
    check "the service is stopped" fails systemctl is-active kantaibertd.service
    check "no process is left" is '' find /proc -maxdepth 1 -user kantaibert
    check "the programs are gone" fails ls /usr/lib/kantaibert
    check "corpora and models are kept" kept
    check "apt installs the package again" apt install $(packages "$version" kantaibert)
    check "the service is active" active
    check "the models answer" answers

    check "apt purges the packages" apt purge kantaibert kantaibert-web
    check "it says that corpora and models are kept" grep -q "$state is kept" $here/apt.last
    check "corpora and models are kept by the purge" kept
    check "the settings are gone" fails ls /etc/kantaibert
    check "the page's token is gone" fails ls /var/lib/kantaibert-web
    check "the socket is gone" fails ls /run/kantaibert/io.kantaibert
    check "no unit is enabled" fails sh -c 'find /etc/systemd /var/lib/systemd -name "*kantaibert*" | grep .'
    check "apt installs the package after the purge" apt install $(packages "$version" kantaibert)
    check "everything is found again" kept
    check "the models answer after the purge" answers
}

# A purge of an installation that nobody has used leaves nothing.
unused() {
    apt purge kantaibert
    rm -rf $state
    check "apt installs the package anew" apt install $(packages "$version" kantaibert)
    check "the service is active" active
    check "apt purges it" apt purge kantaibert
    check "the state directory is gone" fails ls -d $state
    # A member's link is not followed, and a member's file is kept.
    apt install $(packages "$version" kantaibert)
    systemctl stop kantaibertd.socket kantaibertd.service
    mkdir /precious
    echo here >/precious/file
    alice ln -s /precious $inbox/link
    alice sh -c "echo hers >$inbox/hers.txt"
    check "apt purges it with a file in the inbox" apt purge kantaibert
    check "the file is kept" is hers cat $inbox/hers.txt
    check "what a member's link points to is kept" is here cat /precious/file
}

finish() {
    journalctl -o short-monotonic --no-pager >$here/journal
    sync
    systemctl poweroff
}
trap finish EXIT
first
train
begin_run
change
python_and_page
newer_database
removal
unused
if grep -q '^not ok' $here/results; then echo "some checks failed"; else echo "all checks passed"; fi
