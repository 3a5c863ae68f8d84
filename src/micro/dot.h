/* The tile of dot products: `pixels` outputs x a few output channels, where these would fill
 * little of a vector. The reduction is in the lanes, an accumulator vector each; at the end its
 * lanes are added in pairs, pairs of pairs, and so on, in the same way for all: tiles of any size
 * give the same bits. */

#define FC_DOT_VECTORS ((16 + FC_LANES - 1) / FC_LANES) /* that hold the outputs of a tile */

#if defined(__AVX2__) && !defined(__clang__)
/* Where stage s takes the two terms of lane l from: of one vector where bit s of l is clear, else of
 * the vector behind. */
#define FC_TERM_1(s, l) ((l) & (s) ? FC_LANES + (l) - (s) : (l))
#define FC_TERM_2(s, l) ((l) & (s) ? FC_LANES + (l) : (l) + (s))
#define FC_LANE_LIST(f, s)                                                                     \
    {f(s, 0), f(s, 1), f(s, 2),  f(s, 3),  f(s, 4),  f(s, 5),  f(s, 6),  f(s, 7),              \
     f(s, 8), f(s, 9), f(s, 10), f(s, 11), f(s, 12), f(s, 13), f(s, 14), f(s, 15)}
#define FC_TERMS(s) {FC_LANE_LIST(FC_TERM_1, s), FC_LANE_LIST(FC_TERM_2, s)}
static const FC_INT FC_NAME(terms)[4][2][16]
    __attribute__((aligned(64))) = {FC_TERMS(1), FC_TERMS(2), FC_TERMS(4), FC_TERMS(8)};

static inline __attribute__((always_inline)) void FC_NAME(add_terms)(FC_VECTOR v[FC_LANES],
                                                                     const int s, const int stage)
{
    const FC_MASK first = *(const FC_MASK *)FC_NAME(terms)[stage][0];
    const FC_MASK second = *(const FC_MASK *)FC_NAME(terms)[stage][1];
FC_UNROLL
    for (int i = 0; i + s < FC_LANES; i += 2 * s)
        v[i] = __builtin_shuffle(v[i], v[i + s], first) + __builtin_shuffle(v[i], v[i + s], second);
}

/* Lane l of the result is the sum of the lanes of v[l]. */
static inline __attribute__((always_inline)) FC_VECTOR FC_NAME(sums)(FC_VECTOR v[FC_LANES])
{
    FC_NAME(add_terms)(v, 1, 0); /* not a loop, which would keep v on the stack */
    FC_NAME(add_terms)(v, 2, 1);
    FC_NAME(add_terms)(v, 4, 2);
    FC_NAME(add_terms)(v, 8, 3);
    return v[0];
}
#else
static inline __attribute__((always_inline)) FC_VECTOR FC_NAME(sums)(FC_VECTOR v[FC_LANES])
{
    union {
        FC_VECTOR vector;
        FC_T lane[FC_LANES];
    } all, u;
FC_UNROLL
    for (int i = 0; i < FC_LANES; i++) {
        u.vector = v[i];
        for (int s = 1; s < FC_LANES; s *= 2)
            for (int l = 0; l < FC_LANES; l += 2 * s)
                u.lane[l] += u.lane[l + s];
        all.lane[i] = u.lane[0];
    }
    return all.vector;
}
#endif

#ifdef __aarch64__
#define FC_IN_REGISTER(v) __asm__("" : "+w"(v))
#elif defined(__x86_64__)
#define FC_IN_REGISTER(v) __asm__("" : "+v"(v))
#else
#define FC_IN_REGISTER(v) (void)(v)
#endif

