/* The register tile: `pixels` outputs x `vectors` vectors of output channels, an accumulator
 * each; the reduction runs over filter rows, taps and contiguous inputs. Every output is one
 * chain of multiply-adds from the bias on, in filter order: tiles of any size give the same bits.
 * Dense: an input element goes to all lanes. Depthwise: lane i of the input to lane i. */

/* Reduction steps fetched ahead: covers the latency of L2 at one step in 14 cycles. */
#define FC_AHEAD 8

static inline __attribute__((always_inline)) void FC_NAME(tile)(const fc_tile *t, const int pixels,
                                                                const int vectors,
                                                                const int depthwise)
{
    const int first = (pixels + 1) / 2;
    FC_VECTOR acc[FC_MAX_PIXELS][FC_MAX_VECTORS];
#pragma GCC unroll 14
    for (int i = 0; i < pixels; i++)
#pragma GCC unroll 2
        for (int j = 0; j < vectors; j++)
            acc[i][j] = *(const FC_VECTOR *)(t->bias + j * FC_BYTES);

    const char *w = t->filter;
    const ptrdiff_t x_pixel = t->x_pixel, second = t->x[1] - t->x[0], run = t->run;
    for (ptrdiff_t r = 0; r < t->rows; r++) {
        for (ptrdiff_t s = 0; s < t->taps; s++) {
            const char *x = t->x[0] + r * t->x_row + s * t->x_tap;
            for (ptrdiff_t k = 0; k < run; k++) {
                FC_VECTOR f[FC_MAX_VECTORS];
#pragma GCC unroll 2
                for (int j = 0; j < vectors; j++)
                    f[j] = *(const FC_VECTOR *)(w + j * FC_BYTES);
#pragma GCC unroll 2
                for (int j = 0; j < vectors * FC_BYTES; j += 64)
                    __builtin_prefetch(w + j + FC_AHEAD * vectors * FC_BYTES);
#pragma GCC unroll 14
                for (int i = 0; i < pixels; i++) {
                    const char *p = i < first ? x + i * x_pixel
                                              : x + second + (i - first) * x_pixel;
                    const FC_VECTOR a = depthwise ? FC_NAME(load)(p)
                                                  : FC_NAME(broadcast)(*(const FC_T *)p);
#pragma GCC unroll 2
                    for (int j = 0; j < vectors; j++)
                        acc[i][j] += a * f[j];
                }
                x += depthwise ? FC_BYTES : sizeof(FC_T);
                w += vectors * FC_BYTES;
            }
        }
    }

    const ptrdiff_t last = t->last;
    if (t->residual[0]) {
#pragma GCC unroll 14
        for (int i = 0; i < pixels; i++) {
            const char *p = i < first ? t->residual[0] + i * t->residual_pixel
                                      : t->residual[1] + (i - first) * t->residual_pixel;
#pragma GCC unroll 2
            for (int j = 0; j < vectors; j++, p += FC_BYTES)
                acc[i][j] += j < vectors - 1 || last == FC_LANES ? FC_NAME(load)(p)
                                                                 : FC_NAME(load_part)(p, last);
        }
    }
    if (t->activation) {
        const FC_T slope = (FC_T)t->activation->slope;
        const FC_VECTOR upper = FC_NAME(broadcast)((FC_T)t->activation->upper);
        const FC_MASK leaks = (FC_INT)-(slope != 0) - (FC_MASK){0};
#pragma GCC unroll 14
        for (int i = 0; i < pixels; i++)
#pragma GCC unroll 2
            for (int j = 0; j < vectors; j++) {
                const FC_VECTOR y = acc[i][j];
                const FC_VECTOR low = (FC_VECTOR)((FC_MASK)(slope * y) & leaks);
                const FC_VECTOR z = FC_NAME(select)(y < 0, low, y);
                acc[i][j] = FC_NAME(select)(z > upper, upper, z);
            }
    }
#pragma GCC unroll 14
    for (int i = 0; i < pixels; i++) {
        char *p = i < first ? t->out[0] + i * t->out_pixel
                            : t->out[1] + (i - first) * t->out_pixel;
#pragma GCC unroll 2
        for (int j = 0; j < vectors; j++, p += FC_BYTES)
            if (j < vectors - 1 || last == FC_LANES)
                FC_NAME(store)(p, acc[i][j]);
            else
                FC_NAME(store_part)(p, acc[i][j], last);
    }
}
