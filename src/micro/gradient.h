/* The register tile of the filter gradient: `inputs` elements of the filter's rows x `vectors` of
 * its output channels, an accumulator each; the reduction runs over output pixels. It starts from
 * zero and is added to what is in out, so that long sums are sums of short ones.
 * Dense: inputs lie together, and each goes to all lanes. Depthwise: inputs are a channel's taps,
 * and lane i of the input goes to lane i. */

static inline __attribute__((always_inline)) void FC_NAME(gradient)(const fc_gradient *t,
                                                                    const int inputs,
                                                                    const int vectors,
                                                                    const int depthwise)
{
    const ptrdiff_t x_pixel = t->x_pixel, dy_pixel = t->dy_pixel, last = t->last;
    const ptrdiff_t x_ahead = FC_AHEAD * x_pixel, dy_ahead = FC_AHEAD * dy_pixel;
    ptrdiff_t one = t->x_tap, three = 3 * one, five = 5 * one;
    FC_VECTOR acc[FC_MAX_PIXELS][FC_MAX_VECTORS];
FC_UNROLL
    for (int i = 0; i < inputs; i++)
FC_UNROLL
        for (int j = 0; j < vectors; j++)
            acc[i][j] = (FC_VECTOR){0};

    for (ptrdiff_t n = 0; n < t->images; n++)
        for (ptrdiff_t r = 0; r < t->rows; r++) {
            const char *x = t->x + n * t->x_image + r * t->x_row;
            const char *dy = t->dy + n * t->dy_image + r * t->dy_row;
            for (ptrdiff_t k = t->cols; k > 0; k--) {
                __asm__("" : "+r"(one), "+r"(three), "+r"(five)); /* as in tile.h */
                FC_VECTOR f[FC_MAX_VECTORS];
FC_UNROLL
                for (int j = 0; j < vectors; j++) {
                    f[j] = FC_NAME(load)(dy + j * FC_BYTES);
                    if (j * FC_BYTES % 64 == 0)
                        __builtin_prefetch(dy + dy_ahead + j * FC_BYTES);
                }
                __builtin_prefetch(x + x_ahead);
                if (!depthwise && inputs * sizeof(FC_T) > 32)
                    __builtin_prefetch(x + x_ahead + inputs * sizeof(FC_T) - 1);
FC_UNROLL
                for (int i = 0; i < inputs; i++) {
                    const char *p = depthwise ? FC_REACH(x, i) : x + i * sizeof(FC_T);
                    FC_VECTOR a;
                    if (!depthwise)
                        a = FC_NAME(broadcast)(*(const FC_T *)p);
FC_UNROLL
                    for (int j = 0; j < vectors; j++) {
                        if (depthwise)
                            a = FC_NAME(load)(p + j * FC_BYTES);
                        acc[i][j] += a * f[j];
                    }
                }
                x += x_pixel;
                dy += dy_pixel;
            }
        }

    char *out = t->out;
FC_UNROLL
    for (int i = 0; i < inputs; i++, out += t->out_input)
FC_UNROLL
        for (int j = 0; j < vectors; j++) {
            char *p = out + j * FC_BYTES;
            if (j < vectors - 1 || last == FC_LANES)
                FC_NAME(store)(p, FC_NAME(load)(p) + acc[i][j]);
            else
                FC_NAME(store_part)(p, FC_NAME(load_part)(p, last) + acc[i][j], last);
        }
}

/* dst[i] += src[i]. */
static void FC_NAME(add)(char *dst, const char *src, ptrdiff_t count)
{
    ptrdiff_t i = 0;
    for (; i + FC_LANES <= count; i += FC_LANES, dst += FC_BYTES, src += FC_BYTES)
        FC_NAME(store)(dst, FC_NAME(load)(dst) + FC_NAME(load)(src));
    for (; i < count; i++, dst += sizeof(FC_T), src += sizeof(FC_T))
        *(FC_T *)dst += *(const FC_T *)src;
}
