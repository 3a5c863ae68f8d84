/* The register tile: `pixels` outputs x `vectors` vectors of output channels, an accumulator
 * each; the reduction runs over filter rows, taps and contiguous inputs. Every output is one
 * chain of multiply-adds from the bias on, in filter order, in one call or going on in the next:
 * tiles of any size give the same bits.
 * An input element goes to all lanes.
 * Halves: the second vector of pixels 2i and 2i + 1 is one, acc[2i][1], a half for each; or that of each
 * is a short one, the low half of acc[i][1]. */

/* Reduction steps fetched ahead: covers the latency of L2 at one step in 14 cycles. */
#define FC_AHEAD 8

/* Multiples of the distance between pixels, in registers. */
typedef struct {
    ptrdiff_t one, two, three, five, six;
} FC_NAME(strides);

static inline __attribute__((always_inline)) FC_NAME(strides) FC_NAME(multiples)(ptrdiff_t one)
{
    return (FC_NAME(strides)){one, 2 * one, 3 * one, 5 * one, 6 * one};
}

/* To the compiler they are then any numbers, or it would keep other multiples on the stack and add
 * up what an address adds by itself. Once for each step. `few`: those that reach six pixels, where
 * registers are short. */
static inline __attribute__((always_inline)) FC_NAME(strides) FC_NAME(hidden)(FC_NAME(strides) s,
                                                                              const int few)
{
    __asm__("" : "+r"(s.one), "+r"(s.three), "+r"(s.five));
    if (few)
        s.two = 2 * s.one;
    else
        __asm__("" : "+r"(s.two), "+r"(s.six));
    return s;
}

/* Pixel i of those that lie one after another from p, i < 7. */
#define FC_REACH(p, i, s)                                                                      \
    ((i) == 0   ? (p)                                                                          \
     : (i) == 1 ? (p) + (s).one                                                                \
     : (i) == 2 ? (p) + (s).two                                                                \
     : (i) == 3 ? (p) + (s).three                                                              \
     : (i) == 4 ? (p) + 4 * (s).one                                                            \
     : (i) == 5 ? (p) + (s).five                                                               \
                : (p) + (s).six)

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

/* A step of the reduction: an input of each pixel. */
static inline __attribute__((always_inline)) void FC_NAME(step)(
    FC_VECTOR acc[FC_MAX_PIXELS][FC_MAX_VECTORS], const char *const x[2], const int input,
    const char *w, const ptrdiff_t next_slab, const char *next, FC_NAME(strides) s, const int pixels,
    const int vectors, const int halves)
{
    const int first = (pixels + 1) / 2;
    FC_VECTOR f[FC_MAX_VECTORS], before;
FC_UNROLL
    for (int j = 0; j < vectors; j++) {
        const char *const v =
            w + (j < FC_SLAB_VECTORS ? 0 : next_slab) + j % FC_SLAB_VECTORS * FC_BYTES;
        f[j] = *(const FC_VECTOR *)v;
        if (vectors <= FC_SLAB_VECTORS && j * FC_BYTES % 64 == 0) /* of two slabs: left to the CPU */
            __builtin_prefetch(v + FC_AHEAD * vectors * FC_BYTES);
    }
    if (vectors > 1 || input == 0) /* tiles of one vector have fewer loads to spare */
        __builtin_prefetch(next, 0, 2);
    if (vectors * FC_BYTES > 64 && pixels <= FC_PIXELS / 2) /* alone, it fetches two lines a step */
        __builtin_prefetch(next + 64, 0, 2);
    before = f[0]; /* the pixel before; there is none before the first */
FC_UNROLL
    for (int i = 0; i < pixels; i++) {
        const char *p = i < first ? FC_REACH(x[0], i, s) : FC_REACH(x[1], i - first, s);
        const FC_VECTOR a = FC_NAME(broadcast)(((const FC_T *)p)[input]);
        acc[i][0] += a * f[0];
        if (vectors > 1 && !halves)
FC_UNROLL
            for (int j = 1; j < vectors; j++)
                acc[i][j] += a * f[j];
#if FC_BYTES == 64
        else if (halves == FC_SHORT)
            acc[i][1] = FC_NAME(add_short_product)(acc[i][1], a, f[1]);
#endif
        else if (halves && i % 2)
            acc[i - 1][1] += FC_NAME(join_halves)(before, a) * f[1];
        else if (halves && i == pixels - 1)
            acc[i][1] += a * f[1];
        before = a;
    }
}

/* `distance`: of pixels in bytes if that is known, so that addresses need no registers; else 0. */
static inline __attribute__((always_inline)) void FC_NAME(tile)(const fc_tile *t, const int pixels,
                                                                const int vectors,
                                                                const int halves,
                                                                const ptrdiff_t distance)
{
    const int first = (pixels + 1) / 2;
    const ptrdiff_t x_pixel = distance ? distance : t->x_pixel;
    const ptrdiff_t out_pixel = t->out_pixel, run = t->run;
    const int wide = vectors < FC_SLAB_VECTORS ? vectors : FC_SLAB_VECTORS;
    const ptrdiff_t second = t->x[1] - t->x[0], last = t->last, next_step = t->next_step;
    FC_NAME(strides) strides = FC_NAME(multiples)(x_pixel);
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
                const char *const end = w + run * wide * FC_BYTES;
                const char *const even = end - run % 2 * wide * FC_BYTES;
                while (FC_PAIRS && w != even) {
                    strides = distance ? strides : FC_NAME(hidden)(strides, 0);
                    FC_NAME(step)(acc, x, 0, w, t->next_slab, next, strides, pixels, vectors,
                                  halves);
                    __asm__ volatile("" : : : "memory"); /* or they mix, and lack registers */
                    strides = distance ? strides : FC_NAME(hidden)(strides, 0);
                    FC_NAME(step)(acc, x, 1, w + wide * FC_BYTES, t->next_slab, next + next_step,
                                  strides, pixels, vectors, halves);
                    x[0] += 2 * sizeof(FC_T);
                    x[1] += 2 * sizeof(FC_T);
                    w += 2 * wide * FC_BYTES;
                    next += 2 * next_step;
                }
                while (w != end) {
                    strides = distance ? strides : FC_NAME(hidden)(strides, !FC_PAIRS);
                    FC_NAME(step)(acc, x, 0, w, t->next_slab, next, strides, pixels, vectors,
                                  halves);
                    x[0] += sizeof(FC_T);
                    x[1] += sizeof(FC_T);
                    w += wide * FC_BYTES;
                    next += next_step;
                }
            }
            w += t->filter_skip;
        }

        if (halves == FC_JOINED) {
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
