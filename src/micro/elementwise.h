/* An activation's way back. */

/* damped[i]: whether the activation, whose result is y, held back what went in: it was at most 0, or
 * reached `upper`, NaN if there is none. */
static void FC_NAME(mark)(unsigned char *damped, const void *y, double upper, ptrdiff_t count)
{
    const FC_T *from = y, most = (FC_T)upper;
    for (ptrdiff_t i = 0; i < count; i++)
        damped[i] = (from[i] <= 0) | (from[i] >= most);
}

/* dst[i] = slope * src[i] where damped[i], else src[i]. A slope of 0 makes 0 of anything. */
static void FC_NAME(damp)(void *dst, const void *src, const unsigned char *damped, double slope,
                          ptrdiff_t count)
{
    const FC_T *from = src, factor = (FC_T)slope;
    FC_T *to = dst;
    if (slope == 0)
        for (ptrdiff_t i = 0; i < count; i++)
            to[i] = damped[i] ? 0 : from[i];
    else
        for (ptrdiff_t i = 0; i < count; i++)
            to[i] = damped[i] ? factor * from[i] : from[i];
}
