#!/bin/sh
# Compiles Sources/CKernels for 64-bit ARM and runs its functions in an emulator. Compares each with its formula in
# double precision, and what must not depend on the CPU with the results of this machine: see kernels.c.
#
# Skips with a reason if the compiler, the cross libraries or the emulator are missing and cannot be installed.
set -eu
cd "$(dirname "$0")/../.."
kernels=Sources/CKernels
skip() {
    echo "skipped the kernels' tests on ARM: $*"
    exit 0
}
fail() {
    echo "kernels on ARM: $*" >&2
    exit 1
}

clang=${CLANG:-$(command -v clang || true)}
# Swift's toolchain contains clang.
[ -n "$clang" ] || clang=$(dirname "$(realpath "$(command -v "${SWIFT:-swift}" || echo /swift)")")/clang
command -v "$clang" >/dev/null || skip "no clang"
emulator() { command -v qemu-aarch64-static || command -v qemu-aarch64; }
is_complete() {
    emulator >/dev/null && command -v aarch64-linux-gnu-gcc >/dev/null && [ -d /usr/aarch64-linux-gnu/include ]
}
packages="qemu-user-static gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
if ! is_complete; then
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || skip "needs the Debian packages $packages"
    # shellcheck disable=SC2086 # each word is a package
    sh .ci/packages $packages && is_complete || skip "$packages cannot be installed"
fi

# Queries of the CPU, which return int, are not listed.
absent=
for function in $(sed -nE 's/^(void|float|double|long) (kb_[a-z0-9_]*)\(.*/\2/p' $kernels/include/CKernels.h); do
    case $function in
    kb_*_pack | kb_*_pack_left | kb_*_pack_right | kb_*_product | kb_*_avx2) absent="$absent $function" ;;
    *) grep -qw "$function" Tests/ARM/kernels.c || fail "Tests/ARM/kernels.c does not test $function" ;;
    esac
done
# The flags that Package.swift compiles the kernels with.
flags=$(sed -n '/name: "CKernels"/,/\])/s/.*unsafeFlags(\[\(.*\)\]).*/\1/p' Package.swift | tr -d '",')
[ -n "$flags" ] || fail "Package.swift has no flags of CKernels"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
warnings="-Wall -Wextra -Werror -Wno-unused-parameter"
# compile DIRECTORY FLAG…
compile() {
    directory=$work/$1
    shift
    mkdir "$directory"
    for file in "$kernels"/*.c; do
        # shellcheck disable=SC2086 # each word is a flag
        "$clang" "$@" $flags $warnings -I$kernels/include -c "$file" -o "$directory/$(basename "$file" .c).o"
    done
    # shellcheck disable=SC2086
    "$clang" "$@" -O1 -ffp-contract=off $warnings -I$kernels/include -c Tests/ARM/kernels.c -o "$directory/main.o"
}
compile arm --target=aarch64-linux-gnu -isystem /usr/aarch64-linux-gnu/include
aarch64-linux-gnu-gcc -static -o "$work/arm/kernels" "$work"/arm/*.o -lm
compile here
"$clang" -o "$work/here/kernels" "$work"/here/*.o -lm

status=0
"$(emulator)" "$work/arm/kernels" >"$work/arm/results" || status=$?
grep -v '^exact' "$work/arm/results" || true
[ $status -eq 0 ] || fail "failed with status $status"
"$work/here/kernels" >"$work/here/results" || {
    grep '^FAIL' "$work/here/results" >&2
    fail "the same tests failed on this machine"
}

# Without fused multiply-add, a product and its sum are rounded twice, which exponentials depend on.
different=none
[ "$(uname -m)" != x86_64 ] || grep -qw fma /proc/cpuinfo || different='^exact kb_exp'
for machine in arm here; do
    grep '^exact' "$work/$machine/results" | grep -v "$different" >"$work/$machine/exact"
done
diff "$work/arm/exact" "$work/here/exact" || fail "results differ from this machine's (>)"
echo "for x86-64 only:$absent"
echo "kernels on ARM: all tests passed; bit for bit the results of this machine:"
sed 's/^exact \(.*\) .*/    \1/' "$work/arm/exact"
