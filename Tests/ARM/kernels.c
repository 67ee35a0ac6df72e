// Compares the functions of CKernels.h with the same formulas in double precision, at lengths with every kind of
// remainder, and prints what must not depend on the CPU, for comparison with another CPU: see run.sh.
//
// Prints `ok NAME ERROR` or `FAIL NAME ERROR`, with the largest error divided by its tolerance, and `exact NAME HASH`.
// Exits with 1 if any comparison failed.
#include "CKernels.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const long lengths[] = {1, 2, 3, 15, 16, 17, 63, 64, 65, 100, 771};
enum { LONGEST = 771, LENGTHS = sizeof lengths / sizeof *lengths, GUARD = 32 };
#define FOR_LENGTHS(n) for (long at_ = 0, n = 0; at_ < LENGTHS && (n = lengths[at_]); at_++)

// MARK: numbers

// Philox4x32-10, one block (Salmon et al. 2011). Also the source of random inputs.
static void philox(uint32_t x[4], uint32_t k0, uint32_t k1) {
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        uint64_t p = (uint64_t)x[0] * 0xD2511F53u, q = (uint64_t)x[2] * 0xCD9E8D57u;
        uint32_t next[4] = {(uint32_t)(q >> 32) ^ x[1] ^ k0, (uint32_t)q, (uint32_t)(p >> 32) ^ x[3] ^ k1, (uint32_t)p};
        memcpy(x, next, sizeof next);
    }
}

static uint32_t drawn;
static uint32_t word(void) {
    uint32_t x[4] = {drawn++, 0, 0, 0};
    philox(x, 7, 11);
    return x[0];
}
static float uniform(float scale) { return ((float)(word() >> 8) * 0x1p-24f - 0.5f) * scale; }

// Memory of n elements with guards on both sides, so that writes beyond it are noticed. Never freed.
typedef struct {
    unsigned char *start;
    size_t size;
} guarded;
static guarded blocks[1 << 12];
static int block_count;
static void *memory(size_t size) {
    unsigned char *start = malloc(size + 2 * GUARD);
    if (!start || block_count == sizeof blocks / sizeof *blocks) abort();
    memset(start, 0xA5, size + 2 * GUARD);
    blocks[block_count++] = (guarded){start, size};
    return start + GUARD;
}
static float *zeros(long n) { return memset(memory(n * sizeof(float)), 0, n * sizeof(float)); }
static float *copy(const float *x, long n) { return memcpy(memory(n * sizeof(float)), x, n * sizeof(float)); }
static float *randoms(long n, float scale) {
    float *x = zeros(n);
    for (long i = 0; i < n; i++) x[i] = uniform(scale);
    return x;
}
static uint8_t *mask_of(long n) {
    uint8_t *mask = memory(n);
    for (long i = 0; i < n; i++) mask[i] = word() % 3 != 0;
    return mask;
}

// MARK: results

static int failures;
static double worst;

// Notes the difference of a result from `expected`, which may be `tolerance`.
static void compare(double result, double expected, double tolerance) {
    double error = fabs(result - expected) / tolerance;
    if (!(error <= worst)) worst = isnan(error) ? INFINITY : error;
}
// Ends the comparisons of a function.
static void report(const char *name) {
    int intact = 1;
    for (int b = 0; b < block_count; b++) {
        const unsigned char *start = blocks[b].start, *end = start + GUARD + blocks[b].size;
        for (int i = 0; i < GUARD; i++) intact &= start[i] == 0xA5 && end[i] == 0xA5;
        free(blocks[b].start);
    }
    block_count = 0;
    int good = worst <= 1 && intact;
    failures += !good;
    printf("%s %s %.3g%s\n", good ? "ok" : "FAIL", name, worst, intact ? "" : " wrote beyond its memory");
    worst = 0;
    drawn = 0;
}
// FNV-1a
static uint64_t hash;
static void hash_in(const void *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001B3u;
}
static void report_exact(const char *name) {
    printf("exact %s %016llx\n", name, (unsigned long long)hash);
    hash = 0xCBF29CE484222325u;
}

// MARK: softmax.c

