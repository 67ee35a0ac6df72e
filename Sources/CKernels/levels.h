// Versions of a function for the levels of instruction sets, of which `kb_vector_level` selects one at each call.
#pragma once
#include "CKernels.h"

#define KB_INLINE static inline __attribute__((always_inline))
// Marks a loop whose output may alias its input: element i is read before it is written, and no other element depends
// on it. Without this pragma the compiler falls back to scalar code if they alias.
#define KB_IN_PLACE _Pragma("clang loop vectorize(assume_safety)")
// Reductions accumulate in this many lanes regardless of the CPU's vector width, so that results do not depend on it.
enum { KB_LANES = 16 };

// Defines `RESULT NAME PARAMETERS`, followed by its body, compiled for every level; ARGUMENTS repeats the names of the
// parameters. The attribute `target_clones` does the same, but selects before the environment can be read, and does not
// work under sanitizers, whose runtime is not initialized then.
#if defined(__x86_64__)
#define KB_LEVELS(RESULT, NAME, PARAMETERS, ARGUMENTS)                                                                 \
    KB_INLINE RESULT NAME##_body PARAMETERS;                                                                           \
    __attribute__((target("arch=x86-64-v4"))) static RESULT NAME##_avx512 PARAMETERS { return NAME##_body ARGUMENTS; } \
    __attribute__((target("arch=x86-64-v3"))) static RESULT NAME##_avx2 PARAMETERS { return NAME##_body ARGUMENTS; }   \
    static RESULT NAME##_baseline PARAMETERS { return NAME##_body ARGUMENTS; }                                         \
    RESULT NAME PARAMETERS {                                                                                           \
        switch (kb_vector_level()) {                                                                                   \
        case KB_AVX512: return NAME##_avx512 ARGUMENTS;                                                                \
        case KB_AVX2: return NAME##_avx2 ARGUMENTS;                                                                    \
        default: return NAME##_baseline ARGUMENTS;                                                                     \
        }                                                                                                              \
    }                                                                                                                  \
    KB_INLINE RESULT NAME##_body PARAMETERS
#else
#define KB_LEVELS(RESULT, NAME, PARAMETERS, ARGUMENTS) RESULT NAME PARAMETERS
#endif
