// Loops of multiply-add instructions whose operands stay in registers, to measure the rate of the instructions alone.
#include "CKernels.h"

// Vectors that accumulate independently: more than the latency of an instruction times the number issued per cycle
// (4 × 2 to 6 × 2), and few enough to fit beside the operands into 16 registers.
enum { SUMS = 12 };

// Defines `long NAME(long rounds)`, which returns the number of operations done. Starting values differ, because equal
// sums would be computed once. The assembly statements hide the operands' values, and use the sums.
#define RATE_LOOP(NAME, TARGET, VECTOR, START, OPERAND, MULTIPLY_ADD, OPERATIONS)                                      \
    TARGET long NAME(long rounds) {                                                                                    \
        VECTOR sums[SUMS], left = OPERAND, right = OPERAND;                                                            \
        __asm__ volatile("" : "+m"(left), "+m"(right));                                                                \
        for (int i = 0; i < SUMS; i++) sums[i] = START(i);                                                             \
        for (long round = 0; round < rounds; round++)                                                                  \
            for (int i = 0; i < SUMS; i++) sums[i] = MULTIPLY_ADD(sums[i], left, right);                               \
        __asm__ volatile("" : : "m"(sums));                                                                            \
        return rounds * SUMS * (OPERATIONS);                                                                           \
    }

// Small enough that sums stay finite, and large enough that they are normal numbers.
#define FACTOR 0x1p-7f

// Four elements: a register of every 64-bit CPU. A product and a sum where there is no fused multiply-add. The sum is a
// factor, because the product of the operands would be computed before the loop.
typedef float four __attribute__((vector_size(16)));
#define FOUR(x) ((four){x, x, x, x})
#define FOUR_MULTIPLY_ADD(sum, left, right) ((sum) * (left) + (right))
RATE_LOOP(f32_rate_portable, static, four, FOUR, FOUR(FACTOR), FOUR_MULTIPLY_ADD, 2 * 4)

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx512f")))
#define BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

#define AVX2_MULTIPLY_ADD(sum, left, right) _mm256_fmadd_ps(left, right, sum)
RATE_LOOP(f32_rate_avx2, AVX2 static, __m256, _mm256_set1_ps, _mm256_set1_ps(FACTOR), AVX2_MULTIPLY_ADD, 2 * 8)

#define AVX512_MULTIPLY_ADD(sum, left, right) _mm512_fmadd_ps(left, right, sum)
RATE_LOOP(f32_rate_avx512, AVX512 static, __m512, _mm512_set1_ps, _mm512_set1_ps(FACTOR), AVX512_MULTIPLY_ADD, 2 * 16)

// Both halves of every 32-bit word are FACTOR in bfloat16.
#define BF16_OPERAND ((__m512bh)_mm512_set1_epi32(0x3C003C00))
RATE_LOOP(bf16_rate, BF16 static, __m512, _mm512_set1_ps, BF16_OPERAND, _mm512_dpbf16_ps, 2 * 32)

RATE_LOOP(s8_rate, VNNI static, __m512i, _mm512_set1_epi32, _mm512_set1_epi8(1), _mm512_dpbusd_epi32, 2 * 64)

long kb_f32_rate_loop(long rounds) {
    return kb_has_avx512() ? f32_rate_avx512(rounds) : kb_has_avx2() ? f32_rate_avx2(rounds) : f32_rate_portable(rounds);
}

long kb_bf16_rate_loop(long rounds) { return kb_has_bf16() ? bf16_rate(rounds) : 0; }

long kb_s8_rate_loop(long rounds) { return kb_has_vnni() ? s8_rate(rounds) : 0; }
#else
long kb_f32_rate_loop(long rounds) { return f32_rate_portable(rounds); }
long kb_bf16_rate_loop(long rounds) { return 0; }
long kb_s8_rate_loop(long rounds) { return 0; }
#endif
