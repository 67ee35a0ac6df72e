// Matrix products of bfloat16 factors with float32 sums, for CPUs with AVX512_BF16.
//
// Both factors are packed alike: cut along m (or n) into strips of 16, each strip being, for every two steps of k, 16 pairs
// of bfloat16 side by side: one 512-bit vector. The inner kernel holds 8 × 48 sums in registers; for each pair of k it reads
// three vectors of b and spreads eight pairs of a. A block of k keeps its three strips of b in the L1 cache.
#include "CKernels.h"
#include "clones.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define KB_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))

enum { STRIP = 16, BLOCK = 128 /* pairs of k */ };

int kb_has_bf16(void) { return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw"); }

KB_BF16 static inline __m512i pairs(__m512 low, __m512 high) {
    // 32 bfloat16 in order: those of `low`, then those of `high`.
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

// 16 rows of 16 dwords become 16 columns.
KB_BF16 static inline void transpose(__m512i r[16]) {
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

// k lies along a row: 16 rows, two steps of k a dword.
KB_BF16 static void pack_rows(uint32_t *packed, const float *x, long stride, long rows, long k) {
    for (long p = 0; 2 * p < k; p += STRIP) {
        long left = k - 2 * p;  // steps of k from here
        __mmask16 low = left >= 16 ? 0xFFFF : (__mmask16)((1u << left) - 1);
        __mmask16 high = left >= 32 ? 0xFFFF : left > 16 ? (__mmask16)((1u << (left - 16)) - 1) : 0;
        __m512i r[16];
        for (int i = 0; i < STRIP; i++) {
            const float *row = x + i * stride + 2 * p;
            r[i] = i < rows ? pairs(_mm512_maskz_loadu_ps(low, row), _mm512_maskz_loadu_ps(high, row + 16))
                            : _mm512_setzero_si512();
        }
        transpose(r);
        long count = (left + 1) / 2 < STRIP ? (left + 1) / 2 : STRIP;
        for (long i = 0; i < count; i++) _mm512_storeu_si512(packed + (p + i) * STRIP, r[i]);
    }
}

// k lies across rows: 16 columns, two rows a vector.
KB_BF16 static void pack_columns(uint32_t *packed, const float *x, long stride, long columns, long k) {
    const __m512i interleave =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3,
                         18, 2, 17, 1, 16, 0);
    __mmask16 mask = columns >= STRIP ? 0xFFFF : (__mmask16)((1u << columns) - 1);
    for (long p = 0; 2 * p < k; p++) {
        __m512 even = _mm512_maskz_loadu_ps(mask, x + 2 * p * stride);
        __m512 odd = 2 * p + 1 < k ? _mm512_maskz_loadu_ps(mask, x + (2 * p + 1) * stride) : _mm512_setzero_ps();
        _mm512_storeu_si512(packed + p * STRIP, _mm512_permutexvar_epi16(interleave, pairs(even, odd)));
    }
}

KB_BF16 void kb_bf16_pack(uint32_t *packed, const float *x, long stride, long count, long k, int k_along_row,
                          long first_strip, long last_strip) {
    long length = (k + 1) / 2 * STRIP;
    for (long strip = first_strip; strip < last_strip; strip++) {
        long left = count - strip * STRIP;
        long here = left < STRIP ? left : STRIP;
        if (k_along_row)
            pack_rows(packed + strip * length, x + strip * STRIP * stride, stride, here, k);
        else
            pack_columns(packed + strip * length, x + strip * STRIP, stride, here, k);
    }
}

// 8 rows × (16·V) columns of c, over `n` pairs of k.
#define KERNEL(V)                                                                                                      \
    KB_BF16 static void kernel##V(float *c, long stride, long rows, __mmask16 last, const uint32_t *a,                 \
                                  const uint32_t *b, long b_strip, long n, int add) {                                  \
        __m512 sum[8][V];                                                                                              \
        for (int i = 0; i < 8; i++)                                                                                    \
            for (int j = 0; j < V; j++) sum[i][j] = _mm512_setzero_ps();                                               \
        for (long p = 0; p < n; p++) {                                                                                 \
            __m512bh right[V];                                                                                         \
            for (int j = 0; j < V; j++) right[j] = (__m512bh)_mm512_loadu_si512(b + j * b_strip + p * STRIP);          \
            _Pragma("clang loop unroll(full)") for (int i = 0; i < 8; i++) {                                           \
                __m512bh left = (__m512bh)_mm512_set1_epi32((int)a[p * STRIP + i]);                                    \
                for (int j = 0; j < V; j++) sum[i][j] = _mm512_dpbf16_ps(sum[i][j], left, right[j]);                   \
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

KB_BF16 void kb_bf16_product(float *c, long stride, long m, long n, long k, const uint32_t *a, const uint32_t *b,
                             int add) {
    long length = (k + 1) / 2, strip = length * STRIP;
    for (long p = 0; p < length; p += BLOCK) {
        long here = length - p < BLOCK ? length - p : BLOCK;
        int adds = add || p > 0;
        for (long j = 0; j < n; j += 3 * STRIP) {
            long columns = n - j;
            int vectors = columns >= 3 * STRIP ? 3 : (int)((columns + STRIP - 1) / STRIP);
            long tail = columns - (vectors - 1) * STRIP;
            __mmask16 last = tail >= STRIP ? 0xFFFF : (__mmask16)((1u << tail) - 1);
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
    }
}
#else
int kb_has_bf16(void) { return 0; }
void kb_bf16_pack(uint32_t *packed, const float *x, long stride, long count, long k, int k_along_row, long first_strip,
                  long last_strip) {
    __builtin_trap();
}
void kb_bf16_product(float *c, long stride, long m, long n, long k, const uint32_t *a, const uint32_t *b, int add) {
    __builtin_trap();
}
#endif
