#!/bin/sh
# Usage: fuzz.sh SECONDS [TARGET…]
# Builds kb-fuzz with libFuzzer and fuzzes each target for SECONDS. Interesting inputs are kept in
# .build/fuzz/corpus/TARGET for the next run. An input that crashes a target is written to .build/fuzz/found/TARGET, and the
# script fails. After fixing the cause, add the input to Tests/FuzzingTests/Fixtures/TARGET.
set -eu
seconds=$1
shift
swift=${SWIFT:-swift}
resources=$($swift -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')
KANTAIBERT_LIBFUZZER=$resources/clang/lib/linux/libclang_rt.fuzzer_no_main-$(uname -m).a
export KANTAIBERT_LIBFUZZER
[ -f "$KANTAIBERT_LIBFUZZER" ] || { echo "libFuzzer not found: $KANTAIBERT_LIBFUZZER" >&2; exit 69; }
home=.build/fuzz
$swift build -c release --no-color-diagnostics --scratch-path $home --product kb-fuzz
program=$home/release/kb-fuzz

# Leave crashes to libFuzzer, which saves the input.
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
    echo "$target: ${executions:-unknown} executions, $(ls "$home/corpus/$target" | wc -l) inputs in the corpus"
    if [ $status -ne 0 ]; then
        failed="$failed $target"
        grep -E 'Fatal error|SUMMARY|Test unit written' "$home/logs/$target" >&2 || tail -5 "$home/logs/$target" >&2
    fi
done
[ -z "$failed" ] || { echo "findings in:$failed; see $home/found and $home/logs" >&2; exit 1; }