static double exp_sum(const float *x, long n, double scale, double top) {
    double sum = 0;
    for (long i = 0; i < n; i++) sum += exp(scale * (x[i] - top));
    return sum;
}
static double largest(const float *x, long n) {
    double top = -INFINITY;
    for (long i = 0; i < n; i++) top = fmax(top, x[i]);
    return top;
}

static void softmax(void) {
    FOR_LENGTHS(n) {
        float *x = randoms(n, 40), *y = copy(x, n);
        kb_softmax(y, n, 0.5f);
        double top = largest(x, n), sum = exp_sum(x, n, 0.5, top);
        for (long i = 0; i < n; i++) compare(y[i], exp(0.5 * (x[i] - top)) / sum, 1e-6);
    }
    report("kb_softmax");
    FOR_LENGTHS(n) {
        float *probs = randoms(n, 1), *dprobs = randoms(n, 2), *dx = zeros(n), *in_place = copy(dprobs, n);
        kb_softmax_backward(dx, probs, dprobs, n, 0.5f);
        kb_softmax_backward(in_place, probs, dprobs = copy(dprobs, n), n, 0.5f);
        double dot = 0;
        for (long i = 0; i < n; i++) dot += (double)probs[i] * dprobs[i];
        for (long i = 0; i < n; i++) {
            compare(dx[i], 0.5 * (dprobs[i] - dot) * probs[i], 1e-5);
            compare(in_place[i], 0.5 * (dprobs[i] - dot) * probs[i], 1e-5);
        }
    }
    report("kb_softmax_backward");
    FOR_LENGTHS(n) {
        float *x = randoms(n, 6), *bias = randoms(n, 2), *y = copy(x, n), *logits = zeros(n);
        for (long i = 0; i < n; i++) logits[i] = x[i] + bias[i];
        long best = -1, label = n / 2;
        float loss = kb_cross_entropy(y, bias, n, label, 0.25f, &best);
        double top = largest(logits, n), sum = exp_sum(logits, n, 1, top);
        compare(loss, log(sum) + top - logits[label], 1e-5);
        compare(logits[best], top, 1e-30);
        for (long i = 0; i < n; i++) compare(y[i], 0.25 * (exp(logits[i] - top) / sum - (i == label)), 1e-6);
        float *kept = copy(x, n);
        compare(kb_cross_entropy(kept, bias, n, label, 0, &best), loss, 1e-30);
        for (long i = 0; i < n; i++) compare(kept[i], logits[i], 1e-30);
        hash_in(&best, sizeof best);
    }
    report("kb_cross_entropy");
    report_exact("kb_cross_entropy's largest logit");
    FOR_LENGTHS(n) {
        float *x = randoms(n, 40);
        double top = largest(x, n);
        compare(kb_logsumexp(x, n), log(exp_sum(x, n, 1, top)) + top, 1e-5);
    }
    report("kb_logsumexp");
}

// MARK: sampling.c

static void sampling(void) {
    static double scores[LONGEST], y[LONGEST], sums[LONGEST];
    FOR_LENGTHS(n) {
        float *logits = randoms(n, 40);
        uint8_t *mask = mask_of(n);
        long infinite = -1, expected = 0;
        if (n > 15) logits[3] = INFINITY, logits[7] = -INFINITY, logits[n - 1] = NAN;
        double found = kb_scores(scores, logits, mask, n, &infinite), top = -INFINITY;
        for (long i = 0; i < n; i++) {
            double score = isfinite(logits[i]) && mask[i] ? (double)logits[i] : -INFINITY;
            expected += !isfinite(logits[i]);
            top = fmax(top, score);
            compare(scores[i] == score, 1, 1e-30);
        }
        compare(found == top, 1, 1e-30);
        compare((double)infinite, (double)expected, 1e-30);
        hash_in(scores, n * sizeof *scores);
    }
    report("kb_scores");
    report_exact("kb_scores");
    for (int temperature = 1; temperature < 4; temperature++)
        FOR_LENGTHS(n) {
            for (long i = 0; i < n; i++) scores[i] = i % 11 == 10 ? -INFINITY : (double)uniform(i % 5 ? 40 : 2000);
            scores[n / 2] = 1000;
            kb_exponentials(y, scores, 1000, 0.5 * temperature, n);
            for (long i = 0; i < n; i++) {
                double exact = exp((scores[i] - 1000) / (0.5 * temperature));
                compare(y[i], exact, 8e-16 * exact + 1e-300);
            }
            hash_in(y, n * sizeof *y);
        }
    report("kb_exponentials");
    report_exact("kb_exponentials");
    FOR_LENGTHS(n) {
        for (long i = 0; i < n; i++) scores[i] = (double)uniform(40);
        for (long block = 1; block <= 256; block *= 16) {
            kb_exp_sums(sums, scores, 20, 0.75, n, block);
            long blocks_of_n = (n + block - 1) / block;
            for (long b = 0; b < blocks_of_n; b++) {
                double exact = 0;
                for (long i = b * block; i < n && i < (b + 1) * block; i++) exact += exp((scores[i] - 20) / 0.75);
                compare(sums[b], exact, 1e-14 * exact);
            }
            hash_in(sums, blocks_of_n * sizeof *sums);
        }
    }
    report("kb_exp_sums");
    report_exact("kb_exp_sums");
}

