/* Channel-first convolution of few channels: a vector holds neighbouring outputs of one channel, so
 * inputs and outputs are read and written where they lie along a row. A filter element is loaded
 * once for several rows, an input once for several output channels of a group. Every output is the
 * sum that lanewise.h makes, in the same order. */

static inline __attribute__((always_inline)) void FC_NAME(plane_store)(
    const fc_planewise *t, char *out, ptrdiff_t next, ptrdiff_t width, FC_VECTOR *acc,
    const int count)
{
FC_UNROLL
    for (int i = 0; i < count; i++) {
        const FC_VECTOR y = t->activation ? FC_NAME(activate)(t->activation, acc[i]) : acc[i];
        if (width == FC_LANES)
            FC_NAME(store)(out + i * next, y);
        else
            FC_NAME(store_part)(out + i * next, y, width);
    }
}

/* `count` vectors of outputs, of neighbouring rows or columns. */
static inline __attribute__((always_inline)) void FC_NAME(plane_vectors)(
    const fc_planewise *t, const char *x, ptrdiff_t x_next, char *out, ptrdiff_t out_next,
    ptrdiff_t width, const int outs, const int count)
{
    const ptrdiff_t *input = t->inputs, *end = input + t->rows * t->row;
    const char *filter = t->filter;
    FC_VECTOR acc[4][4];
FC_UNROLL
    for (int o = 0; o < outs; o++)
FC_UNROLL
        for (int i = 0; i < count; i++)
            acc[o][i] = FC_NAME(broadcast)(((const FC_T *)t->bias)[o]);
    for (; input < end; input++, filter += FC_BYTES) {
        const char *p = x + *input;
        FC_VECTOR in[4];
FC_UNROLL
        for (int i = 0; i < count; i++)
            in[i] = FC_NAME(load)(p + i * x_next);
FC_UNROLL
        for (int o = 0; o < outs; o++) {
            const FC_VECTOR f = FC_NAME(broadcast)(((const FC_T *)filter)[o]);
FC_UNROLL
            for (int i = 0; i < count; i++)
                acc[o][i] += in[i] * f;
        }
    }
FC_UNROLL
    for (int o = 0; o < outs; o++)
        FC_NAME(plane_store)(t, out + o * t->out_channel, out_next, width, acc[o], count);
}

/* What follows is for one channel and filters of so many rows and columns. */
#if FC_BYTES == 64
/* Where the image lies: a row of inputs is loaded once, with zeros for its padding, and shifted. */
enum { FC_NAME(planes_in_place) = 1 };

#define FC_EVEN(l) (2 * (l))
#define FC_ODD(l) (2 * (l) + 1)

/* The vector `by` lanes after a, of which b is the next. */
static inline __attribute__((always_inline)) FC_VECTOR FC_NAME(plane_shift)(FC_VECTOR a,
                                                                            FC_VECTOR b,
                                                                            const int by)
{
    /* a number that the instruction has in itself must be written as one */
#define FC_BY(n)                                                                               \
    if (by == (n))                                                                             \
        return (FC_VECTOR)(FC_SIZE == 4                                                        \
                               ? _mm512_alignr_epi32((__m512i)b, (__m512i)a, (n) % 16)         \
                               : _mm512_alignr_epi64((__m512i)b, (__m512i)a, (n) % 8));
    FC_BY(1) FC_BY(2) FC_BY(3) FC_BY(4) FC_BY(5) FC_BY(6) FC_BY(7) FC_BY(8) FC_BY(9) FC_BY(10)
    FC_BY(11) FC_BY(12) FC_BY(13) FC_BY(14) FC_BY(15)
#undef FC_BY
    return a;
}

/* Vectors of which the second begins where the first ends, and the third where the second does: what
 * the taps of neighbouring outputs read. `lanes`: of each vector, those that are not padding. */
