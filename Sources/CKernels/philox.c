#include "levels.h"

enum { BLOCKS = 16 };  // computed in parallel, one per lane

KB_INLINE void group(uint8_t out[4 * BLOCKS], uint32_t first, uint32_t high, uint32_t step, uint32_t purpose, uint32_t k0,
                     uint32_t k1, uint32_t threshold) {
    uint32_t x0[BLOCKS], x1[BLOCKS], x2[BLOCKS], x3[BLOCKS];
    for (uint32_t b = 0; b < BLOCKS; b++) {
        x0[b] = first * BLOCKS + b;
        x1[b] = high;
        x2[b] = step;
        x3[b] = purpose;
    }
    for (int round = 0; round < 10; round++) {
        for (int b = 0; b < BLOCKS; b++) {
            uint64_t p = (uint64_t)x0[b] * 0xD2511F53u, q = (uint64_t)x2[b] * 0xCD9E8D57u;
            x0[b] = (uint32_t)(q >> 32) ^ x1[b] ^ k0;
            x1[b] = (uint32_t)q;
            x2[b] = (uint32_t)(p >> 32) ^ x3[b] ^ k1;
            x3[b] = (uint32_t)p;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int b = 0; b < BLOCKS; b++) out[b] = x0[b] >= threshold;
    for (int b = 0; b < BLOCKS; b++) out[BLOCKS + b] = x1[b] >= threshold;
    for (int b = 0; b < BLOCKS; b++) out[2 * BLOCKS + b] = x2[b] >= threshold;
    for (int b = 0; b < BLOCKS; b++) out[3 * BLOCKS + b] = x3[b] >= threshold;
}

KB_LEVELS(void, kb_philox_mask,
          (uint8_t *mask, long n, uint32_t first, uint32_t high, uint32_t step, uint32_t purpose, uint32_t key0,
           uint32_t key1, uint32_t threshold),
          (mask, n, first, high, step, purpose, key0, key1, threshold)) {
    long i = 0;
    for (; i + 4 * BLOCKS <= n; i += 4 * BLOCKS)
        group(mask + i, first++, high, step, purpose, key0, key1, threshold);
    if (i < n) {
        uint8_t rest[4 * BLOCKS];
        group(rest, first, high, step, purpose, key0, key1, threshold);
        for (long j = 0; i + j < n; j++) mask[i + j] = rest[j];
    }
}
