// Rows times bfloat16 weights, with float32 accumulation.
#include "levels.h"

KB_INLINE uint32_t bits(float x) {
    union { float f; uint32_t u; } v = {x};
    return v.u;
}

KB_INLINE float number(uint32_t u) {
    union { uint32_t u; float f; } v = {u};
    return v.f;
}

// Rounds to nearest, ties to even; NaN stays NaN.
KB_INLINE uint32_t rounded(float x) {
    uint32_t u = bits(x);
    uint32_t nearest = (u + 0x7FFF + ((u >> 16) & 1)) >> 16;
    return x != x ? (u >> 16) | 0x40 : nearest;
}

KB_LEVELS(void, kb_bf16_round, (uint16_t *y, const float *x, long n), (y, x, n)) {
    for (long i = 0; i < n; i++) y[i] = (uint16_t)rounded(x[i]);
}

KB_LEVELS(void, kb_bf16_round_floats, (float *x, long n), (x, n)) {
    for (long i = 0; i < n; i++) x[i] = number(rounded(x[i]) << 16);
}

KB_LEVELS(void, kb_bf16_expand,
          (uint32_t *expanded, const uint32_t *packed, long strips, long k),
          (expanded, packed, strips, k)) {
    long length = (k + 1) / 2;
    for (long s = 0; s < strips; s++) {
        const uint32_t *from = packed + 16 * length * s;
        uint32_t *to = expanded + 16 * k * s;
        for (long p = 0; 2 * p < k; p++) {
            for (long i = 0; i < 16; i++) to[32 * p + i] = from[16 * p + i] << 16;
            if (2 * p + 1 == k) break;
            for (long i = 0; i < 16; i++) to[32 * p + 16 + i] = from[16 * p + i] & 0xFFFF0000;
        }
    }
}

KB_LEVELS(void, kb_bf16_pack_weights,
          (uint32_t *packed, const float *x, long stride, long count, long k),
          (packed, x, stride, count, k)) {
    for (long p = 0; 2 * p < k; p++)
        for (long i = 0; i < 16; i++) {
            const float *at = x + i * stride + 2 * p;
            uint32_t low = i < count ? rounded(at[0]) : 0, high = i < count && 2 * p + 1 < k ? rounded(at[1]) : 0;
            packed[16 * p + i] = high << 16 | low;
        }
}

// `rows` rows × one strip, of which `columns` are stored. Inlined for constant `rows`, so that sums stay in registers.
KB_INLINE void multiply_strip(float *y, long y_stride, int rows, long columns, long length, const uint32_t *x,
                              const uint32_t *w) {
    float sum[4][16] = {0};
    for (long p = 0; p < length; p++) {
        float even[16], odd[16];
        for (int i = 0; i < 16; i++) {
            even[i] = number(w[16 * p + i] << 16);
            odd[i] = number(w[16 * p + i] & 0xFFFF0000);
        }
        for (int row = 0; row < rows; row++) {
            uint32_t pair = x[row * length + p];
            float low = number(pair << 16), high = number(pair & 0xFFFF0000);
            for (int i = 0; i < 16; i++) sum[row][i] += low * even[i];
            for (int i = 0; i < 16; i++) sum[row][i] += high * odd[i];
        }
    }
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < 16 && i < columns; i++) y[row * y_stride + i] = sum[row][i];
}

KB_LEVELS(void, kb_bf16_rows_portable,
          (float *y, long y_stride, long rows, long n, long k, const uint32_t *x, const uint32_t *w),
          (y, y_stride, rows, n, k, x, w)) {
    long length = (k + 1) / 2;
    for (long j = 0; j < n; j += 16, w += 16 * length) {
        long row = 0;
        for (; row + 4 <= rows; row += 4)
            multiply_strip(y + row * y_stride + j, y_stride, 4, n - j, length, x + row * length, w);
        for (; row < rows; row++)
            multiply_strip(y + row * y_stride + j, y_stride, 1, n - j, length, x + row * length, w);
    }
}

#if defined(__x86_64__)
#include <immintrin.h>
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#define SUM __m512
#define ZERO _mm512_setzero_ps
#define CONTEXT void

TARGET static inline __m512 multiply_add(__m512 sum, __m512i row, __m512i weight) {
    return _mm512_dpbf16_ps(sum, (__m512bh)row, (__m512bh)weight);
}

TARGET static inline __m512 finish(__m512 sum, long row, long strip, const void *context) { return sum; }

#include "rowproduct.h"

TARGET void kb_bf16_rows(float *y, long y_stride, long rows, long n, long k, const uint32_t *x, const uint32_t *w) {
    long length = (k + 1) / 2;
    multiply_rows(y, y_stride, rows, n, length, x, length, w, 0);
}
#else
void kb_bf16_rows(float *y, long y_stride, long rows, long n, long k, const uint32_t *x, const uint32_t *w) {
    kb_bf16_rows_portable(y, y_stride, rows, n, k, x, w);
}
#endif
