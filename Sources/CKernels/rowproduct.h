// Products of a few rows with packed weights; the code shared by `f32rows.c`, `bf16rows.c` and `s8rows.c`.
//
// The weights have the layout of `packedproduct.h`: one strip for every 16 outputs, and in it one 512-bit vector for
// every dword of k. A dword is one element of k in float32, two in bfloat16, four in int8. Each strip is read once,
// sequentially, while up to 8 rows are multiplied with it, so that every core reads a single memory stream. With more
// than 8 rows, two strips are processed at once, because the caches then hold them.
//
// Every sum is accumulated in the order of k, so that a row's result does not depend on the number of rows.
//
// The including file defines
//   TARGET                                    the target attribute for the instructions it needs
//   SUM                                       the accumulator type
//   multiply_add(sum, row, weight)
//   finish(sum, row, strip, context)          converts a sum to 16 elements of y
#include "CKernels.h"
#include <immintrin.h>

enum { STRIP = 16, AHEAD = 64 * STRIP /* prefetch distance in dwords: 4 KB covers the memory latency */ };

// R rows × V strips.
#define KERNEL(R, V)                                                                                                   \
    TARGET static void kernel##R##x##V(float *y, long y_stride, __mmask16 last, const uint32_t *x, long x_stride,      \
                                       const uint32_t *w, long length, long strip, long row, const CONTEXT *context) { \
        SUM sum[R][V];                                                                                                 \
        for (int i = 0; i < R; i++)                                                                                    \
            for (int j = 0; j < V; j++) sum[i][j] = ZERO();                                                            \
        for (long p = 0; p < length; p++) {                                                                            \
            __m512i weight[V];                                                                                         \
            for (int j = 0; j < V; j++) {                                                                              \
                const uint32_t *at = w + (j * length + p) * STRIP;                                                     \
                weight[j] = _mm512_loadu_si512(at);                                                                    \
                if (V == 1) _mm_prefetch((const char *)(at + AHEAD), _MM_HINT_T0);                                     \
            }                                                                                                          \
            _Pragma("clang loop unroll(full)") for (int i = 0; i < R; i++) {                                           \
                __m512i value = _mm512_set1_epi32((int)x[i * x_stride + p]);                                           \
                for (int j = 0; j < V; j++) sum[i][j] = multiply_add(sum[i][j], value, weight[j]);                     \
            }                                                                                                          \
        }                                                                                                              \
        for (int i = 0; i < R; i++)                                                                                    \
            for (int j = 0; j < V; j++)                                                                                \
                _mm512_mask_storeu_ps(y + i * y_stride + j * STRIP, j == V - 1 ? last : 0xFFFF,                        \
                                      finish(sum[i][j], row + i, strip + j, context));                                 \
    }
KERNEL(1, 1)
KERNEL(2, 1)
KERNEL(3, 1)
KERNEL(4, 1)
KERNEL(5, 1)
KERNEL(6, 1)
KERNEL(7, 1)
KERNEL(8, 1)
KERNEL(1, 2)
KERNEL(2, 2)
KERNEL(3, 2)
KERNEL(4, 2)
KERNEL(5, 2)
KERNEL(6, 2)
KERNEL(7, 2)
KERNEL(8, 2)

typedef void (*kernel)(float *, long, __mmask16, const uint32_t *, long, const uint32_t *, long, long, long,
                       const CONTEXT *);

TARGET static void multiply_rows(float *y, long y_stride, long rows, long n, long length, const uint32_t *x,
                                 long x_stride, const uint32_t *w, const CONTEXT *context) {
    static const kernel kernels[2][8] = {
        {kernel1x1, kernel2x1, kernel3x1, kernel4x1, kernel5x1, kernel6x1, kernel7x1, kernel8x1},
        {kernel1x2, kernel2x2, kernel3x2, kernel4x2, kernel5x2, kernel6x2, kernel7x2, kernel8x2},
    };
    long strips = (n + STRIP - 1) / STRIP;
    for (long strip = 0; strip < strips;) {
        int wide = rows > 8 && strip + 1 < strips;
        long columns = n - strip * STRIP - wide * STRIP;
        __mmask16 last = columns >= STRIP ? 0xFFFF : (__mmask16)((1u << columns) - 1);
        for (long row = 0; row < rows; row += 8) {
            long here = rows - row < 8 ? rows - row : 8;
            kernels[wide][here - 1](y + row * y_stride + strip * STRIP, y_stride, last, x + row * x_stride, x_stride,
                                    w + strip * length * STRIP, length, strip, row, context);
        }
        strip += 1 + wide;
    }
}
