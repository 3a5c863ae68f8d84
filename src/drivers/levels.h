/* What the build and this machine are: OpenMP, compiler, CPU features, cache.
 * Only levels.pyx includes this. It is compiled for the baseline. */
#ifndef FASTCONV_LEVELS_H
#define FASTCONV_LEVELS_H

#include <stdio.h>

#include "table.h"

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

#ifdef _OPENMP
#include <omp.h>
#define FC_OPENMP _OPENMP
/* Follows OMP_NUM_THREADS, threadpoolctl, and the CPU affinity as it is now. */
static int fc_max_threads(void)
{
    const int most = omp_get_max_threads(), cpus = omp_get_num_procs();
    return most < cpus ? most : cpus;
}
#else
#define FC_OPENMP 0
static int fc_max_threads(void) { return 1; }
#endif

#define FC_TEXT(x) #x
#define FC_VERSION(a, b, c) FC_TEXT(a) "." FC_TEXT(b) "." FC_TEXT(c)
#if defined(__clang__)
#define FC_COMPILER "clang " FC_VERSION(__clang_major__, __clang_minor__, __clang_patchlevel__)
#elif defined(__GNUC__)
#define FC_COMPILER "gcc " FC_VERSION(__GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__)
#else
#define FC_COMPILER "unknown"
#endif

typedef struct {
    const char *name;
    const fc_table *const *tables;
    int runnable;
} fc_level;

/* Slowest first. __builtin_cpu_supports also asks whether the system saves the registers. */
static int fc_find_levels(fc_level levels[3])
{
    int n = 0;
    levels[n++] = (fc_level){"baseline", fc_tables_baseline, 1};
#if defined(FC_HAVE_X86_64_V3) || defined(FC_HAVE_X86_64_V4)
    __builtin_cpu_init();
    const int v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                   __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
#endif
#ifdef FC_HAVE_X86_64_V3
    levels[n++] = (fc_level){"x86_64_v3", fc_tables_x86_64_v3, v3};
#endif
#ifdef FC_HAVE_X86_64_V4
    const int v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                   __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512cd");
    levels[n++] = (fc_level){"x86_64_v4", fc_tables_x86_64_v4, v4};
#endif
    return n;
}

/* Whether AMD made the CPU. */
static int fc_is_amd(void)
{
#if defined(FC_HAVE_X86_64_V3) || defined(FC_HAVE_X86_64_V4)
    __builtin_cpu_init();
    return __builtin_cpu_is("amd") != 0;
#else
    return 0;
#endif
}

/* Bytes of a vector that a multiply-add unit takes at once. Zen 4 takes those of AVX-512 in halves
 * (AMD, Software Optimization Guide for the Zen 4 Microarchitecture, 57647). */
static ptrdiff_t fc_unit_bytes(void)
{
#if defined(FC_HAVE_X86_64_V3) || defined(FC_HAVE_X86_64_V4)
    __builtin_cpu_init();
    if (__builtin_cpu_is("amdfam19h"))
        return 32;
#endif
    return 64;
}

/* Bytes of the cache of a level, 2 or 3, that CPU 0 uses; 0 if the system does not tell. Linux' files
 * come first: glibc adds up the L3 of an AMD package, of which each core reaches a part. */
static ptrdiff_t fc_cache_bytes(int level)
{
    long size = 0;
#ifdef __linux__
    char path[64];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", level);
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%ldK", &size) != 1)
            size = 0;
        fclose(file);
    }
    if (size > 0)
        return (ptrdiff_t)size * 1024;
#endif
#ifdef _SC_LEVEL3_CACHE_SIZE
    size = sysconf(level == 2 ? _SC_LEVEL2_CACHE_SIZE : _SC_LEVEL3_CACHE_SIZE);
#endif
    return size > 0 ? (ptrdiff_t)size : 0;
}

/* Bytes of a core's L2, 512 KiB where the system does not tell. */
static ptrdiff_t fc_l2_bytes(void)
{
    const ptrdiff_t bytes = fc_cache_bytes(2);
    return bytes >= 131072 ? bytes : 524288;
}

/* Bytes of L3 that a call can count on: half, as other cores use it too. 4 MiB where the system does
 * not tell. */
static ptrdiff_t fc_l3_bytes(void)
{
    const ptrdiff_t bytes = fc_cache_bytes(3);
    return bytes >= 2097152 ? bytes / 2 : 4194304;
}

#endif
