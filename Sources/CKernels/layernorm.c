#include "levels.h"
#include <math.h>

KB_LEVELS(void, kb_layer_norm,
          (float *y, float *mean, float *rstd, const float *x, const float *weight, const float *bias, long n,
           float epsilon),
          (y, mean, rstd, x, weight, bias, n, epsilon)) {
    float sum = 0, squares = 0;
    {
#pragma clang fp reassociate(on)
        for (long i = 0; i < n; i++) sum += x[i];
    }
    float m = sum / (float)n;
    {
#pragma clang fp reassociate(on)
        for (long i = 0; i < n; i++) squares += (x[i] - m) * (x[i] - m);
    }
    float r = 1.0f / sqrtf(squares / (float)n + epsilon);
    KB_IN_PLACE
    for (long i = 0; i < n; i++) y[i] = (x[i] - m) * r * weight[i] + bias[i];
    *mean = m;
    *rstd = r;
}

KB_LEVELS(void, kb_layer_norm_backward,
          (float *dx, const float *dy, const float *x, const float *weight, float mean, float rstd, long n),
          (dx, dy, x, weight, mean, rstd, n)) {
    // With x̂ = (x − mean)·rstd and g = dy·weight: dx = rstd·(g − mean(g) − x̂·mean(g·x̂))
    float g_sum = 0, gx_sum = 0;
    {
#pragma clang fp reassociate(on)
        for (long i = 0; i < n; i++) {
            float g = dy[i] * weight[i];
            g_sum += g;
            gx_sum += g * (x[i] - mean);
        }
    }
    float g_mean = g_sum / (float)n, gx_mean = gx_sum * rstd / (float)n;
    KB_IN_PLACE
    for (long i = 0; i < n; i++) dx[i] = rstd * (dy[i] * weight[i] - g_mean - (x[i] - mean) * rstd * gx_mean);
}

KB_LEVELS(void, kb_layer_norm_parameters_backward,
          (float *dweight, float *dbias, const float *dy, const float *x, const float *mean, const float *rstd,
           long rows, long n, long stride),
          (dweight, dbias, dy, x, mean, rstd, rows, n, stride)) {
    for (long row = 0; row < rows; row++) {
        const float *d = dy + row * stride, *v = x + row * stride;
        float m = mean[row], r = rstd[row];
        for (long i = 0; i < n; i++) {
            dweight[i] += d[i] * (v[i] - m) * r;
            dbias[i] += d[i];
        }
    }
}
