#include "levels.h"

KB_LEVELS(void, kb_add_bias, (float *x, const float *bias, long n), (x, bias, n)) {
    KB_IN_PLACE
    for (long i = 0; i < n; i++) x[i] += bias[i];
}

KB_LEVELS(void, kb_add, (float *y, const float *x, long n), (y, x, n)) {
    KB_IN_PLACE
    for (long i = 0; i < n; i++) y[i] += x[i];
}

KB_LEVELS(void, kb_bias_dropout_residual,
          (float *y, const float *x, const float *bias, const uint8_t *mask, float scale, const float *residual,
           long n),
          (y, x, bias, mask, scale, residual, n)) {
    if (mask) {
        KB_IN_PLACE
        for (long i = 0; i < n; i++) y[i] = residual[i] + (float)mask[i] * scale * (x[i] + bias[i]);
    } else {
        KB_IN_PLACE
        for (long i = 0; i < n; i++) y[i] = residual[i] + (x[i] + bias[i]);
    }
}

KB_LEVELS(void, kb_mask, (float *y, const float *x, const uint8_t *mask, float scale, long n), (y, x, mask, scale, n)) {
    KB_IN_PLACE
    for (long i = 0; i < n; i++) y[i] = (float)mask[i] * scale * x[i];
}

KB_LEVELS(void, kb_add_rows, (float *y, const float *x, long rows, long n, long stride), (y, x, rows, n, stride)) {
    for (long row = 0; row < rows; row++)
        KB_IN_PLACE
        for (long i = 0; i < n; i++) y[i] += x[row * stride + i];
}

KB_LEVELS(double, kb_squared_norm, (const float *x, long n), (x, n)) {
    double lanes[KB_LANES] = {0};
    long i = 0;
    for (; i + KB_LANES <= n; i += KB_LANES)
        for (int j = 0; j < KB_LANES; j++) lanes[j] += (double)x[i + j] * (double)x[i + j];
    for (; i < n; i++) lanes[0] += (double)x[i] * (double)x[i];
    double sum = 0;
    for (int j = 0; j < KB_LANES; j++) sum += lanes[j];
    return sum;
}
