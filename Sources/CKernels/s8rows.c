// Rows times int8 weights: y = (Σ (u − 128)·s) · x_scale · w_scale, where u are the row's values as unsigned bytes.
#include "CKernels.h"
#include "clones.h"
#include <math.h>

KB_INLINE float largest_magnitude(const float *x, long n) {
    float lanes[KB_LANES] = {0};
    long i = 0;
    for (; i + KB_LANES <= n; i += KB_LANES)
        for (int j = 0; j < KB_LANES; j++) lanes[j] = fabsf(x[i + j]) > lanes[j] ? fabsf(x[i + j]) : lanes[j];
    for (; i < n; i++) lanes[0] = fabsf(x[i]) > lanes[0] ? fabsf(x[i]) : lanes[0];
    for (int j = 1; j < KB_LANES; j++) lanes[0] = lanes[j] > lanes[0] ? lanes[j] : lanes[0];
    return lanes[0];
}

// Returns 0, or NaN if any of x is infinite or NaN.
KB_INLINE float poison(const float *x, long n) {
#pragma clang fp reassociate(on)
    float sum = 0;
    for (long i = 0; i < n; i++) sum += x[i] * 0.0f;
    return sum;
}

KB_CLONES void kb_s8_quantize_row(uint8_t *y, float *scale, const float *x, long n) {
    float largest = largest_magnitude(x, n), bad = poison(x, n);
    float inverse = largest > 0 && bad == 0 ? 127.0f / largest : 0;
    *scale = largest / 127.0f + bad;
    for (long i = 0; i < n; i++) y[i] = (uint8_t)(int)(rintf(bad == 0 ? x[i] * inverse : 0) + 128.0f);
    for (long i = n; i % 4; i++) y[i] = 128;
}

KB_CLONES void kb_s8_pack_weights(uint32_t *packed, float *scales, int32_t *sums, const float *x, long stride,
                                  long count, long k) {
    int8_t *bytes = (int8_t *)packed;
    long length = (k + 3) / 4;
    for (long i = 0; i < 16; i++) {
        const float *row = x + i * stride;
        float largest = i < count ? largest_magnitude(row, k) : 0, bad = i < count ? poison(row, k) : 0;
        float inverse = largest > 0 && bad == 0 ? 127.0f / largest : 0;
        int32_t sum = 0;
        for (long p = 0; p < 4 * length; p++) {
            int8_t value = i < count && p < k && bad == 0 ? (int8_t)(int)rintf(row[p] * inverse) : 0;
            bytes[(p / 4) * 64 + 4 * i + p % 4] = value;
            sum += value;
        }
        scales[i] = largest / 127.0f + bad;
        sums[i] = 128 * sum;
    }
}

KB_CLONES void kb_s8_rows_portable(float *y, long y_stride, long rows, long n, long k, const uint32_t *x,
                                   const float *x_scales, const uint32_t *w, const float *w_scales,
                                   const int32_t *w_sums) {
    long length = (k + 3) / 4;
    for (long j = 0; j < n; j += 16, w += 16 * length)
        for (long row = 0; row < rows; row++) {
            int32_t sum[16] = {0};
            for (long p = 0; p < length; p++) {
                uint32_t quad = x[row * length + p];
                for (int i = 0; i < 16; i++) {
                    uint32_t s = w[16 * p + i];
                    sum[i] += (int32_t)(quad & 255) * (int8_t)s + (int32_t)(quad >> 8 & 255) * (int8_t)(s >> 8) +
                              (int32_t)(quad >> 16 & 255) * (int8_t)(s >> 16) + (int32_t)(quad >> 24) * (int8_t)(s >> 24);
                }
            }
            for (int i = 0; i < 16 && j + i < n; i++)
                y[row * y_stride + j + i] = (float)(sum[i] - w_sums[j + i]) * (x_scales[row] * w_scales[j + i]);
        }
}

#if defined(__x86_64__)
#include <immintrin.h>
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define SUM __m512i
#define ZERO _mm512_setzero_si512

typedef struct {
    const float *x_scales, *w_scales;
    const int32_t *w_sums;
} scaling;
#define CONTEXT scaling

int kb_has_vnni(void) { return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw"); }

TARGET static inline __m512i multiply_add(__m512i sum, __m512i row, __m512i weight) {
    return _mm512_dpbusd_epi32(sum, row, weight);
}

TARGET static inline __m512 finish(__m512i sum, long row, long strip, const scaling *context) {
    __m512i exact = _mm512_sub_epi32(sum, _mm512_loadu_si512(context->w_sums + 16 * strip));
    __m512 scale = _mm512_mul_ps(_mm512_set1_ps(context->x_scales[row]), _mm512_loadu_ps(context->w_scales + 16 * strip));
    return _mm512_mul_ps(_mm512_cvtepi32_ps(exact), scale);
}

#include "rowproduct.h"

TARGET void kb_s8_rows(float *y, long y_stride, long rows, long n, long k, const uint32_t *x, const float *x_scales,
                       const uint32_t *w, const float *w_scales, const int32_t *w_sums) {
    scaling context = {x_scales, w_scales, w_sums};
    long length = (k + 3) / 4;
    multiply_rows(y, y_stride, rows, n, length, x, length, w, &context);
}
#else
int kb_has_vnni(void) { return 0; }
void kb_s8_rows(float *y, long y_stride, long rows, long n, long k, const uint32_t *x, const float *x_scales,
                const uint32_t *w, const float *w_scales, const int32_t *w_sums) {
    kb_s8_rows_portable(y, y_stride, rows, n, k, x, x_scales, w, w_scales, w_sums);
}
#endif
