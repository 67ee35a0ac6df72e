// The inner loops of `Kernels`. Each function works on memory owned by the caller, on the calling thread. Most are
// compiled for several levels of instruction sets; each call uses the version for the CPU (`levels.h`).
//
// They are written in C because Swift has neither function multiversioning nor a way to request 512-bit vectors: the
// same loop over `exp` processes 0.8 Gelem/s in Swift built for the baseline CPU, and 5.7 Gelem/s here with AVX-512.
#pragma once
#include <stdint.h>

// cpu.c — the instructions that kernels may use: those of the CPU, up to the level in the environment variable
// KANTAIBERT_CPU_LEVEL. Both are read once, before `main`.

// Levels of vector instructions: x86-64, x86-64-v3 and x86-64-v4. KB_NATIVE, as a limit, is what the CPU has,
// including AVX512_BF16 and AVX512_VNNI.
enum { KB_BASELINE, KB_AVX2, KB_AVX512, KB_NATIVE };
// The level of vector instructions, at most KB_AVX512.
int kb_vector_level(void);
int kb_has_avx2(void);
int kb_has_avx512(void);
int kb_has_bf16(void);
int kb_has_vnni(void);
// The level that the environment limits kernels to; KB_NATIVE if the variable is not set.
int kb_cpu_limit(void);
// Returns the level with a name (baseline, avx2, avx512, native), or −1.
int kb_cpu_level_named(const char *name);
const char *kb_cpu_level_name(int level);

// softmax.c — rows of scores and of logits

// x = softmax(scale · x) over n elements.
void kb_softmax(float *x, long n, float scale);
// dscores = scale · (dprobs − Σ dprobs·probs) · probs, over n elements. dscores may alias dprobs.
void kb_softmax_backward(float *dscores, const float *probs, const float *dprobs, long n, float scale);
// Adds bias to the logits and returns their cross-entropy against `label`, in nats. Sets *best to the index of the
// largest logit (the first if several are equal). If dscale ≠ 0, overwrites the logits with
// dscale · (softmax(logits) − onehot(label)).
float kb_cross_entropy(float *logits, const float *bias, long n, long label, float dscale, long *best);
// Returns log Σ exp(x).
float kb_logsumexp(const float *x, long n);

// sampling.c — logits in double precision

// scores = logits where mask ≠ 0 and the logit is finite, otherwise −∞. Returns the largest score; sets *infinite to
// the number of logits that are not finite.
double kb_scores(double *scores, const float *logits, const uint8_t *mask, long n, long *infinite);
// y = exp((scores − top) / temperature), where `top` is the largest score.
void kb_exponentials(double *y, const double *scores, double top, double temperature, long n);
// The same exponentials, summed over each block of `block` scores.
void kb_exp_sums(double *sums, const double *scores, double top, double temperature, long n, long block);

// attend.c — attention of one token over n tokens in one head of `width` elements; keys and values are `stride` apart

// scores = k·q.
void kb_attention_scores(float *scores, const float *q, const float *k, long stride, long n, long width);
// out = Σ probs·v.
void kb_attention_sum(float *out, const float *probs, const float *v, long stride, long n, long width);

// gelu.c — the exact form, x·Φ(x)

// x += bias, y = gelu(x), over n elements.
void kb_bias_gelu(float *y, float *x, const float *bias, long n);
// dx = dy · gelu′(x). dx may alias dy.
void kb_gelu_backward(float *dx, const float *dy, const float *x, long n);

// layernorm.c — one row of n elements

void kb_layer_norm(float *y, float *mean, float *rstd, const float *x, const float *weight, const float *bias, long n,
                   float epsilon);
// Overwrites dx.
void kb_layer_norm_backward(float *dx, const float *dy, const float *x, const float *weight, float mean, float rstd,
                            long n);
// dweight += Σ dy·(x − mean)·rstd and dbias += Σ dy, over `rows` rows and the first n columns.
void kb_layer_norm_parameters_backward(float *dweight, float *dbias, const float *dy, const float *x, const float *mean,
                                       const float *rstd, long rows, long n, long stride);

// elementwise.c

// x += bias, one row of n elements.
void kb_add_bias(float *x, const float *bias, long n);
// y += x.
void kb_add(float *y, const float *x, long n);
// y = residual + scale·mask·(x + bias); a null mask keeps every element.
void kb_bias_dropout_residual(float *y, const float *x, const float *bias, const uint8_t *mask, float scale,
                              const float *residual, long n);
// y = scale·mask·x. y may alias x.
void kb_mask(float *y, const float *x, const uint8_t *mask, float scale, long n);
// y += the sum of the rows of x, over the first n columns.
void kb_add_rows(float *y, const float *x, long rows, long n, long stride);
double kb_squared_norm(const float *x, long n);

// philox.c — Philox4x32-10

// mask[64·g + 16·w + b] = word w of the block at counter (16·(first + g) + b, high, step, purpose) ≥ threshold.
// n elements; `first` counts groups of 64.
void kb_philox_mask(uint8_t *mask, long n, uint32_t first, uint32_t high, uint32_t step, uint32_t purpose, uint32_t key0,
                    uint32_t key1, uint32_t threshold);

// adamw.c

typedef struct {
    float learning_rate, beta1, beta2, epsilon, weight_decay, gradient_scale;
    float correction1, correction2;  // 1 − βᵗ
} kb_adamw_step;
// torch.optim.AdamW: decoupled decay, then m̂ / (√v̂ + ε).
void kb_adamw(float *parameters, const float *gradients, float *first_moment, float *second_moment, long n,
              const kb_adamw_step *step);