// MARK: attend.c

static void attention(void) {
    enum { TOKENS = 19 };
    FOR_LENGTHS(width) {
        long stride = width + 5;
        float *q = randoms(width, 2), *k = randoms(TOKENS * stride, 2), *scores = zeros(TOKENS);
        kb_attention_scores(scores, q, k, stride, TOKENS, width);
        for (long t = 0; t < TOKENS; t++) {
            double dot = 0;
            for (long i = 0; i < width; i++) dot += (double)q[i] * k[t * stride + i];
            compare(scores[t], dot, 2e-5);
        }
    }
    report("kb_attention_scores");
    FOR_LENGTHS(width) {
        long stride = width + 5;
        float *probs = randoms(TOKENS, 1), *v = randoms(TOKENS * stride, 2), *out = randoms(width, 1);
        kb_attention_sum(out, probs, v, stride, TOKENS, width);
        for (long i = 0; i < width; i++) {
            double sum = 0;
            for (long t = 0; t < TOKENS; t++) sum += (double)probs[t] * v[t * stride + i];
            compare(out[i], sum, 2e-6);
        }
    }
    report("kb_attention_sum");
}

// MARK: gelu.c, layernorm.c

static double cumulative(double x) { return 0.5 * erfc(-x / sqrt(2)); }

static void gelu(void) {
    FOR_LENGTHS(n) {
        float *x = randoms(n, 20), *bias = randoms(n, 2), *y = zeros(n), *sum = copy(x, n);
        kb_bias_gelu(y, sum, bias, n);
        for (long i = 0; i < n; i++) {
            compare(sum[i], (double)(x[i] + bias[i]), 1e-30);
            compare(y[i], sum[i] * cumulative(sum[i]), 2e-6);
        }
    }
    report("kb_bias_gelu");
    FOR_LENGTHS(n) {
        float *x = randoms(n, 20), *dy = randoms(n, 2), *dx = zeros(n);
        kb_gelu_backward(dx, dy, x, n);
        for (long i = 0; i < n; i++) {
            double v = x[i];
            compare(dx[i], dy[i] * (cumulative(v) + v * exp(-0.5 * v * v) / sqrt(2 * M_PI)), 2e-6);
        }
    }
    report("kb_gelu_backward");
}

