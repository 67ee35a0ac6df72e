#include "CKernels.h"
#include "exp.h"
#include <math.h>

KB_INLINE float largest(const float *x, long n) {
    float lanes[KB_LANES];
    for (int j = 0; j < KB_LANES; j++) lanes[j] = -INFINITY;
    long i = 0;
    for (; i + KB_LANES <= n; i += KB_LANES)
        for (int j = 0; j < KB_LANES; j++) lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
    for (; i < n; i++) lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
    float top = lanes[0];
    for (int j = 1; j < KB_LANES; j++) top = lanes[j] > top ? lanes[j] : top;
    return top;
}

// Computes x += bias and returns the largest of x.
KB_INLINE float add_bias_largest(float *x, const float *bias, long n) {
    float lanes[KB_LANES];
    for (int j = 0; j < KB_LANES; j++) lanes[j] = -INFINITY;
    long i = 0;
    for (; i + KB_LANES <= n; i += KB_LANES)
        for (int j = 0; j < KB_LANES; j++) {
            float v = x[i + j] + bias[i + j];
            x[i + j] = v;
            lanes[j] = v > lanes[j] ? v : lanes[j];
        }
    for (; i < n; i++) {
        x[i] += bias[i];
        lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
    }
    float top = lanes[0];
    for (int j = 1; j < KB_LANES; j++) top = lanes[j] > top ? lanes[j] : top;
    return top;
}

// Returns Σ exp(x − top).
KB_INLINE float exp_sum(const float *x, long n, float top) {
    float lanes[KB_LANES] = {0};
    long i = 0;
    for (; i + KB_LANES <= n; i += KB_LANES)
        for (int j = 0; j < KB_LANES; j++) lanes[j] += kb_expf(x[i + j] - top);
    for (; i < n; i++) lanes[0] += kb_expf(x[i] - top);
    float sum = 0;
    for (int j = 0; j < KB_LANES; j++) sum += lanes[j];
    return sum;
}

KB_LEVELS(void, kb_softmax, (float *x, long n, float scale), (x, n, scale)) {
    float top = largest(x, n);
    float lanes[KB_LANES] = {0};
    long i = 0;
    for (; i + KB_LANES <= n; i += KB_LANES)
        for (int j = 0; j < KB_LANES; j++) {
            x[i + j] = kb_expf(scale * (x[i + j] - top));
            lanes[j] += x[i + j];
        }
    for (; i < n; i++) {
        x[i] = kb_expf(scale * (x[i] - top));
        lanes[0] += x[i];
    }
    float sum = 0;
    for (int j = 0; j < KB_LANES; j++) sum += lanes[j];
    float inverse = 1.0f / sum;
    for (i = 0; i < n; i++) x[i] *= inverse;
}

KB_LEVELS(void, kb_softmax_backward,
          (float *dscores, const float *probs, const float *dprobs, long n, float scale),
          (dscores, probs, dprobs, n, scale)) {
    float dot = 0;
    {
#pragma clang fp reassociate(on)
        for (long i = 0; i < n; i++) dot += probs[i] * dprobs[i];
    }
    KB_IN_PLACE
    for (long i = 0; i < n; i++) dscores[i] = scale * (dprobs[i] - dot) * probs[i];
}

KB_LEVELS(float, kb_cross_entropy,
          (float *logits, const float *bias, long n, long label, float dscale, long *best),
          (logits, bias, n, label, dscale, best)) {
    float top = add_bias_largest(logits, bias, n);
    long first = 0;
    while (first < n - 1 && !(logits[first] == top)) first++;
    *best = first;
    float sum = exp_sum(logits, n, top);
    float loss = logf(sum) + top - logits[label];
    if (dscale != 0) {
        float factor = dscale / sum;
        for (long i = 0; i < n; i++) logits[i] = factor * kb_expf(logits[i] - top);
        logits[label] -= dscale;
    }
    return loss;
}

KB_LEVELS(float, kb_logsumexp, (const float *x, long n), (x, n)) {
    float top = largest(x, n);
    return logf(exp_sum(x, n, top)) + top;
}
