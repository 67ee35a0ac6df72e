// Matrix products of bfloat16 operands with float32 accumulation, for CPUs with AVX512_BF16.
#include "CKernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#define NAME(x) kb_bf16_##x
enum { STEPS = 2 };

// Converts to 32 bfloat16 values: those of `low`, followed by those of `high`.
TARGET static inline __m512i pairs(__m512 low, __m512 high) { return (__m512i)_mm512_cvtne2ps_pbh(high, low); }

TARGET static inline __m512i load_row(const float *x, long left) {
    __mmask16 low = left >= 16 ? 0xFFFF : (__mmask16)((1u << left) - 1);
    __mmask16 high = left >= 32 ? 0xFFFF : left > 16 ? (__mmask16)((1u << (left - 16)) - 1) : 0;
    return pairs(_mm512_maskz_loadu_ps(low, x), _mm512_maskz_loadu_ps(high, x + 16));
}

TARGET static inline __m512i load_column(const float *x, long stride, long left, __mmask16 mask) {
    const __m512i interleave =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3,
                         18, 2, 17, 1, 16, 0);
    __m512 odd = left > 1 ? _mm512_maskz_loadu_ps(mask, x + stride) : _mm512_setzero_ps();
    return _mm512_permutexvar_epi16(interleave, pairs(_mm512_maskz_loadu_ps(mask, x), odd));
}

TARGET static inline __m512 multiply_add(__m512 sum, __m512i left, __m512i right) {
    return _mm512_dpbf16_ps(sum, (__m512bh)left, (__m512bh)right);
}

#include "packedproduct.h"
#else
void kb_bf16_pack(uint32_t *packed, const float *x, long stride, long count, long k, int k_along_row) {
    __builtin_trap();
}
void kb_bf16_product(float *c, long stride, long m, long n, long k, const uint32_t *a, const uint32_t *b, int add) {
    __builtin_trap();
}
#endif
