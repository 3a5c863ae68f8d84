/* The register tile: `pixels` outputs x `vectors` vectors of output channels, an accumulator
 * each; the reduction runs over filter rows, taps and contiguous inputs. Every output is one
 * chain of multiply-adds from the bias on, in filter order, in one call or going on in the next:
 * tiles of any size give the same bits.
 * An input element goes to all lanes.
 * Halves: the second vector of pixels 2i and 2i + 1 is one, acc[2i][1], a half for each. */

/* Reduction steps fetched ahead: covers the latency of L2 at one step in 14 cycles. */
#define FC_AHEAD 8

/* Pixel i of those that lie one after another from p, i < 7: three strides in registers reach them
 * all, as an address adds a register once, twice or four times. */
#define FC_REACH(p, i)                                                                         \
    ((i) == 0   ? (p)                                                                          \
     : (i) == 1 ? (p) + one                                                                    \
     : (i) == 2 ? (p) + 2 * one                                                                \
     : (i) == 3 ? (p) + three                                                                  \
     : (i) == 4 ? (p) + 4 * one                                                                \
     : (i) == 5 ? (p) + five                                                                   \
                : (p) + 2 * three)

/* Where pixel i of a tile lies that starts at p[0] and p[1]. */
#define FC_AT(p, i, pixel) ((i) < first ? (p)[0] + (i) * (pixel) : (p)[1] + ((i) - first) * (pixel))

static inline __attribute__((always_inline)) FC_VECTOR FC_NAME(activate)(const fc_activation *a,
                                                                         FC_VECTOR y)
{
    const FC_T slope = (FC_T)a->slope;
    const FC_VECTOR upper = FC_NAME(broadcast)((FC_T)a->upper);
    const FC_MASK leaks = (FC_INT) - (slope != 0) - (FC_MASK){0};
    const FC_VECTOR low = (FC_VECTOR)((FC_MASK)(slope * y) & leaks);
    const FC_VECTOR z = FC_NAME(select)(y < 0, low, y);
    return FC_NAME(select)(z > upper, upper, z);
}

static inline __attribute__((always_inline)) void FC_NAME(epilogue)(
    const fc_tile *t, FC_VECTOR acc[FC_MAX_PIXELS][FC_MAX_VECTORS], const char *const residual[2],
    const int pixels, const int vectors, const int halves)
{
    const int first = (pixels + 1) / 2;
    if (residual[0]) {
FC_UNROLL
        for (int i = 0; i < pixels; i++) {
            const char *p = FC_AT(residual, i, t->residual_pixel);
FC_UNROLL
            for (int j = 0; j < vectors; j++, p += FC_BYTES)
                acc[i][j] += j < vectors - 1 || (!halves && t->last == FC_LANES)
                                 ? FC_NAME(load)(p)
                                 : FC_NAME(load_part)(p, t->last);
        }
    }
    if (t->activation)
FC_UNROLL
        for (int i = 0; i < pixels; i++)
FC_UNROLL
            for (int j = 0; j < vectors; j++)
                acc[i][j] = FC_NAME(activate)(t->activation, acc[i][j]);
}

