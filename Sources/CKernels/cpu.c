// The instruction sets that kernels may use.
#include "levels.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"baseline", "avx2", "avx512", "native"};
enum { LEVELS = sizeof names / sizeof *names };

int kb_cpu_level_named(const char *name) {
    for (int level = 0; level < LEVELS; level++)
        if (!strcmp(name, names[level])) return level;
    return -1;
}

const char *kb_cpu_level_name(int level) { return names[level]; }

static int limit = KB_NATIVE;
static int vectors = KB_BASELINE;
static int bf16, vnni;

int kb_cpu_limit(void) { return limit; }

#if defined(__x86_64__)
// Runs before `main`, so that the level never changes while kernels use it.
__attribute__((constructor)) static void choose(void) {
    const char *wish = getenv("KANTAIBERT_CPU_LEVEL");
    if (wish) {
        limit = kb_cpu_level_named(wish);
        if (limit < 0) {
            fprintf(stderr, "KANTAIBERT_CPU_LEVEL: expected baseline, avx2, avx512 or native, found ‘%s’\n", wish);
            exit(78);  // EX_CONFIG
        }
    }
    __builtin_cpu_init();
    vectors = __builtin_cpu_supports("x86-64-v4")   ? KB_AVX512
              : __builtin_cpu_supports("x86-64-v3") ? KB_AVX2
                                                    : KB_BASELINE;
    if (vectors > limit) vectors = limit;
    int all = vectors == KB_AVX512 && limit == KB_NATIVE;
    bf16 = all && __builtin_cpu_supports("avx512bf16");
    vnni = all && __builtin_cpu_supports("avx512vnni");
}
#endif

int kb_vector_level(void) { return vectors; }
int kb_has_avx2(void) { return vectors >= KB_AVX2; }
int kb_has_avx512(void) { return vectors >= KB_AVX512; }
int kb_has_bf16(void) { return bf16; }
int kb_has_vnni(void) { return vnni; }
