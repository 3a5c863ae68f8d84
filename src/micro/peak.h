/* The most multiply-adds this level can do: what the other kernels are measured against. */

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
