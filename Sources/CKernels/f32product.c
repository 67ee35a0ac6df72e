// Matrix products in float32, for CPUs with AVX-512; `f32avx2.c` has those for AVX2.
#include "CKernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define TARGET __attribute__((target("avx512f")))
#define NAME(x) kb_f32_##x##_avx512
enum { STEPS = 1 };

TARGET static inline __m512i load_row(const float *x, long left) {
    return _mm512_maskz_loadu_epi32(left >= 16 ? 0xFFFF : (__mmask16)((1u << left) - 1), x);
}

TARGET static inline __m512i load_column(const float *x, long stride, long left, __mmask16 mask) {
    return _mm512_maskz_loadu_epi32(mask, x);
}

TARGET static inline __m512 multiply_add(__m512 sum, __m512i left, __m512i right) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(left), _mm512_castsi512_ps(right), sum);
}

#include "packedproduct.h"

void kb_f32_pack_left(uint32_t *packed, const float *x, long stride, long count, long k, int k_along_row) {
    if (kb_has_avx512())
        kb_f32_pack_avx512(packed, x, stride, count, k, k_along_row);
    else
        kb_f32_pack_left_avx2(packed, x, stride, count, k, k_along_row);
}

void kb_f32_pack_right(uint32_t *packed, const float *x, long stride, long count, long k, int k_along_row) {
    if (kb_has_avx512())
        kb_f32_pack_avx512(packed, x, stride, count, k, k_along_row);
    else
        kb_f32_pack_right_avx2(packed, x, stride, count, k, k_along_row);
}

void kb_f32_product(float *c, long stride, long m, long n, long k, const uint32_t *a, const uint32_t *b, int add) {
    if (kb_has_avx512())
        kb_f32_product_avx512(c, stride, m, n, k, a, b, add);
    else
        kb_f32_product_avx2(c, stride, m, n, k, a, b, add);
}
#else
void kb_f32_pack_left(uint32_t *packed, const float *x, long stride, long count, long k, int k_along_row) {
    __builtin_trap();
}
void kb_f32_pack_right(uint32_t *packed, const float *x, long stride, long count, long k, int k_along_row) {
    __builtin_trap();
}
void kb_f32_product(float *c, long stride, long m, long n, long k, const uint32_t *a, const uint32_t *b, int add) {
    __builtin_trap();
}
#endif
