#!/bin/sh
# Trains a small model on three hosts, which are network namespaces joined by a bridge, over Open MPI and MPICH: run.sh BUILD
# Compares the published bytes with those of one process, kills a rank, and resumes on other hosts. RATE=1gbit limits the
# network. Skipped unless it runs as root, with iproute2 and an MPI implementation.
set -eu
build=$(readlink -f "$1")
skip() { echo "skipped the cluster test: $1"; exit 0; }
[ "$(id -u)" = 0 ] || skip "it needs root to create network namespaces"
command -v ip >/dev/null && command -v unshare >/dev/null || skip "iproute2 or util-linux is missing"
program=$build/kantaibert-train
[ -x "$program" ] || { echo "$program is not built" >&2; exit 1; }
work=$(mktemp -d /tmp/kantaibert-cluster-XXXXXX)
name=kb$$
hosts="1 2 3"
cleanup() {
    for host in $hosts; do
        ip netns pids "$name-$host" 2>/dev/null | xargs -r kill -9 2>/dev/null || true
        ip netns del "$name-$host" 2>/dev/null || true
    done
    ip link del "$name" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

ip link add "$name" type bridge 2>/dev/null || skip "this kernel has no bridges"
ip link set "$name" up
for host in $hosts; do
    ip netns add "$name-$host"
    ip link add "$name.$host" type veth peer name eth0 netns "$name-$host"
    ip link set "$name.$host" master "$name" up
    ip -n "$name-$host" addr add "10.77.0.$host/24" dev eth0
    ip -n "$name-$host" link set eth0 up
    ip -n "$name-$host" link set lo up
    if [ -n "${RATE:-}" ]; then
        ip netns exec "$name-$host" tc qdisc add dev eth0 root tbf rate "$RATE" burst 4mb latency 100ms
    fi
done

# Runs a command on a host as ssh does: on HOST WORDS…
cat >"$work/on" <<END
#!/bin/sh
while :; do case "\$1" in -*) shift ;; *) break ;; esac; done
host=\${1##*.}
shift
exec ip netns exec "$name-\$host" unshare --uts sh -c "hostname host\$host; \$*"
END
chmod 755 "$work/on"

# The programs are copied so that each host could have its own.
mkdir "$work/bin"
cp "$program" "$work/bin/"
for library in "$build"/libkantaibert-*.so; do [ ! -e "$library" ] || cp "$library" "$work/bin/"; done

i=0
while [ $i -lt 1200 ]; do
    echo "reason number $((i * 7919 % 1009)) presupposes the understanding of $((i * 104729 % 997)) concepts"
    [ $((i % 3)) != 2 ] || echo
    i=$((i + 1))
done >"$work/corpus.txt"
sha=$(sha256sum "$work/corpus.txt" | cut -d' ' -f1)
steps=${STEPS:-60}
architecture='{"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 256,
  "max_position_embeddings": 130, "vocab_size": 500, "initializer_range": 0.02, "layer_norm_eps": 1e-12,
  "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}'
architecture=${ARCHITECTURE:-$architecture}
job() {
    rm -rf "$work/run" "$work/models"
    cat >"$work/job.json" <<END
{"run": "cluster-1", "model": "cluster", "generation": 1, "objective": "clm",
 "architecture": $architecture,
 "recipe": {"learning_rate": 0.003, "warmup_ratio": 0.05, "weight_decay": 0.1, "optimizer": "muon", "num_train_epochs": 1000,
            "max_steps": $steps, "per_device_train_batch_size": ${BATCH:-12}, "precision": "float32", "save_steps": 5,
            "eval_steps": 20, "logical_workers": ${WORKERS:-6}, "load_best_model_at_end": false},
 "corpora": [{"sha256": "$sha", "name": "corpus.txt", "path": "$work/corpus.txt", "bytes": $(stat -c %s "$work/corpus.txt")}],
 "samples": "paragraphs", "filters": [], "run_directory": "$work/run", "output_directory": "$work/models/1"}
END
}
digest() { sha256sum "$work/models/1/model.safetensors" | cut -d' ' -f1; }
export KANTAIBERT_THREADS=1

job
KANTAIBERT_MPI=none "$work/bin/kantaibert-train" run "$work/job.json" </dev/null >"$work/alone.log"
alone=$(digest)
echo "one process: $alone"

# launch IMPLEMENTATION HOSTS…
launch() {
    implementation=$1
    shift
    list=$(for host; do printf '10.77.0.%s,' "$host"; done)
    list=${list%,}
    case $implementation in
    openmpi)
        set -- --allow-run-as-root --bind-to none --mca plm_rsh_agent "$work/on" --mca btl tcp,self \
            --mca btl_tcp_if_include eth0 --mca oob_tcp_if_include eth0 -x KANTAIBERT_THREADS --host "$list" -np $#
        ;;
    mpich)
        # UCX would find that the hosts are one machine, and use its memory.
        set -- -launcher ssh -launcher-exec "$work/on" -iface eth0 -bind-to none -genv UCX_TLS tcp,self \
            -hosts "$list" -np $#
        ;;
    esac
    "$work/on" 10.77.0.1 exec mpirun.$implementation "$@" "$work/bin/kantaibert-train" run "$work/job.json" </dev/null
}
newest() { ls "$work/run" 2>/dev/null | sed -n 's/^checkpoint-//p' | sort -n | tail -1; }
check() {
    found=$(digest)
    [ "$found" = "$alone" ] || { echo "$1: $found, expected $alone" >&2; exit 1; }
    echo "$1: the same bytes"
}

tested=0
for implementation in openmpi mpich; do
    if ! command -v mpirun.$implementation >/dev/null || [ ! -e "$work/bin/libkantaibert-mpi-$implementation.so" ]; then
        echo "left out $implementation: mpirun.$implementation or its plugin is missing"
        continue
    fi
    tested=1
    for set in "1 2" "1 2 3"; do
        job
        launch $implementation $set >"$work/events" 2>"$work/errors" || { cat "$work/errors" >&2; exit 1; }
        check "$implementation on hosts $set"
        grep '"kind":"ranks_joined"\|"kind":"communication"' "$work/events" | sed 's/^/    /'
    done
    job
    launch $implementation 1 2 3 >"$work/events" 2>"$work/errors" &
    launcher=$!
    while kill -0 $launcher 2>/dev/null && [ "$(newest)" = "" ]; do sleep 0.01; done
    kill -9 $(ip netns pids "$name-2" | while read -r process; do
        [ "$(readlink "/proc/$process/exe")" != "$work/bin/kantaibert-train" ] || echo "$process"
    done)
    if wait $launcher; then echo "$implementation: the run went on after a rank was killed" >&2; exit 1; fi
    echo "$implementation: a rank on host 2 was killed after step $(newest), and all ended"
    launch $implementation 1 3 >"$work/events" 2>"$work/errors" || { cat "$work/errors" >&2; exit 1; }
    check "$implementation, resumed on hosts 1 3"
done
[ $tested = 1 ] || skip "neither Open MPI nor MPICH has a plugin in $build"
