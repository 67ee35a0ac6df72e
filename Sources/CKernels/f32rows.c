// Rows times float32 weights.
#include "levels.h"

void kb_f32_pack_weights(float *packed, const float *x, long stride, long count, long k) {
    for (long p = 0; p < k; p++)
        for (long i = 0; i < 16; i++) packed[16 * p + i] = i < count ? x[i * stride + p] : 0;
}

KB_LEVELS(void, kb_f32_rows_portable,
          (float *y, long y_stride, long rows, long n, long k, const float *x, long x_stride, const float *w),
          (y, y_stride, rows, n, k, x, x_stride, w)) {
    for (long j = 0; j < n; j += 16, w += 16 * k)
        for (long row = 0; row < rows; row++) {
            float sum[16] = {0};
            for (long p = 0; p < k; p++) {
                float value = x[row * x_stride + p];
                for (int i = 0; i < 16; i++) sum[i] += value * w[16 * p + i];
            }
            for (int i = 0; i < 16 && j + i < n; i++) y[row * y_stride + j + i] = sum[i];
        }
}

#if defined(__x86_64__)
#include <immintrin.h>
#define TARGET __attribute__((target("avx512f")))
#define SUM __m512
#define ZERO _mm512_setzero_ps
#define CONTEXT void

TARGET static inline __m512 multiply_add(__m512 sum, __m512i row, __m512i weight) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(row), _mm512_castsi512_ps(weight), sum);
}

TARGET static inline __m512 finish(__m512 sum, long row, long strip, const void *context) { return sum; }

#include "rowproduct.h"

TARGET static void rows_avx512(float *y, long y_stride, long rows, long n, long k, const float *x, long x_stride,
                               const float *w) {
    multiply_rows(y, y_stride, rows, n, k, (const uint32_t *)x, x_stride, (const uint32_t *)w, 0);
}

void kb_f32_rows(float *y, long y_stride, long rows, long n, long k, const float *x, long x_stride, const float *w) {
    if (kb_has_avx512())
        rows_avx512(y, y_stride, rows, n, k, x, x_stride, w);
    else
        kb_f32_rows_avx2(y, y_stride, rows, n, k, x, x_stride, w);
}
#else
void kb_f32_rows(float *y, long y_stride, long rows, long n, long k, const float *x, long x_stride, const float *w) {
    kb_f32_rows_portable(y, y_stride, rows, n, k, x, x_stride, w);
}
#endif
