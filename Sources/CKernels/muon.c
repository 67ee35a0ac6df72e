#include "levels.h"

KB_LEVELS(void, kb_muon_momentum,
          (float *update, const float *gradients, float *momentum_buffer, long n, float momentum,
           float gradient_scale),
          (update, gradients, momentum_buffer, n, momentum, gradient_scale)) {
    KB_IN_PLACE
    for (long i = 0; i < n; i++) {
        float g = gradients[i] * gradient_scale;
        float m = momentum_buffer[i] + (1.0f - momentum) * (g - momentum_buffer[i]);
        momentum_buffer[i] = m;
        update[i] = g + momentum * (m - g);
    }
}

KB_LEVELS(void, kb_scale_add, (float *y, float a, const float *x, float b, long n), (y, a, x, b, n)) {
    KB_IN_PLACE
    for (long i = 0; i < n; i++) y[i] = a * y[i] + b * x[i];
}
