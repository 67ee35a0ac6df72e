// Rows times int8 weights: y = (Σ (u − 128)·s) · x_scale · w_scale, where u are the row's values as unsigned bytes.
#include "levels.h"
#include <math.h>
#include <string.h>

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

KB_LEVELS(void, kb_s8_quantize_row, (uint8_t *y, float *scale, const float *x, long n), (y, scale, x, n)) {
    float largest = largest_magnitude(x, n), bad = poison(x, n);
    float inverse = largest > 0 && bad == 0 ? 127.0f / largest : 0;
    *scale = largest / 127.0f + bad;
    for (long i = 0; i < n; i++) y[i] = (uint8_t)(int)(rintf(bad == 0 ? x[i] * inverse : 0) + 128.0f);
    for (long i = n; i % 4; i++) y[i] = 128;
}

KB_LEVELS(void, kb_s8_pack_weights,
          (uint32_t *packed, float *scales, int32_t *sums, const float *x, long stride, long count, long k),
          (packed, scales, sums, x, stride, count, k)) {
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

KB_LEVELS(void, kb_s8_rows_portable,
          (float *y, long y_stride, long rows, long n, long k, const uint32_t *x, const float *x_scales,
           const uint32_t *w, const float *w_scales, const int32_t *w_sums),
          (y, y_stride, rows, n, k, x, x_scales, w, w_scales, w_sums)) {
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

TARGET static inline __m512i multiply_add(__m512i sum, __m512i row, __m512i weight) {
    return _mm512_dpbusd_epi32(sum, row, weight);
}

TARGET static inline __m512 finish(__m512i sum, long row, long strip, const scaling *context) {
    __m512i exact = _mm512_sub_epi32(sum, _mm512_loadu_si512(context->w_sums + 16 * strip));
    __m512 scale = _mm512_mul_ps(_mm512_set1_ps(context->x_scales[row]), _mm512_loadu_ps(context->w_scales + 16 * strip));
    return _mm512_mul_ps(_mm512_cvtepi32_ps(exact), scale);
}

#include "rowproduct.h"

TARGET static void rows_vnni(float *y, long y_stride, long rows, long n, long k, const uint32_t *x,
                             const float *x_scales, const uint32_t *w, const float *w_scales, const int32_t *w_sums) {
    scaling context = {x_scales, w_scales, w_sums};
    long length = (k + 3) / 4;
    multiply_rows(y, y_stride, rows, n, length, x, length, w, &context);
}

#define AVX2 __attribute__((target("avx2,fma")))

// Returns 8 elements of y; `at` is the index of the first.
AVX2 static inline __m256 finish_avx2(__m256i sum, float x_scale, const float *w_scales, const int32_t *w_sums,
                                      long at) {
    __m256i exact = _mm256_sub_epi32(sum, _mm256_loadu_si256((const __m256i *)(w_sums + at)));
    __m256 scale = _mm256_mul_ps(_mm256_set1_ps(x_scale), _mm256_loadu_ps(w_scales + at));
    return _mm256_mul_ps(_mm256_cvtepi32_ps(exact), scale);
}

// R rows × one strip. `vpmaddubsw` would saturate, so that bytes are widened to 16 bits: those at even positions of a
// dword, and those at odd ones.
#define AVX2_KERNEL(R)                                                                                                 \
    AVX2 static void avx2_kernel##R(float *y, long y_stride, long columns, const uint32_t *x, long length,             \
                                    const uint32_t *w, const float *x_scales, const float *w_scales,                   \
                                    const int32_t *w_sums) {                                                           \
        const __m256i low_bytes = _mm256_set1_epi32(0x00FF00FF);                                                       \
        __m256i sum[R][2];                                                                                             \
        for (int i = 0; i < R; i++) sum[i][0] = sum[i][1] = _mm256_setzero_si256();                                    \
        for (long p = 0; p < length; p++) {                                                                            \
            __m256i even[2], odd[2];                                                                                   \
            for (int j = 0; j < 2; j++) {                                                                              \
                __m256i weight = _mm256_loadu_si256((const __m256i *)(w + p * STRIP + 8 * j));                         \
                even[j] = _mm256_srai_epi16(_mm256_slli_epi16(weight, 8), 8);                                          \
                odd[j] = _mm256_srai_epi16(weight, 8);                                                                 \
            }                                                                                                          \
            _mm_prefetch((const char *)(w + p * STRIP + AHEAD), _MM_HINT_T0);                                          \
            _Pragma("clang loop unroll(full)") for (int i = 0; i < R; i++) {                                           \
                __m256i value = _mm256_set1_epi32((int)x[i * length + p]);                                             \
                __m256i even_value = _mm256_and_si256(value, low_bytes), odd_value = _mm256_srli_epi16(value, 8);      \
                for (int j = 0; j < 2; j++) {                                                                          \
                    __m256i pair = _mm256_add_epi32(_mm256_madd_epi16(even[j], even_value),                            \
                                                    _mm256_madd_epi16(odd[j], odd_value));                             \
                    sum[i][j] = _mm256_add_epi32(sum[i][j], pair);                                                     \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        for (int i = 0; i < R; i++) {                                                                                  \
            float out[STRIP];                                                                                          \
            for (int j = 0; j < 2; j++)                                                                                \
                _mm256_storeu_ps(out + 8 * j, finish_avx2(sum[i][j], x_scales[i], w_scales, w_sums, 8 * j));           \
            memcpy(y + i * y_stride, out, (size_t)(columns < STRIP ? columns : STRIP) * sizeof(float));                \
        }                                                                                                              \
    }
AVX2_KERNEL(1)
AVX2_KERNEL(2)
AVX2_KERNEL(3)
AVX2_KERNEL(4)

void kb_s8_rows_avx2(float *y, long y_stride, long rows, long n, long k, const uint32_t *x, const float *x_scales,
                     const uint32_t *w, const float *w_scales, const int32_t *w_sums) {
    static void (*const kernels[])(float *, long, long, const uint32_t *, long, const uint32_t *, const float *,
                                   const float *, const int32_t *) = {
        avx2_kernel1, avx2_kernel2, avx2_kernel3, avx2_kernel4,
    };
    long length = (k + 3) / 4;
    for (long j = 0; j < n; j += STRIP)
        for (long row = 0; row < rows; row += 4)
            kernels[(rows - row < 4 ? rows - row : 4) - 1](y + row * y_stride + j, y_stride, n - j, x + row * length,
                                                          length, w + j * length, x_scales + row, w_scales + j,
                                                          w_sums + j);
}

void kb_s8_rows(float *y, long y_stride, long rows, long n, long k, const uint32_t *x, const float *x_scales,
                const uint32_t *w, const float *w_scales, const int32_t *w_sums) {
    if (kb_has_vnni())
        rows_vnni(y, y_stride, rows, n, k, x, x_scales, w, w_scales, w_sums);
    else
        kb_s8_rows_avx2(y, y_stride, rows, n, k, x, x_scales, w, w_scales, w_sums);
}
#else
void kb_s8_rows(float *y, long y_stride, long rows, long n, long k, const uint32_t *x, const float *x_scales,
                const uint32_t *w, const float *w_scales, const int32_t *w_sums) {
    kb_s8_rows_portable(y, y_stride, rows, n, k, x, x_scales, w, w_scales, w_sums);
}
#endif