static inline __attribute__((always_inline)) void FC_NAME(plane_taps)(
    const char *x, const unsigned lanes[3], FC_VECTOR *in, const int taps, const int stride)
{
    FC_VECTOR v[3];
FC_UNROLL
    for (int i = 0; i <= stride; i++)
        v[i] = lanes[i] ? FC_NAME(load_lanes)(x + i * FC_BYTES, lanes[i]) : (FC_VECTOR){0};
    if (stride == 2) {
        const FC_VECTOR even = FC_SHUFFLE(v[0], v[1], FC_EVEN), odd = FC_SHUFFLE(v[0], v[1], FC_ODD);
        /* its first lane is all that three taps need */
        const FC_VECTOR next_even = taps == 3 ? v[2] : FC_SHUFFLE(v[2], v[2], FC_EVEN);
        const FC_VECTOR next_odd = FC_SHUFFLE(v[2], v[2], FC_ODD);
FC_UNROLL
        for (int k = 0; k < taps; k++)
            in[k] = FC_NAME(plane_shift)(k % 2 ? odd : even, k % 2 ? next_odd : next_even, k / 2);
    } else
FC_UNROLL
        for (int k = 0; k < taps; k++)
            in[k] = FC_NAME(plane_shift)(v[0], v[1], k);
}

/* A column of vectors of outputs: those of which a row of inputs is part are in registers. */
static inline __attribute__((always_inline)) void FC_NAME(plane_column)(
    const fc_planewise *t, ptrdiff_t first, ptrdiff_t lines, ptrdiff_t col, const int taps,
    const int stride)
{
    const int live = (taps + stride - 1) / stride;
    const ptrdiff_t width = t->cols - col < FC_LANES ? t->cols - col : FC_LANES;
    const ptrdiff_t low = t->low - first * stride, high = t->high - first * stride;
    const char *x = t->x + first * stride * t->x_row + col * stride * FC_SIZE;
    char *out = t->out + first * t->out_line + col * FC_SIZE;
    const FC_VECTOR bias = FC_NAME(broadcast)(*(const FC_T *)t->bias);
    unsigned lanes[3];
    FC_VECTOR acc[7], f[9];
FC_UNROLL
    for (int i = 0; i <= stride; i++)
        lanes[i] = FC_NAME(lanes_of)(t->left - col * stride - i * FC_LANES,
                                     t->right - col * stride - i * FC_LANES);
FC_UNROLL
    for (int i = 0; i < live; i++)
        acc[i] = bias;
    if (taps == 3)
FC_UNROLL
        for (int i = 0; i < 9; i++)
            f[i] = FC_NAME(broadcast)(*(const FC_T *)(t->filter + i * FC_BYTES));
    for (ptrdiff_t y = 1 - live; y < lines; y++) { /* acc[i] is that of row y + i */
FC_UNROLL
        for (int phase = 0; phase < stride; phase++, x += t->x_row) {
            const ptrdiff_t row = (y + live - 1) * stride + phase;
            FC_VECTOR in[7];
            if (row < low || row >= high)
                continue;
            FC_NAME(plane_taps)(x, lanes, in, taps, stride);
FC_UNROLL
            for (int i = 0; i < live; i++) {
                const int r = (live - 1 - i) * stride + phase;
                if (r < taps)
FC_UNROLL
                    for (int k = 0; k < taps; k++)
                        acc[i] += in[k] * (taps == 3 ? f[r * taps + k]
                                                     : FC_NAME(broadcast)(*(const FC_T *)(
                                                           t->filter + (r * taps + k) * FC_BYTES)));
            }
        }
        if (y >= 0) {
            FC_NAME(plane_store)(t, out, 0, width, acc, 1);
            out += t->out_line;
        }
FC_UNROLL
        for (int i = 1; i < live; i++)
            acc[i - 1] = acc[i];
        acc[live - 1] = bias;
    }
}

/* `count` vectors of a row of outputs, with a filter of one row: as many taps at a time as a vector has
 * lanes, whose inputs are shifts of one vector more. */
