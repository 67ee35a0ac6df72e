// Matrix products in float32, for CPUs with AVX2 and FMA but without AVX-512. The right operand has the layout of
// `packedproduct.h`; the left one is row-major, because its elements are broadcast one by one.
//
// A vector is half a strip wide; 16 registers hold 6 × 16 sums beside two vectors of b and a broadcast element of a.
#include "levels.h"
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define TARGET __attribute__((target("avx2,fma")))

enum {
    STRIP = 16,
    LANES = 8,
    BLOCK = 256,        // of k: a strip of b takes 16 KB of the L1 cache
    ROWS = 240,         // of a: a block takes 240 KB of the L2 cache, from which it is read for every strip of b
    AHEAD = 64 * STRIP  // prefetch distance in elements: 4 KB covers the memory latency
};

// Returns a mask of the first `count` lanes.
TARGET static inline __m256i first_lanes(long count) {
    __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count < LANES ? (int)count : LANES), lane);
}

// Transposes an 8 × 8 block.
TARGET static inline void transpose(__m256 r[LANES]) {
    __m256 t[LANES];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xEE);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
        t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
    }
    for (int i = 0; i < 8; i++) r[i] = t[i];
}

TARGET static inline void store(float *at, __m256 sum, long columns, int add) {
    if (columns >= LANES) {
        _mm256_storeu_ps(at, add ? _mm256_add_ps(_mm256_loadu_ps(at), sum) : sum);
    } else {
        __m256i mask = first_lanes(columns);
        _mm256_maskstore_ps(at, mask, add ? _mm256_add_ps(_mm256_maskload_ps(at, mask), sum) : sum);
    }
}

// Loads the first `count` elements at x; the others are 0.
TARGET static inline __m256 load(const float *x, long count) {
    return count >= LANES ? _mm256_loadu_ps(x)
           : count > 0    ? _mm256_maskload_ps(x, first_lanes(count))
                          : _mm256_setzero_ps();
}

// Transposes x, `rows` rows of `columns` elements: column j becomes `padded` elements at y + j · y_stride, of which
// those behind `rows` are 0.
TARGET static void transpose_rows(float *y, long y_stride, const float *x, long stride, long rows, long columns,
                                  long padded) {
    for (long i = 0; i < padded; i += LANES)
        for (long j = 0; j < columns; j += LANES) {
            __m256 r[LANES];
            for (int l = 0; l < LANES; l++)
                r[l] = i + l < rows ? load(x + (i + l) * stride + j, columns - j) : _mm256_setzero_ps();
            transpose(r);
            long here = columns - j < LANES ? columns - j : LANES;
            for (long l = 0; l < here; l++) store(y + (j + l) * y_stride + i, r[l], padded - i, 0);
        }
}

TARGET void kb_f32_pack_left_avx2(uint32_t *packed, const float *x, long stride, long count, long k, int k_along_row) {
    float *y = (float *)packed;
    if (!k_along_row)
        transpose_rows(y, k, x, stride, k, count, k);
    else
        for (long i = 0; i < count; i++) memcpy(y + i * k, x + i * stride, (size_t)k * sizeof(float));
}

TARGET void kb_f32_pack_right_avx2(uint32_t *packed, const float *x, long stride, long count, long k,
                                   int k_along_row) {
    float *y = (float *)packed;
    long padded = (count + STRIP - 1) / STRIP * STRIP;
    if (k_along_row)
        for (long i = 0; i < count; i += STRIP)
            transpose_rows(y + i * k, STRIP, x + i * stride, stride, count - i < STRIP ? count - i : STRIP, k, STRIP);
    else  // all strips together, so that each row is read sequentially
        for (long p = 0; p < k; p++)
            for (long i = 0; i < padded; i += LANES) {
                float *to = y + i / STRIP * STRIP * k + p * STRIP + i % STRIP;
                _mm256_storeu_ps(to, load(x + p * stride + i, count - i));
            }
}

// R rows × one strip of c, over `n` elements of k, in the order of k. Prefetches c, which is needed at the end.
#define KERNEL(R)                                                                                                      \
    TARGET static void kernel##R(float *c, long stride, long columns, const float *a, long a_stride, const float *b,   \
                                 long n, int add) {                                                                    \
        __m256 low[R], high[R];                                                                                        \
        for (int i = 0; i < R; i++) {                                                                                  \
            low[i] = high[i] = _mm256_setzero_ps();                                                                    \
            _mm_prefetch((const char *)(c + i * stride), _MM_HINT_T0);                                                 \
        }                                                                                                              \
        for (long p = 0; p < n; p++) {                                                                                 \
            __m256 left = _mm256_loadu_ps(b + p * STRIP), right = _mm256_loadu_ps(b + p * STRIP + LANES);              \
            _mm_prefetch((const char *)(b + p * STRIP + AHEAD), _MM_HINT_T0);                                          \
            _Pragma("clang loop unroll(full)") for (int i = 0; i < R; i++) {                                           \
                __m256 value = _mm256_broadcast_ss(a + i * a_stride + p);                                              \
                low[i] = _mm256_fmadd_ps(value, left, low[i]);                                                         \
                high[i] = _mm256_fmadd_ps(value, right, high[i]);                                                      \
            }                                                                                                          \
        }                                                                                                              \
        for (int i = 0; i < R; i++) {                                                                                  \
            store(c + i * stride, low[i], columns, add);                                                               \
            if (columns > LANES) store(c + i * stride + LANES, high[i], columns - LANES, add);                         \
        }                                                                                                              \
    }
KERNEL(1)
KERNEL(2)
KERNEL(3)
KERNEL(4)
KERNEL(5)
KERNEL(6)

// Computes c = a·b, or c += a·b if `add` is set, over `here` elements of k from element p on.
TARGET static void multiply(float *c, long stride, long m, long n, long k, const float *a, long a_stride,
                            const float *b, long p, long here, int add) {
    static void (*const kernels[])(float *, long, long, const float *, long, const float *, long, int) = {
        kernel1, kernel2, kernel3, kernel4, kernel5, kernel6,
    };
    for (long j = 0; j < n; j += STRIP)
        for (long i = 0; i < m;) {
            // Few rows do not hide the latency of the sums: 7 are 4 and 3 rather than 6 and 1.
            long left = m - i, rows = left <= 6 ? left : left < 9 ? 4 : left < 12 ? 5 : 6;
            kernels[rows - 1](c + i * stride + j, stride, n - j, a + i * a_stride + p, a_stride,
                              b + j * k + p * STRIP, here, add);
            i += rows;
        }
}

TARGET void kb_f32_product_avx2(float *c, long stride, long m, long n, long k, const uint32_t *a, const uint32_t *b,
                                int add) {
    // Blocks of c stay in the L2 cache while blocks of k are added to them.
    for (long i = 0; i < m; i += ROWS) {
        long p = 0, rows = m - i < ROWS ? m - i : ROWS;
        do {  // at least once: if the inner dimension is 0, the sums are 0
            long here = k - p < BLOCK ? k - p : BLOCK;
            multiply(c + i * stride, stride, rows, n, k, (const float *)a + i * k, k, (const float *)b, p, here,
                     add || p > 0);
        } while ((p += BLOCK) < k);
    }
}

TARGET void kb_f32_rows_avx2(float *y, long y_stride, long rows, long n, long k, const float *x, long x_stride,
                             const float *w) {
    multiply(y, y_stride, rows, n, k, x, x_stride, w, 0, k, 0);
}
#endif