static void layer_norm(void) {
    FOR_LENGTHS(n) {
        float *x = randoms(n, 2), *weight = randoms(n, 2), *bias = randoms(n, 2), *y = zeros(n), m, r;
        kb_layer_norm(y, &m, &r, x, weight, bias, n, 1e-3f);
        double mean = 0, variance = 0;
        for (long i = 0; i < n; i++) mean += (double)x[i] / n;
        for (long i = 0; i < n; i++) variance += (x[i] - mean) * (x[i] - mean) / n;
        double rstd = 1 / sqrt(variance + (double)1e-3f);
        compare(m, mean, 1e-6);
        compare(r, rstd, 1e-5 * rstd);
        for (long i = 0; i < n; i++) compare(y[i], (x[i] - mean) * rstd * weight[i] + bias[i], 1e-5);
    }
    report("kb_layer_norm");
    FOR_LENGTHS(n) {
        float *x = randoms(n, 2), *weight = randoms(n, 2), *dy = randoms(n, 2), *dx = zeros(n), m = 0.1f, r = 1.7f;
        kb_layer_norm_backward(dx, dy, x, weight, m, r, n);
        double g_mean = 0, gx_mean = 0;
        for (long i = 0; i < n; i++) {
            g_mean += (double)dy[i] * weight[i] / n;
            gx_mean += (double)dy[i] * weight[i] * ((double)x[i] - m) * r / n;
        }
        for (long i = 0; i < n; i++)
            compare(dx[i], r * ((double)dy[i] * weight[i] - g_mean - ((double)x[i] - m) * r * gx_mean), 2e-5);
    }
    report("kb_layer_norm_backward");
    FOR_LENGTHS(n) {
        enum { ROWS = 5 };
        long stride = n + 3;
        float *dy = randoms(ROWS * stride, 2), *x = randoms(ROWS * stride, 2);
        float *m = randoms(ROWS, 1), *r = randoms(ROWS, 3);
        float *dweight = randoms(n, 1), *dbias = randoms(n, 1);
        float *before = copy(dweight, n), *bias_before = copy(dbias, n);
        kb_layer_norm_parameters_backward(dweight, dbias, dy, x, m, r, ROWS, n, stride);
        for (long i = 0; i < n; i++) {
            double weight = before[i], bias = bias_before[i];
            for (long row = 0; row < ROWS; row++) {
                double d = dy[row * stride + i];
                weight += d * ((double)x[row * stride + i] - m[row]) * r[row];
                bias += d;
            }
            compare(dweight[i], weight, 5e-6);
            compare(dbias[i], bias, 2e-6);
        }
    }
    report("kb_layer_norm_parameters_backward");
}

// MARK: elementwise.c

static void elementwise(void) {
    FOR_LENGTHS(n) {
        float *x = randoms(n, 2), *bias = randoms(n, 2), *sum = copy(x, n), *both = copy(x, n);
        kb_add_bias(sum, bias, n);
        kb_add(both, both, n);
        for (long i = 0; i < n; i++) {
            compare(sum[i], (double)(x[i] + bias[i]), 1e-30);
            compare(both[i], 2.0 * x[i], 1e-30);
        }
    }
    report("kb_add_bias, kb_add");
    FOR_LENGTHS(n) {
        float *x = randoms(n, 2), *bias = randoms(n, 2), *residual = randoms(n, 2), *y = zeros(n), *all = zeros(n);
        uint8_t *mask = mask_of(n);
        kb_bias_dropout_residual(y, x, bias, mask, 1.25f, residual, n);
        kb_bias_dropout_residual(all, x, bias, NULL, 1.25f, residual, n);
        float *masked = copy(x, n);
        kb_mask(masked, masked, mask, 1.25f, n);
        for (long i = 0; i < n; i++) {
            double sum = (double)x[i] + bias[i];
            compare(y[i], residual[i] + mask[i] * 1.25 * sum, 1e-6);
            compare(all[i], residual[i] + sum, 1e-6);
            compare(masked[i], mask[i] * 1.25 * x[i], 1e-6);
        }
    }
    report("kb_bias_dropout_residual, kb_mask");
    FOR_LENGTHS(n) {
        enum { ROWS = 7 };
        long stride = n + 3;
        float *x = randoms(ROWS * stride, 2), *y = randoms(n, 2), *before = copy(y, n);
        kb_add_rows(y, x, ROWS, n, stride);
        double squares = 0;
        for (long i = 0; i < n; i++) {
            double sum = before[i];
            for (long row = 0; row < ROWS; row++) sum += x[row * stride + i];
            compare(y[i], sum, 5e-6);
            squares += (double)x[i] * x[i];
        }
        compare(kb_squared_norm(x, n), squares, 1e-13 * squares);
    }
    report("kb_add_rows, kb_squared_norm");
}

// MARK: philox.c

