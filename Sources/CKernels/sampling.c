#include "levels.h"
#include <math.h>

KB_LEVELS(double, kb_scores,
          (double *scores, const float *logits, const uint8_t *mask, long n, long *infinite),
          (scores, logits, mask, n, infinite)) {
    double lanes[KB_LANES];
    long counts[KB_LANES] = {0};
    for (int j = 0; j < KB_LANES; j++) lanes[j] = -INFINITY;
    for (long i = 0; i < n; i += KB_LANES) {
        long here = n - i < KB_LANES ? n - i : KB_LANES;
        for (int j = 0; j < here; j++) {
            // x · 0 is NaN for an infinite or NaN x.
            int bad = !(logits[i + j] * 0.0f == 0.0f);
            double score = bad || !mask[i + j] ? -INFINITY : (double)logits[i + j];
            counts[j] += bad;
            scores[i + j] = score;
            lanes[j] = score > lanes[j] ? score : lanes[j];
        }
    }
    double top = lanes[0];
    *infinite = 0;
    for (int j = 0; j < KB_LANES; j++) {
        top = lanes[j] > top ? lanes[j] : top;
        *infinite += counts[j];
    }
    return top;
}

// eˣ for x ≤ 0, with an error of at most 2 ulp; 0 below −708. x = n·ln 2 + r, with the Taylor series of eʳ.
KB_INLINE double exponential(double x) {
    double clamped = x < -708.0 ? -708.0 : x;
    const double magic = 0x1.8p52;
    union {
        double f;
        int64_t i;
    } whole = {clamped * 1.4426950408889634 + magic}, power;
    double n = whole.f - magic;
    double r = clamped - n * 0x1.62e42fefa38p-1;
    r -= n * 0x1.ef35793c7673p-45;
    double p = 1.0 / 6227020800.0;
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    power.f = p;
    power.i += (int64_t)((uint64_t)whole.i << 52);
    return x < -708.0 ? 0 : power.f;
}

KB_LEVELS(void, kb_exponentials,
          (double *y, const double *scores, double top, double temperature, long n),
          (y, scores, top, temperature, n)) {
    for (long i = 0; i < n; i++) y[i] = exponential((scores[i] - top) / temperature);
}

KB_LEVELS(void, kb_exp_sums,
          (double *sums, const double *scores, double top, double temperature, long n, long block),
          (sums, scores, top, temperature, n, block)) {
    for (long first = 0, at = 0; first < n; first += block, at++) {
        long here = n - first < block ? n - first : block;
        double lanes[KB_LANES] = {0};
        long i = 0;
        for (; i + KB_LANES <= here; i += KB_LANES)
            for (int j = 0; j < KB_LANES; j++)
                lanes[j] += exponential((scores[first + i + j] - top) / temperature);
        for (; i < here; i++) lanes[0] += exponential((scores[first + i] - top) / temperature);
        double sum = 0;
        for (int j = 0; j < KB_LANES; j++) sum += lanes[j];
        sums[at] = sum;
    }
}
