/* The most multiply-adds and the most loads this level can do: what the other kernels are
 * measured against. */

enum { FC_NAME(chains) = 12 }; /* hides the latency at two a cycle, fits 16 registers */

/* Runs `steps` multiply-adds in each chain; returns the floating-point operations done. */
static double FC_NAME(peak)(ptrdiff_t steps)
{
    FC_VECTOR acc[FC_NAME(chains)];
    FC_VECTOR x = FC_NAME(broadcast)((FC_T)0.999), y = FC_NAME(broadcast)((FC_T)0.001);
    __asm__ volatile("" : "+m"(x), "+m"(y)); /* not known to the compiler */
    const FC_VECTOR scale = x, offset = y;
FC_UNROLL
    for (int i = 0; i < FC_NAME(chains); i++)
        acc[i] = offset * (FC_T)(i + 1); /* equal chains would be merged into one */
    for (ptrdiff_t s = 0; s < steps; s++)
FC_UNROLL
        for (int i = 0; i < FC_NAME(chains); i++)
            acc[i] = acc[i] * scale + offset;
FC_UNROLL
    for (int i = 0; i < FC_NAME(chains); i++) {
        x = acc[i];
        __asm__ volatile("" : : "m"(x));
    }
    return 2.0 * FC_NAME(chains) * FC_LANES * (double)steps;
}

/* Loads `bytes` bytes, whole kilobytes, `repeats` times over. */
static void FC_NAME(read)(const char *p, ptrdiff_t bytes, ptrdiff_t repeats)
{
    enum { loads = 1024 / FC_BYTES };
    FC_VECTOR sum[8] = {{0}}; /* hides the latency of an addition */
    for (ptrdiff_t r = 0; r < repeats; r++)
        for (ptrdiff_t i = 0; i < bytes; i += 1024)
#pragma GCC unroll 64
            for (int j = 0; j < loads; j++)
                sum[j % 8] += *(const FC_VECTOR *)(p + i + j * FC_BYTES);
    for (int j = 0; j < 8; j++) {
        FC_VECTOR v = sum[j];
        __asm__ volatile("" : : "m"(v));
    }
}