static inline __attribute__((always_inline)) void FC_NAME(tile)(const fc_tile *t, const int pixels,
                                                                const int vectors,
                                                                const int halves)
{
    const int first = (pixels + 1) / 2;
    const ptrdiff_t x_pixel = t->x_pixel, out_pixel = t->out_pixel, run = t->run;
    const ptrdiff_t second = t->x[1] - t->x[0], last = t->last;
    ptrdiff_t one = x_pixel, three = 3 * x_pixel, five = 5 * x_pixel;
    const char *start = t->x[0], *next = t->next;
    const char *residual[2] = {t->residual[0], t->residual[1]};
    char *out[2] = {t->out[0], t->out[1]};

    for (ptrdiff_t n = 0; n < t->count; n++) {
        FC_VECTOR acc[FC_MAX_PIXELS][FC_MAX_VECTORS];
        if (vectors == 2 && !halves && t->resume) {
FC_UNROLL
            for (int i = 0; i < pixels; i++) {
                const char *p = FC_AT(out, i, out_pixel);
                acc[i][0] = FC_NAME(load)(p);
                p += FC_BYTES;
                acc[i][1] = last == FC_LANES ? FC_NAME(load)(p) : FC_NAME(load_part)(p, last);
            }
        } else {
FC_UNROLL
            for (int i = 0; i < pixels; i++)
FC_UNROLL
                for (int j = 0; j < vectors; j++)
                    acc[i][j] = *(const FC_VECTOR *)(t->bias + j * FC_BYTES);
        }

        if (t->fetch_out) {
FC_UNROLL
            for (int i = 0; i < pixels; i++)
FC_UNROLL
                for (int j = 0; j < vectors; j++)
                    if (j * FC_BYTES % 64 == 0)
                        __builtin_prefetch(FC_AT(out, i, out_pixel) + j * FC_BYTES, 1);
        }

        const char *w = t->filter;
        for (ptrdiff_t r = 0; r < t->rows; r++) {
            for (ptrdiff_t s = 0; s < t->taps; s++) {
                const char *x[2];
                x[0] = start + r * t->x_row + s * t->x_tap;
                x[1] = x[0] + second;
                for (ptrdiff_t k = 0; k < run; k++) {
                    /* or the compiler would keep all their multiples, on the stack */
                    __asm__("" : "+r"(one), "+r"(three), "+r"(five));
                    FC_VECTOR f[FC_MAX_VECTORS], before;
FC_UNROLL
                    for (int j = 0; j < vectors; j++) {
                        f[j] = *(const FC_VECTOR *)(w + j * FC_BYTES);
                        if (j * FC_BYTES % 64 == 0)
                            __builtin_prefetch(w + (FC_AHEAD * vectors + j) * FC_BYTES);
                    }
                    __builtin_prefetch(next, 0, 2);
                    next += t->next_step;
                    before = f[0]; /* the pixel before; there is none before the first */
FC_UNROLL
                    for (int i = 0; i < pixels; i++) {
                        const char *p = i < first ? FC_REACH(x[0], i) : FC_REACH(x[1], i - first);
                        const FC_VECTOR a = FC_NAME(broadcast)(*(const FC_T *)p);
                        acc[i][0] += a * f[0];
                        if (vectors == 2 && !halves)
                            acc[i][1] += a * f[1];
                        else if (halves && i % 2)
                            acc[i - 1][1] += FC_NAME(join_halves)(before, a) * f[1];
                        else if (halves && i == pixels - 1)
                            acc[i][1] += a * f[1];
                        before = a;
                    }
                    x[0] += sizeof(FC_T);
                    x[1] += sizeof(FC_T);
                    w += vectors * FC_BYTES;
                }
            }
            w += t->filter_skip;
        }

        if (halves) {
FC_UNROLL
            for (int i = 1; i < pixels; i += 2)
                acc[i][1] = FC_NAME(high_half)(acc[i - 1][1]);
        }
        if (residual[0] || t->activation)
            FC_NAME(epilogue)(t, acc, residual, pixels, vectors, halves);
FC_UNROLL
        for (int i = 0; i < pixels; i++) {
            char *p = FC_AT(out, i, out_pixel);
FC_UNROLL
            for (int j = 0; j < vectors; j++, p += FC_BYTES)
                if (j < vectors - 1 || (!halves && last == FC_LANES))
                    FC_NAME(store)(p, acc[i][j]);
                else
                    FC_NAME(store_part)(p, acc[i][j], last);
        }
        start += pixels * x_pixel;
        for (int h = 0; h < 2; h++) {
            out[h] += pixels * out_pixel;
            if (residual[0])
                residual[h] += pixels * t->residual_pixel;
        }
    }
}