/* A step of the reduction, of `left` elements, at most as many as a vector has lanes. */
static inline __attribute__((always_inline)) void FC_NAME(dot_step)(
    FC_VECTOR *acc, const char *const x[2], const char *w, FC_NAME(strides) s, const int pixels,
    const int outputs, const ptrdiff_t left)
{
    const int first = (pixels + 1) / 2;
    FC_VECTOR f[FC_MAX_DOTS];
FC_UNROLL
    for (int j = 0; j < outputs; j++)
        f[j] = *(const FC_VECTOR *)(w + j * FC_BYTES);
FC_UNROLL
    for (int i = 0; i < pixels; i++) {
        const char *p = i < first ? FC_REACH(x[0], i, s) : FC_REACH(x[1], i - first, s);
        FC_VECTOR a = FC_NAME(load_at_most)(p, left);
        if (outputs > 1)
            FC_IN_REGISTER(a); /* or every multiply-add would load it */
FC_UNROLL
        for (int j = 0; j < outputs; j++)
            acc[i * outputs + j] += a * f[j];
    }
}

static inline __attribute__((always_inline)) void FC_NAME(dot)(const fc_tile *t, const int pixels,
                                                               const int outputs)
{
    const int first = (pixels + 1) / 2;
    const int groups = (pixels * outputs + FC_LANES - 1) / FC_LANES;
    const ptrdiff_t whole = t->run / FC_LANES, left = t->run % FC_LANES;
    const ptrdiff_t second = t->x[1] - t->x[0], step = outputs * FC_BYTES;
    FC_NAME(strides) strides = FC_NAME(multiples)(t->x_pixel);
    const char *start = t->x[0];
    const char *residual[2] = {t->residual[0], t->residual[1]};
    char *out[2] = {t->out[0], t->out[1]};
    union {
        FC_VECTOR vector[FC_DOT_VECTORS];
        FC_T lane[FC_DOT_VECTORS * FC_LANES];
    } bias, sums;

    for (int i = 0; i < groups * FC_LANES; i++)
        bias.lane[i] = ((const FC_T *)t->bias)[i % outputs];
    for (ptrdiff_t n = 0; n < t->count; n++) {
        FC_VECTOR acc[FC_DOT_VECTORS * FC_LANES];
FC_UNROLL
        for (int i = 0; i < groups * FC_LANES; i++)
            acc[i] = (FC_VECTOR){0};
        const char *w = t->filter;
        for (ptrdiff_t r = 0; r < t->rows; r++) {
            for (ptrdiff_t s = 0; s < t->taps; s++) {
                const char *x[2];
                x[0] = start + r * t->x_row + s * t->x_tap;
                x[1] = x[0] + second;
                for (ptrdiff_t k = 0; k < whole; k++) {
                    strides = FC_NAME(hidden)(strides, 1);
                    FC_NAME(dot_step)(acc, x, w, strides, pixels, outputs, FC_LANES);
                    x[0] += FC_BYTES;
                    x[1] += FC_BYTES;
                    w += step;
                }
                if (left) {
                    FC_NAME(dot_step)(acc, x, w, strides, pixels, outputs, left);
                    w += step;
                }
            }
            w += t->filter_skip;
        }

FC_UNROLL
        for (int g = 0; g < groups; g++)
            sums.vector[g] = FC_NAME(sums)(acc + g * FC_LANES) + bias.vector[g];
        if (residual[0])
            for (int i = 0; i < pixels; i++)
                for (int j = 0; j < outputs; j++)
                    sums.lane[i * outputs + j] +=
                        ((const FC_T *)FC_AT(residual, i, t->residual_pixel))[j];
        if (t->activation)
            for (int g = 0; g < groups; g++)
                sums.vector[g] = FC_NAME(activate)(t->activation, sums.vector[g]);
FC_UNROLL
        for (int i = 0; i < pixels; i++)
FC_UNROLL
            for (int j = 0; j < outputs; j++)
                ((FC_T *)FC_AT(out, i, t->out_pixel))[j] = sums.lane[i * outputs + j];
        start += pixels * strides.one;
        for (int h = 0; h < 2; h++) {
            out[h] += pixels * t->out_pixel;
            if (residual[0])
                residual[h] += pixels * t->residual_pixel;
        }
    }
}
