// Products of packed operands with float32 accumulation; the code shared by `f32product.c` and `bf16product.c`.
//
// Both operands are packed alike: split along m (or n) into strips of 16. A strip stores, for every dword of k, the
// dwords of its 16 rows (or columns) contiguously, as one 512-bit vector. A dword is one element of k in float32, two
// in bfloat16. The inner kernel holds 8 × 48 sums in registers; for each dword of k it loads three vectors of b and
// broadcasts eight dwords of a. Blocks of k are sized to keep their three strips of b in or near the L1 cache.
//
// The including file defines
//   TARGET                                  the target attribute for the instructions it needs
//   NAME(x)                                 the prefixed name of an exported function
//   STEPS                                   elements of k per dword
//   load_row(x, left)                       loads 16 dwords along a row that has `left` elements left
//   load_column(x, stride, left, mask)      loads one dword from each of 16 columns that have `left` elements left
//   multiply_add(sum, left, right)
#include "CKernels.h"
#include <immintrin.h>

enum { STRIP = 16, BLOCK = 256 /* dwords of k */ };

// Returns a mask of the first `count` of 16 lanes.
static inline __mmask16 first_lanes(long count) { return count >= STRIP ? 0xFFFF : (__mmask16)((1u << count) - 1); }

// Transposes a 16 × 16 block of dwords.
TARGET static inline void transpose(__m512i r[16]) {
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xDD);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xDD);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xDD);
        r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xDD);
    }
}

// k runs along the rows of x: packs one strip of `rows` rows.
TARGET static void pack_rows(uint32_t *packed, const float *x, long stride, long rows, long k) {
    long length = (k + STEPS - 1) / STEPS;
    for (long p = 0; p < length; p += STRIP) {
        __m512i r[16];
        for (int i = 0; i < STRIP; i++)
            r[i] = i < rows ? load_row(x + i * stride + STEPS * p, k - STEPS * p) : _mm512_setzero_si512();
        transpose(r);
        long here = length - p < STRIP ? length - p : STRIP;
        for (long i = 0; i < here; i++) _mm512_storeu_si512(packed + (p + i) * STRIP, r[i]);
    }
}

// k runs across the rows of x: packs all strips of `columns` columns together, so that each row is read sequentially.
TARGET static void pack_columns(uint32_t *packed, const float *x, long stride, long columns, long k) {
    long length = (k + STEPS - 1) / STEPS;
    for (long p = 0; p < length; p++)
        for (long j = 0; j < columns; j += STRIP)
            _mm512_storeu_si512(packed + j * length + p * STRIP, load_column(x + STEPS * p * stride + j, stride,
                                                                             k - STEPS * p, first_lanes(columns - j)));
}

TARGET void NAME(pack)(uint32_t *packed, const float *x, long stride, long count, long k, int k_along_row) {
    if (!k_along_row) {
        pack_columns(packed, x, stride, count, k);
        return;
    }
    long length = (k + STEPS - 1) / STEPS;
    for (long i = 0; i < count; i += STRIP) pack_rows(packed + i * length, x + i * stride, stride, count - i, k);
}

// 8 rows × (16·V) columns of c, over `n` dwords of k. Prefetches c, which is needed at the end.
#define KERNEL(V)                                                                                                      \
    TARGET static void kernel##V(float *c, long stride, long rows, __mmask16 last, const uint32_t *a,                  \
                                 const uint32_t *b, long b_strip, long n, int add) {                                   \
        __m512 sum[8][V];                                                                                              \
        for (int i = 0; i < 8; i++)                                                                                    \
            for (int j = 0; j < V; j++) {                                                                              \
                sum[i][j] = _mm512_setzero_ps();                                                                       \
                if (i < rows) _mm_prefetch((const char *)(c + i * stride + j * STRIP), _MM_HINT_T0);                   \
            }                                                                                                          \
        for (long p = 0; p < n; p++) {                                                                                 \
            __m512i right[V];                                                                                          \
            for (int j = 0; j < V; j++) right[j] = _mm512_loadu_si512(b + j * b_strip + p * STRIP);                    \
            _Pragma("clang loop unroll(full)") for (int i = 0; i < 8; i++) {                                           \
                __m512i left = _mm512_set1_epi32((int)a[p * STRIP + i]);                                               \
                for (int j = 0; j < V; j++) sum[i][j] = multiply_add(sum[i][j], left, right[j]);                       \
            }                                                                                                          \
        }                                                                                                              \
        for (int i = 0; i < 8; i++) {                                                                                  \
            if (i >= rows) break;                                                                                      \
            for (int j = 0; j < V; j++) {                                                                              \
                float *at = c + i * stride + j * STRIP;                                                                \
                __mmask16 mask = j == V - 1 ? last : 0xFFFF;                                                           \
                __m512 total = add ? _mm512_add_ps(_mm512_maskz_loadu_ps(mask, at), sum[i][j]) : sum[i][j];            \
                _mm512_mask_storeu_ps(at, mask, total);                                                                \
            }                                                                                                          \
        }                                                                                                              \
    }
KERNEL(1)
KERNEL(2)
KERNEL(3)

TARGET void NAME(product)(float *c, long stride, long m, long n, long k, const uint32_t *a, const uint32_t *b,
                          int add) {
    long length = (k + STEPS - 1) / STEPS, strip = length * STRIP;
    long p = 0;
    do {  // at least once: if the inner dimension is 0, the sums are 0
        long here = length - p < BLOCK ? length - p : BLOCK;
        int adds = add || p > 0;
        for (long j = 0; j < n; j += 3 * STRIP) {
            long columns = n - j;
            int vectors = columns >= 3 * STRIP ? 3 : (int)((columns + STRIP - 1) / STRIP);
            __mmask16 last = first_lanes(columns - (vectors - 1) * STRIP);
            const uint32_t *right = b + j / STRIP * strip + p * STRIP;
            for (long i = 0; i < m; i += 8) {
                const uint32_t *left = a + i / STRIP * strip + p * STRIP + i % STRIP;
                float *at = c + i * stride + j;
                if (vectors == 3)
                    kernel3(at, stride, m - i, last, left, right, strip, here, adds);
                else if (vectors == 2)
                    kernel2(at, stride, m - i, last, left, right, strip, here, adds);
                else
                    kernel1(at, stride, m - i, last, left, right, strip, here, adds);
            }
        }
    } while ((p += BLOCK) < length);
}
