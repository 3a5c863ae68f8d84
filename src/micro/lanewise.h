/* Lanes that convolve by themselves: up to 8 outputs side by side, a vector of output channels at a
 * time. Lane l of an output reads the same lane of the input, or where groups have several channels
 * the lanes that `lane_of` names, one after another. Every output is one chain of multiply-adds from
 * the bias on, over filter rows, channels of a group and taps. */

/* Taps up to which an input is loaded once for all outputs that read it, as registers allow. */
#define FC_MOST_TAPS(grouped, stride)                                                          \
    ((stride) == 0                     ? 1                                                     \
     : FC_PIXELS == 14 && !(grouped)   ? ((stride) == 1 ? 7 : 5)                               \
     : (stride) == 1                   ? 4                                                     \
                                       : 3)

/* `taps` neighbouring taps of `pixels` outputs, `stride` columns apart; 0: t->column apart. */
static inline __attribute__((always_inline)) void FC_NAME(piece)(
    const fc_lanewise *t, FC_VECTOR acc[FC_LANEWISE_PIXELS], const char *const *columns,
    ptrdiff_t channel, const char *w, FC_MASK lane_of, const int pixels, const int stride,
    const int taps, const int grouped)
{
    FC_VECTOR f[7]; /* the most taps of any level */
FC_UNROLL
    for (int k = 0; k < taps; k++)
        f[k] = *(const FC_VECTOR *)(w + k * FC_BYTES);
    if (!stride) {
FC_UNROLL
        for (int i = 0; i < pixels; i++) {
            FC_VECTOR x = FC_NAME(load)(columns[i * t->column] + channel);
            if (grouped)
                x = FC_NAME(permute)(x, lane_of);
            acc[i] += x * f[0];
        }
        return;
    }
FC_UNROLL
    for (int j = 0; j < (pixels - 1) * stride + taps; j++) {
        FC_VECTOR x = FC_NAME(load)(columns[j] + channel);
        if (grouped)
            x = FC_NAME(permute)(x, lane_of);
FC_UNROLL
        for (int k = 0; k < taps; k++)
            if (j >= k && (j - k) % stride == 0 && (j - k) / stride < pixels)
                acc[(j - k) / stride] += x * f[k];
    }
}

/* A filter row of three taps, of groups: inputs are loaded once for all channels of a group, not for
 * each, where there are registers for them. */
static inline __attribute__((always_inline)) void FC_NAME(row_of_three)(
    const fc_lanewise *t, FC_VECTOR acc[FC_LANEWISE_PIXELS], const char *const *columns,
    ptrdiff_t channel, const char *w, const int pixels, const int stride)
{
    const int count = (pixels - 1) * stride + 3;
    for (ptrdiff_t left = t->depth; left > 0; left -= FC_LANES, channel += FC_BYTES) {
        const FC_MASK *lane_of = (const FC_MASK *)t->lane_of;
        const char *const end = w + (left < FC_LANES ? left : FC_LANES) * 3 * FC_BYTES;
        FC_VECTOR x[2 * FC_LANEWISE_PIXELS + 1];
        __asm__("" : "+r"(columns)); /* or pointers would be copied to the stack */
FC_UNROLL
        for (int j = 0; j < count; j++)
            x[j] = FC_NAME(load)(columns[j] + channel);
        for (; w != end; w += 3 * FC_BYTES, lane_of++) {
            FC_VECTOR lanes[2 * FC_LANEWISE_PIXELS + 1];
FC_UNROLL
            for (int j = 0; j < count; j++)
                lanes[j] = FC_NAME(permute)(x[j], *lane_of);
FC_UNROLL
            for (int k = 0; k < 3; k++) { /* a chain's multiply-adds are far apart */
                const FC_VECTOR f = *(const FC_VECTOR *)(w + k * FC_BYTES);
FC_UNROLL
                for (int i = 0; i < pixels; i++)
                    acc[i] += lanes[i * stride + k] * f;
            }
        }
    }
}

static inline __attribute__((always_inline)) void FC_NAME(lanewise)(const fc_lanewise *t,
                                                                    const int pixels,
                                                                    const int stride,
                                                                    const int grouped)
{
    const char *filter = t->filter, *bias = t->bias, *residual = t->residual;
    char *out = t->out;
    ptrdiff_t start = 0; /* of the vector's first input channel */
    for (ptrdiff_t v = 0; v < t->vectors; v++) {
        const ptrdiff_t width = v < t->vectors - 1 ? t->width : t->last;
        FC_VECTOR acc[FC_LANEWISE_PIXELS];
FC_UNROLL
        for (int i = 0; i < pixels; i++)
            acc[i] = *(const FC_VECTOR *)bias;

        const char *const *row = t->columns;
        const char *w = filter;
        for (ptrdiff_t r = 0; r < t->rows; r++) {
            ptrdiff_t channel = start, lane = 0;
            if (FC_PIXELS == 14 && grouped && stride && t->taps == 3) {
                FC_NAME(row_of_three)(t, acc, row, start, w, pixels, stride);
                row += t->columns_row;
                w += t->depth * 3 * FC_BYTES;
                continue;
            }
            for (ptrdiff_t c = 0; c < (grouped ? t->depth : 1); c++) {
                const FC_MASK lane_of =
                    grouped ? ((const FC_MASK *)t->lane_of)[lane] : (FC_MASK){0};
                const char *const *columns = row;
                for (ptrdiff_t left = t->taps; left > 0;) {
                    const int most = FC_MOST_TAPS(grouped, stride);
                    const int some = left < most ? (int)left : most;
#define FC_PIECE(taps)                                                                         \
    FC_NAME(piece)(t, acc, columns, channel, w, lane_of, pixels, stride, taps, grouped)
                    if (some == 1)
                        FC_PIECE(1);
                    else if (some == 2)
                        FC_PIECE(2);
                    else if (some == 3)
                        FC_PIECE(3);
                    else if (most >= 4 && some == 4)
                        FC_PIECE(4);
                    else if (most >= 5 && some == 5)
                        FC_PIECE(5);
                    else if (most == 7 && some == 6)
                        FC_PIECE(6);
                    else if (most == 7)
                        FC_PIECE(7);
#undef FC_PIECE
                    columns += stride ? some : t->tap;
                    w += some * FC_BYTES;
                    left -= some;
                }
                if (grouped && ++lane == FC_LANES) { /* of a group wider than a vector */
                    lane = 0;
                    channel += FC_BYTES;
                }
            }
            row += t->columns_row;
        }

        if (residual) {
FC_UNROLL
            for (int i = 0; i < pixels; i++) {
                const char *p = residual + i * t->residual_pixel;
                acc[i] += width == FC_LANES ? FC_NAME(load)(p) : FC_NAME(load_part)(p, width);
            }
            residual += t->out_vector;
        }
        if (t->activation)
FC_UNROLL
            for (int i = 0; i < pixels; i++)
                acc[i] = FC_NAME(activate)(t->activation, acc[i]);
FC_UNROLL
        for (int i = 0; i < pixels; i++) {
            char *p = out + i * t->out_pixel;
            if (width == FC_LANES)
                FC_NAME(store)(p, acc[i]);
            else
                FC_NAME(store_part)(p, acc[i], width);
        }
        filter += t->filter_vector;
        bias += FC_BYTES;
        start += t->x_vector;
        out += t->out_vector;
    }
}