static inline __attribute__((always_inline)) void FC_NAME(plane_shifts)(const fc_planewise *t,
                                                                        ptrdiff_t y, ptrdiff_t col,
                                                                        const int count)
{
    const ptrdiff_t width = t->cols - col < FC_LANES ? t->cols - col : FC_LANES;
    const char *x = t->x + y * t->x_row + col * FC_SIZE, *filter = t->filter;
    ptrdiff_t first = col;
    FC_VECTOR acc[4];
FC_UNROLL
    for (int i = 0; i < count; i++)
        acc[i] = FC_NAME(broadcast)(*(const FC_T *)t->bias);
    for (ptrdiff_t left = y < t->low || y >= t->high ? 0 : t->row; left > 0; left -= FC_LANES) {
        FC_VECTOR v[5];
FC_UNROLL
        for (int i = 0; i <= count; i++) {
            const ptrdiff_t at = first + i * FC_LANES;
            if (at >= t->left && at + FC_LANES <= t->right)
                v[i] = FC_NAME(load)(x + i * FC_BYTES);
            else {
                const unsigned lanes = FC_NAME(lanes_of)(t->left - at, t->right - at);
                v[i] = lanes ? FC_NAME(load_lanes)(x + i * FC_BYTES, lanes) : (FC_VECTOR){0};
            }
        }
FC_UNROLL
        for (int k = 0; k < FC_LANES; k++) {
            if (k == left)
                break;
            const FC_VECTOR f = FC_NAME(broadcast)(*(const FC_T *)(filter + k * FC_BYTES));
FC_UNROLL
            for (int i = 0; i < count; i++)
                acc[i] += FC_NAME(plane_shift)(v[i], v[i + 1], k) * f;
        }
        first += FC_LANES;
        x += FC_BYTES;
        filter += FC_LANES * FC_BYTES;
    }
    FC_NAME(plane_store)(t, t->out + y * t->out_line + col * FC_SIZE, FC_BYTES, width, acc, count);
}

static void FC_NAME(plane_line)(const fc_planewise *t)
{
    for (ptrdiff_t y = 0; y < t->lines; y++) {
        ptrdiff_t col = 0;
        for (; col + 4 * FC_LANES <= t->cols; col += 4 * FC_LANES)
            FC_NAME(plane_shifts)(t, y, col, 4);
        for (; col < t->cols; col += FC_LANES)
            FC_NAME(plane_shifts)(t, y, col, 1);
    }
}

enum { FC_NAME(band) = 12 << 10 }; /* bytes of a band of inputs, which L1 holds, and its outputs */

