#include "CKernels.h"
#include "exp.h"

// erf by a rational function of x² on [−4, 4] (the one used by Eigen and XLA), ±1 outside. Error below 3e-7.
KB_INLINE float erf_rational(float x) {
    x = x < -4.0f ? -4.0f : x;
    x = x > 4.0f ? 4.0f : x;
    float s = x * x;
    float p = -2.72614225801306e-10f;
    p = p * s + 2.77068142495902e-08f;
    p = p * s - 2.10102402082508e-06f;
    p = p * s - 5.69250639462346e-05f;
    p = p * s - 7.34990630326855e-04f;
    p = p * s - 2.95459980854025e-03f;
    p = p * s - 1.60960333262415e-02f;
    float q = -1.45660718464996e-05f;
    q = q * s - 2.13374055278905e-04f;
    q = q * s - 1.68282697438203e-03f;
    q = q * s - 7.37332916720468e-03f;
    q = q * s - 1.42647390514189e-02f;
    return x * p / q;
}

// Φ, the cumulative normal distribution
KB_INLINE float cumulative(float x) { return 0.5f + 0.5f * erf_rational(x * 0.70710678118654752f); }

KB_LEVELS(void, kb_bias_gelu, (float *y, float *x, const float *bias, long n), (y, x, bias, n)) {
    KB_IN_PLACE
    for (long i = 0; i < n; i++) {
        float v = x[i] + bias[i];
        x[i] = v;
        y[i] = v * cumulative(v);
    }
}

KB_LEVELS(void, kb_gelu_backward, (float *dx, const float *dy, const float *x, long n), (dx, dy, x, n)) {
    KB_IN_PLACE
    for (long i = 0; i < n; i++) {
        float v = x[i];
        // d/dx x·Φ(x) = Φ(x) + x·φ(x)
        dx[i] = dy[i] * (cumulative(v) + v * 0.39894228040143268f * kb_expf(-0.5f * v * v));
    }
}
