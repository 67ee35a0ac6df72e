#include "levels.h"
#include <math.h>

KB_LEVELS(void, kb_adamw,
          (float *parameters, const float *gradients, float *first_moment, float *second_moment, long n,
           const kb_adamw_step *step),
          (parameters, gradients, first_moment, second_moment, n, step)) {
    kb_adamw_step s = *step;
    float rate = s.learning_rate / s.correction1, root = 1.0f / sqrtf(s.correction2);
    float keep = 1.0f - s.learning_rate * s.weight_decay;
    KB_IN_PLACE
    for (long i = 0; i < n; i++) {
        float g = gradients[i] * s.gradient_scale;
        float m = s.beta1 * first_moment[i] + (1.0f - s.beta1) * g;
        float v = s.beta2 * second_moment[i] + (1.0f - s.beta2) * g * g;
        first_moment[i] = m;
        second_moment[i] = v;
        parameters[i] = parameters[i] * keep - rate * m / (sqrtf(v) * root + s.epsilon);
    }
}
