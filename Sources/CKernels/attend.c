#include "levels.h"

KB_LEVELS(void, kb_attention_scores,
          (float *scores, const float *q, const float *k, long stride, long n, long width),
          (scores, q, k, stride, n, width)) {
    for (long t = 0; t < n; t++) {
#pragma clang fp reassociate(on)
        float sum = 0;
        for (long i = 0; i < width; i++) sum += q[i] * k[t * stride + i];
        scores[t] = sum;
    }
}

KB_LEVELS(void, kb_attention_sum,
          (float *out, const float *probs, const float *v, long stride, long n, long width),
          (out, probs, v, stride, n, width)) {
    for (long i = 0; i < width; i++) out[i] = 0;
    for (long t = 0; t < n; t++) {
        float p = probs[t];
        KB_IN_PLACE
        for (long i = 0; i < width; i++) out[i] += p * v[t * stride + i];
    }
}
