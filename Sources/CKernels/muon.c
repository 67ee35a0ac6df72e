#include "CKernels.h"
#include "clones.h"

KB_CLONES void kb_muon_momentum(float *update, const float *gradients, float *momentum_buffer, long n, float momentum,
                                float gradient_scale) {
    KB_IN_PLACE
    for (long i = 0; i < n; i++) {
        float g = gradients[i] * gradient_scale;
        float m = momentum_buffer[i] + (1.0f - momentum) * (g - momentum_buffer[i]);
        momentum_buffer[i] = m;
        update[i] = g + momentum * (m - g);
    }
}

KB_CLONES void kb_scale_add(float *y, float a, const float *x, float b, long n) {
    KB_IN_PLACE
    for (long i = 0; i < n; i++) y[i] = a * y[i] + b * x[i];
}