static void dropout_mask(void) {
    // Random123's kat_vectors
    uint32_t x[4] = {0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344};
    const uint32_t published[4] = {0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1};
    philox(x, 0xA4093822, 0x299F31D0);
    for (int i = 0; i < 4; i++) compare(x[i], published[i], 1e-30);
    FOR_LENGTHS(n) {
        uint8_t *mask = memory(n);
        uint32_t first = word(), high = word(), step = word(), purpose = word();
        uint32_t k0 = word(), k1 = word(), threshold = word();
        kb_philox_mask(mask, n, first, high, step, purpose, k0, k1, threshold);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t block[4] = {16 * (first + i / 64) + i % 16, high, step, purpose};
            philox(block, k0, k1);
            compare(mask[i], block[i / 16 % 4] >= threshold, 1e-30);
        }
        hash_in(mask, n);
    }
    report("kb_philox_mask");
    report_exact("kb_philox_mask");
}

// MARK: adamw.c, muon.c

static void optimizers(void) {
    FOR_LENGTHS(n) {
        float *p = randoms(n, 1), *g = randoms(n, 1), *m = randoms(n, 1), *v = randoms(n, 1);
        for (long i = 0; i < n; i++) v[i] = fabsf(v[i]);
        float *p2 = copy(p, n), *m2 = copy(m, n), *v2 = copy(v, n);
        kb_adamw_step s = {1e-3f, 0.9f, 0.99f, 1e-8f, 0.1f, 0.5f, 0.271f, 0.0297f};
        kb_adamw(p2, g, m2, v2, n, &s);
        for (long i = 0; i < n; i++) {
            double scaled = (double)g[i] * s.gradient_scale;
            double m1 = (double)s.beta1 * m[i] + (1 - (double)s.beta1) * scaled;
            double v1 = (double)s.beta2 * v[i] + (1 - (double)s.beta2) * scaled * scaled;
            double step = m1 / s.correction1 / (sqrt(v1 / s.correction2) + (double)s.epsilon);
            compare(m2[i], m1, 1e-7);
            compare(v2[i], v1, 1e-7);
            compare(p2[i], p[i] * (1 - (double)s.learning_rate * s.weight_decay) - s.learning_rate * step, 2e-7);
        }
    }
    report("kb_adamw");
    FOR_LENGTHS(n) {
        float *g = randoms(n, 1), *buffer = randoms(n, 1), *before = copy(buffer, n), *update = zeros(n);
        kb_muon_momentum(update, g, buffer, n, 0.95f, 0.5f);
        for (long i = 0; i < n; i++) {
            double scaled = 0.5 * g[i], m = before[i] + (1 - (double)0.95f) * (scaled - before[i]);
            compare(buffer[i], m, 2e-7);
            compare(update[i], scaled + (double)0.95f * (m - scaled), 2e-7);
        }
        float *y = randoms(n, 1), *sum = copy(y, n);
        kb_scale_add(sum, 0.3f, g, -0.7f, n);
        for (long i = 0; i < n; i++) compare(sum[i], (double)0.3f * y[i] - (double)0.7f * g[i], 2e-7);
    }
    report("kb_muon_momentum, kb_scale_add");
}

// MARK: products

static uint32_t bits(float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    return u;
}
static float rounded(float x) {
    uint32_t u = bits(x) + 0x7FFF + (bits(x) >> 16 & 1);
    u &= 0xFFFF0000;
    memcpy(&x, &u, 4);
    return x;
}

// Without the instructions, the functions for them must not be called on x86-64, and are the portable ones elsewhere.
// Products of packed operands exist on x86-64 only.
#if defined(__x86_64__)
enum { PORTABLE_ONLY = 0 };
#else
enum { PORTABLE_ONLY = 1 };
#endif
enum { ROWS = 11, OUTPUTS = 37, STRIPS = (OUTPUTS + 15) / 16 };