#define FC_PLANE_ROWS(taps, stride)                                                            \
    static void FC_NAME(plane_rows_##taps##_##stride)(const fc_planewise *t)                   \
    {                                                                                          \
        const ptrdiff_t row = (t->cols * stride + taps) * FC_SIZE * stride;                    \
        const ptrdiff_t most = FC_NAME(band) < 8 * row ? 8 : FC_NAME(band) / row;              \
        for (ptrdiff_t y = 0; y < t->lines; y += most)                                         \
            for (ptrdiff_t col = 0; col < t->cols; col += FC_LANES)                            \
                FC_NAME(plane_column)(t, y, t->lines - y < most ? t->lines - y : most, col,    \
                                      taps, stride);                                           \
    }
#define FC_PLANE_LINE FC_NAME(plane_line)
#else
enum { FC_NAME(planes_in_place) = 0 };
#define FC_PLANE_LINE 0

/* Four rows of outputs of one channel from row `first` on, as far as there are so many; each row of
 * inputs is loaded once, those of padding not at all. */
static inline __attribute__((always_inline)) void FC_NAME(plane_rows)(
    const fc_planewise *t, ptrdiff_t first, ptrdiff_t col, const int taps, const int stride)
{
    const ptrdiff_t width = t->cols - col < FC_LANES ? t->cols - col : FC_LANES;
    const ptrdiff_t low = t->low - first * stride, high = t->high - first * stride;
    const char *x = t->x + first * t->x_line + col * FC_SIZE;
    char *out = t->out + first * t->out_line + col * FC_SIZE;
    FC_VECTOR acc[4];
FC_UNROLL
    for (int i = 0; i < 4; i++)
        acc[i] = FC_NAME(broadcast)(*(const FC_T *)t->bias);
FC_UNROLL
    for (int y = 0; y < 3 * stride + taps; y++, x += t->x_row) {
        if (y < low || y >= high)
            continue;
FC_UNROLL
        for (int k = 0; k < taps; k++) {
            const FC_VECTOR in =
                FC_NAME(load)(x + k % stride * t->x_phase + k / stride * FC_SIZE);
FC_UNROLL
            for (int i = 0; i < 4; i++) {
                const int r = y - i * stride;
                if (0 <= r && r < taps)
                    acc[i] += in * FC_NAME(broadcast)(*(
                                       const FC_T *)(t->filter + (r * taps + k) * FC_BYTES));
            }
        }
    }
    if (t->lines >= 4)
        FC_NAME(plane_store)(t, out, t->out_line, width, acc, 4);
    else
FC_UNROLL
        for (int i = 0; i < 3; i++)
            if (i < t->lines)
                FC_NAME(plane_store)(t, out + i * t->out_line, 0, width, acc + i, 1);
}

/* All rows, four at a time; the last four begin with some that were done. */
#define FC_PLANE_ROWS(taps, stride)                                                            \
    static void FC_NAME(plane_rows_##taps##_##stride)(const fc_planewise *t)                   \
    {                                                                                          \
        for (ptrdiff_t y = 0; y < t->lines; y += 4) {                                          \
            const ptrdiff_t first = y + 4 <= t->lines || t->lines < 4 ? y : t->lines - 4;      \
            for (ptrdiff_t col = 0; col < t->cols; col += FC_LANES)                            \
                FC_NAME(plane_rows)(t, first, col, taps, stride);                              \
        }                                                                                      \
    }
#endif

FC_PLANE_ROWS(3, 1) FC_PLANE_ROWS(5, 1) FC_PLANE_ROWS(7, 1) FC_PLANE_ROWS(3, 2) FC_PLANE_ROWS(5, 2)

static inline __attribute__((always_inline)) void FC_NAME(plane_outs)(const fc_planewise *t,
                                                                      const int outs)
{
    const int most = outs == 4 ? 2 : 4;
    ptrdiff_t y = 0;
    for (; y + most <= t->lines; y += most)
        for (ptrdiff_t col = 0; col < t->cols; col += FC_LANES) {
            const ptrdiff_t width = t->cols - col < FC_LANES ? t->cols - col : FC_LANES;
            const char *x = t->x + y * t->x_line + col * FC_SIZE;
            char *out = t->out + y * t->out_line + col * FC_SIZE;
            FC_NAME(plane_vectors)(t, x, t->x_line, out, t->out_line, width, outs, most);
        }
    for (; y < t->lines; y++) {
        const char *x = t->x + y * t->x_line;
        char *out = t->out + y * t->out_line;
        ptrdiff_t left = t->cols;
        for (; left >= most * FC_LANES; left -= most * FC_LANES) {
            FC_NAME(plane_vectors)(t, x, FC_BYTES, out, FC_BYTES, FC_LANES, outs, most);
            x += most * FC_BYTES;
            out += most * FC_BYTES;
        }
        for (; left > 0; left -= FC_LANES, x += FC_BYTES, out += FC_BYTES)
            FC_NAME(plane_vectors)(t, x, 0, out, 0, left < FC_LANES ? left : FC_LANES, outs, 1);
    }
}

static void FC_NAME(planewise)(const fc_planewise *t)
{
    if (t->outs == 4)
        FC_NAME(plane_outs)(t, 4);
    else if (t->outs == 2)
        FC_NAME(plane_outs)(t, 2);
    else
        FC_NAME(plane_outs)(t, 1);
}