// muon.c — momentum before and the update after the orthogonalization

// With g = gradient_scale · gradients: momentum_buffer += (1 − momentum) · (g − momentum_buffer);
// update = g + momentum · (momentum_buffer − g).
void kb_muon_momentum(float *update, const float *gradients, float *momentum_buffer, long n, float momentum,
                      float gradient_scale);
// y = a · y + b · x.
void kb_scale_add(float *y, float a, const float *x, float b, long n);

// f32product.c and f32avx2.c require kb_has_avx2(); bf16product.c requires kb_has_bf16()

// Packs an operand, in bfloat16 rounding it: `count` rows of k elements if k_along_row, otherwise k rows of `count`
// elements. A strip holds 16 of the `count` and takes 16 · k dwords, in bfloat16 16 · (k + 1) / 2. The layout of a left
// operand depends on the CPU; 16 of the `count` take the same space.
void kb_f32_pack_left(uint32_t *packed, const float *x, long stride, long count, long k, int k_along_row);
void kb_f32_pack_right(uint32_t *packed, const float *x, long stride, long count, long k, int k_along_row);
void kb_bf16_pack(uint32_t *packed, const float *x, long stride, long count, long k, int k_along_row);
// c = a·b, or c += a·b if `add` is set, for packed operands: c is m × n with row stride `stride`.
void kb_f32_product(float *c, long stride, long m, long n, long k, const uint32_t *a, const uint32_t *b, int add);
void kb_bf16_product(float *c, long stride, long m, long n, long k, const uint32_t *a, const uint32_t *b, int add);

// f32rows.c, bf16rows.c, s8rows.c — rows times packed weights

// Packs up to 16 rows of a weight (`count` rows of k elements) into one strip, in the layout of `kb_f32_pack_right` and
// `kb_bf16_pack`, on any CPU.
void kb_f32_pack_weights(float *packed, const float *x, long stride, long count, long k);
void kb_bf16_pack_weights(uint32_t *packed, const float *x, long stride, long count, long k);
// Packs signed bytes, four per dword: s = x / scale, with magnitude at most 127. Sets the scales of the 16 rows, and
// 128 times the sums of their bytes.
void kb_s8_pack_weights(uint32_t *packed, float *scales, int32_t *sums, const float *x, long stride, long count, long k);
// y = x rounded to the nearest bfloat16.
void kb_bf16_round(uint16_t *y, const float *x, long n);
// The same in place, as float32.
void kb_bf16_round_floats(float *x, long n);
// Converts strips in the layout of `kb_bf16_pack` to the layout of `kb_f32_pack_right`, without loss, on any CPU.
void kb_bf16_expand(uint32_t *expanded, const uint32_t *packed, long strips, long k);
// y = round(x / scale) + 128, where scale maps the largest magnitude to 127; sets *scale. Pads the last dword of y.
void kb_s8_quantize_row(uint8_t *y, float *scale, const float *x, long n);
// y = x·Wᵀ for rows of k elements and n outputs. Each row of `x` is padded to whole dwords and rows are contiguous; in
// float32 rows are x_stride apart. The first three require kb_has_avx2(), kb_has_bf16() and kb_has_avx2(); the
// portable versions run on any CPU. In int8 all versions give bit-identical results.
void kb_f32_rows(float *y, long y_stride, long rows, long n, long k, const float *x, long x_stride, const float *w);
void kb_bf16_rows(float *y, long y_stride, long rows, long n, long k, const uint32_t *x, const uint32_t *w);
void kb_s8_rows(float *y, long y_stride, long rows, long n, long k, const uint32_t *x, const float *x_scales,
                const uint32_t *w, const float *w_scales, const int32_t *w_sums);
void kb_f32_rows_portable(float *y, long y_stride, long rows, long n, long k, const float *x, long x_stride,
                          const float *w);
void kb_bf16_rows_portable(float *y, long y_stride, long rows, long n, long k, const uint32_t *x, const uint32_t *w);
void kb_s8_rows_portable(float *y, long y_stride, long rows, long n, long k, const uint32_t *x, const float *x_scales,
                         const uint32_t *w, const float *w_scales, const int32_t *w_sums);

// rates.c — multiply-adds with operands in registers

// Each executes `rounds` rounds of independent multiply-adds on the calling thread and returns the number of operations
// (a product and a sum are two), or 0 if the CPU lacks the instruction: float32 at the widest level of the CPU, bfloat16
// pairs (AVX512_BF16), and groups of four bytes (AVX512_VNNI).
long kb_f32_rate_loop(long rounds);
long kb_bf16_rate_loop(long rounds);
long kb_s8_rate_loop(long rounds);

// Versions for AVX2 and FMA of the functions with the same names without the suffix, for CPUs without AVX-512; declared
// for tests on other CPUs.
void kb_f32_pack_left_avx2(uint32_t *packed, const float *x, long stride, long count, long k, int k_along_row);
void kb_f32_pack_right_avx2(uint32_t *packed, const float *x, long stride, long count, long k, int k_along_row);
void kb_f32_product_avx2(float *c, long stride, long m, long n, long k, const uint32_t *a, const uint32_t *b, int add);
void kb_f32_rows_avx2(float *y, long y_stride, long rows, long n, long k, const float *x, long x_stride,
                      const float *w);
void kb_s8_rows_avx2(float *y, long y_stride, long rows, long n, long k, const uint32_t *x, const float *x_scales,
                     const uint32_t *w, const float *w_scales, const int32_t *w_sums);