static void f32_rows(void) {
    FOR_LENGTHS(k) {
        float *x = randoms(ROWS * (k + 2), 2), *w = randoms(OUTPUTS * k, 2), *packed = zeros(STRIPS * 16 * k);
        for (long j = 0; j < OUTPUTS; j += 16)
            kb_f32_pack_weights(packed + j * k, w + j * k, k, OUTPUTS - j < 16 ? OUTPUTS - j : 16, k);
        float *y = zeros(ROWS * OUTPUTS), *portable = zeros(ROWS * OUTPUTS);
        kb_f32_rows_portable(portable, OUTPUTS, ROWS, OUTPUTS, k, x, k + 2, packed);
        if (PORTABLE_ONLY || kb_has_avx512())
            kb_f32_rows(y, OUTPUTS, ROWS, OUTPUTS, k, x, k + 2, packed);
        else
            memcpy(y, portable, ROWS * OUTPUTS * sizeof *y);
        for (long i = 0; i < ROWS; i++)
            for (long j = 0; j < OUTPUTS; j++) {
                double sum = 0;
                for (long p = 0; p < k; p++) sum += (double)x[i * (k + 2) + p] * w[j * k + p];
                compare(y[i * OUTPUTS + j], sum, 5e-5);
                compare(portable[i * OUTPUTS + j], sum, 5e-5);
            }
        hash_in(packed, STRIPS * 16 * k * sizeof *packed);
    }
    report("kb_f32_pack_weights, kb_f32_rows, kb_f32_rows_portable");
    report_exact("kb_f32_pack_weights");
}

static void bf16_rows(void) {
    FOR_LENGTHS(k) {
        long length = (k + 1) / 2;
        float *x = randoms(ROWS * k, 2), *w = randoms(OUTPUTS * k, 2);
        if (k > 15) x[0] = NAN;
        uint16_t *row = memory(ROWS * length * 4);
        memset(row, 0, ROWS * length * 4);
        uint32_t *packed = memory(STRIPS * 16 * length * 4);
        for (long i = 0; i < ROWS; i++) kb_bf16_round(row + i * 2 * length, x + i * k, k);
        for (long j = 0; j < OUTPUTS; j += 16)
            kb_bf16_pack_weights(packed + j * length, w + j * k, k, OUTPUTS - j < 16 ? OUTPUTS - j : 16, k);
        float *y = zeros(ROWS * OUTPUTS), *portable = zeros(ROWS * OUTPUTS);
        kb_bf16_rows_portable(portable, OUTPUTS, ROWS, OUTPUTS, k, (uint32_t *)row, packed);
        if (PORTABLE_ONLY || kb_has_bf16())
            kb_bf16_rows(y, OUTPUTS, ROWS, OUTPUTS, k, (uint32_t *)row, packed);
        else
            memcpy(y, portable, ROWS * OUTPUTS * sizeof *y);
        for (long i = 0; i < ROWS; i++)
            for (long j = 0; j < OUTPUTS; j++) {
                double sum = 0;
                for (long p = 0; p < k; p++) sum += (double)rounded(x[i * k + p]) * rounded(w[j * k + p]);
                if (k > 15 && i == 0) {
                    compare(isnan(y[j]) && isnan(portable[j]), 1, 1e-30);
                    continue;
                }
                compare(y[i * OUTPUTS + j], sum, 5e-5);
                compare(portable[i * OUTPUTS + j], sum, 5e-5);
            }
        float *in_place = copy(x, ROWS * k);
        kb_bf16_round_floats(in_place, ROWS * k);
        for (long i = k > 15; i < ROWS * k; i++) compare(in_place[i], rounded(x[i]), 1e-30);
        compare(k <= 15 || isnan(in_place[0]), 1, 1e-30);
        float *expanded = memory(STRIPS * 16 * k * 4);
        kb_bf16_expand((uint32_t *)expanded, packed, STRIPS, k);
        for (long j = 0; j < STRIPS * 16; j++)
            for (long p = 0; p < k; p++)
                compare(expanded[(j / 16 * k + p) * 16 + j % 16], j < OUTPUTS ? rounded(w[j * k + p]) : 0, 1e-30);
        hash_in(row, ROWS * length * 4);
        hash_in(packed, STRIPS * 16 * length * 4);
        hash_in(expanded, STRIPS * 16 * k * 4);
    }
    report("kb_bf16_round, kb_bf16_round_floats, kb_bf16_pack_weights, kb_bf16_expand, kb_bf16_rows, kb_bf16_rows_portable");
    report_exact("kb_bf16_round, kb_bf16_pack_weights, kb_bf16_expand");
}

