// exp with an error of 1 to 2 ulp: range reduction to |r| ≤ ln 2 / 2, then a polynomial (Cephes, expf).
#pragma once
#include "levels.h"
#include <string.h>

KB_INLINE float kb_expf(float x) {
    const float magic = 12582912.0f;  // 1.5·2²³: adding it rounds to an integer
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float shifted = x * 1.44269504088896341f + magic;
    float n = shifted - magic;
    float r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    int exponent;
    memcpy(&exponent, &shifted, 4);
    exponent = (exponent - 0x4B400000 + 127) << 23;
    float scale;
    memcpy(&scale, &exponent, 4);
    return p * scale;
}
