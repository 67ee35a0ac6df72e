#!/bin/sh
# fuzz.sh SECONDS [TARGET…]: builds kb-fuzz with libFuzzer and tries each target for so many seconds. What it learns is kept
# in .build/fuzz/corpus/TARGET for the next time; an input that ends a target is left in .build/fuzz/found/TARGET, and the
# script fails. Mended, such an input belongs into Tests/FuzzingTests/Fixtures/TARGET.
set -eu
seconds=$1
shift
swift=${SWIFT:-swift}
resources=$($swift -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')
KANTAIBERT_LIBFUZZER=$resources/clang/lib/linux/libclang_rt.fuzzer_no_main-$(uname -m).a
export KANTAIBERT_LIBFUZZER
[ -f "$KANTAIBERT_LIBFUZZER" ] || { echo "no libFuzzer at $KANTAIBERT_LIBFUZZER" >&2; exit 69; }
home=.build/fuzz
$swift build -c release --scratch-path $home --product kb-fuzz
program=$home/release/kb-fuzz

# A crash is libFuzzer's to report, which keeps the input.
export SWIFT_BACKTRACE=enable=no
mkdir -p $home/seeds $home/logs
$program --seeds $home/seeds
[ $# -gt 0 ] || set -- $($program --list)
failed=
for target; do
    mkdir -p "$home/corpus/$target" "$home/found/$target"
    status=0
    KB_FUZZ_TARGET=$target $program "$home/corpus/$target" "$home/seeds/$target" \
        -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$home/found/$target/" >"$home/logs/$target" 2>&1 || status=$?
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$home/logs/$target")
    echo "$target: ${executions:-unknown} executions, $(ls "$home/corpus/$target" | wc -l) inputs kept"
    if [ $status -ne 0 ]; then
        failed="$failed $target"
        grep -E 'Fatal error|SUMMARY|Test unit written' "$home/logs/$target" >&2 || tail -5 "$home/logs/$target" >&2
    fi
done
[ -z "$failed" ] || { echo "found something:$failed; see $home/found and $home/logs" >&2; exit 1; }