static void s8_rows(void) {
    FOR_LENGTHS(k) {
        long length = (k + 3) / 4;
        float *x = randoms(ROWS * k, 2), *w = randoms(OUTPUTS * k, 2);
        float *scales = zeros(ROWS), *w_scales = zeros(STRIPS * 16);
        int32_t *sums = memory(STRIPS * 16 * 4);
        uint8_t *row = memory(ROWS * length * 4);
        uint32_t *packed = memory(STRIPS * 16 * length * 4);
        for (long i = 0; i < ROWS; i++) kb_s8_quantize_row(row + i * 4 * length, scales + i, x + i * k, k);
        for (long j = 0; j < OUTPUTS; j += 16)
            kb_s8_pack_weights(packed + j * length, w_scales + j, sums + j, w + j * k, k,
                               OUTPUTS - j < 16 ? OUTPUTS - j : 16, k);
        float *y = zeros(ROWS * OUTPUTS), *portable = zeros(ROWS * OUTPUTS);
        kb_s8_rows_portable(portable, OUTPUTS, ROWS, OUTPUTS, k, (uint32_t *)row, scales, packed, w_scales, sums);
        if (PORTABLE_ONLY || kb_has_vnni())
            kb_s8_rows(y, OUTPUTS, ROWS, OUTPUTS, k, (uint32_t *)row, scales, packed, w_scales, sums);
        else
            memcpy(y, portable, ROWS * OUTPUTS * sizeof *y);
        for (long i = 0; i < ROWS; i++)
            for (long j = 0; j < OUTPUTS; j++) {
                double x_scale = 0, w_scale = 0, sum = 0;
                for (long p = 0; p < k; p++) x_scale = fmax(x_scale, fabs((double)x[i * k + p]) / 127);
                for (long p = 0; p < k; p++) w_scale = fmax(w_scale, fabs((double)w[j * k + p]) / 127);
                compare(scales[i], x_scale, 1e-6 * x_scale);
                compare(w_scales[j], w_scale, 1e-6 * w_scale);
                for (long p = 0; p < k; p++) {
                    int u = row[i * 4 * length + p] - 128;
                    int8_t s = ((int8_t *)(packed + j / 16 * 16 * length))[p / 4 * 64 + 4 * (j % 16) + p % 4];
                    compare(u * x_scale, x[i * k + p], 0.501 * x_scale);
                    compare(s * w_scale, w[j * k + p], 0.501 * w_scale);
                    sum += u * s;
                }
                compare(y[i * OUTPUTS + j], sum * x_scale * w_scale, 1e-6 * (1 + fabs(sum * x_scale * w_scale)));
                compare(portable[i * OUTPUTS + j], y[i * OUTPUTS + j], 1e-30);
            }
        hash_in(row, ROWS * length * 4);
        hash_in(packed, STRIPS * 16 * length * 4);
        hash_in(sums, OUTPUTS * 4);
        hash_in(portable, ROWS * OUTPUTS * 4);
    }
    report("kb_s8_quantize_row, kb_s8_pack_weights, kb_s8_rows, kb_s8_rows_portable");
    report_exact("kb_s8_quantize_row, kb_s8_pack_weights, kb_s8_rows");
}

// MARK: rates.c

static void rates(void) {
    compare(kb_f32_rate_loop(1000) > 0, 1, 1e-30);
    compare(kb_bf16_rate_loop(1000) > 0, kb_has_bf16(), 1e-30);
    compare(kb_s8_rate_loop(1000) > 0 || !kb_has_vnni(), 1, 1e-30);
    compare(kb_has_avx2() || !kb_has_avx512(), 1, 1e-30);
    report("kb_f32_rate_loop, kb_bf16_rate_loop, kb_s8_rate_loop");
}

int main(void) {
    hash = 0xCBF29CE484222325u;
    softmax();
    sampling();
    attention();
    gelu();
    layer_norm();
    elementwise();
    dropout_mask();
    optimizers();
    f32_rows();
    bf16_rows();
    s8_rows();
    rates();
    return failures > 0;
}
