// One definition, compiled for each level of x86-64 and picked at load: before a sanitizer is there to be called.
#pragma once
#if defined(__x86_64__) && !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
#define KB_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define KB_CLONES
#endif
#define KB_INLINE static inline __attribute__((always_inline))
// Before a loop whose results may take the place of its inputs: element i is read before it is written, and nothing else
// is. Without it the compiler falls back to one element at a time where they do.
#define KB_IN_PLACE _Pragma("clang loop vectorize(assume_safety)")
// Partial results of a reduction are kept in this many lanes, whatever the CPU's vectors hold.
enum { KB_LANES = 16 };
