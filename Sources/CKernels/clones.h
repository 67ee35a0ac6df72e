// Compiles one definition for several x86-64 levels; the loader selects one. Disabled under sanitizers, because the
// selection runs before their runtime is initialized.
#pragma once
#if defined(__x86_64__) && !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
#define KB_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define KB_CLONES
#endif
#define KB_INLINE static inline __attribute__((always_inline))
// Marks a loop whose output may alias its input: element i is read before it is written, and no other element depends
// on it. Without this pragma the compiler falls back to scalar code if they alias.
#define KB_IN_PLACE _Pragma("clang loop vectorize(assume_safety)")
// Reductions accumulate in this many lanes regardless of the CPU's vector width, so that results do not depend on it.
enum { KB_LANES = 16 };
