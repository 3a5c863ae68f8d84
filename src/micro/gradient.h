/* The register tile of the filter gradient: `inputs` elements of the filter's rows x `vectors` of
 * its output channels, an accumulator each; the reduction runs over output pixels. It starts from
 * zero and is added to what is in out, so that long sums are sums of short ones.
 * Dense (depth 0): inputs lie together, and each goes to all lanes. Depthwise (1): inputs are a
 * channel's taps, and lane i of the input goes to lane i. Grouped (2 or more): so many inputs of
 * each tap, and the lanes of a tap's vector go where `lane_of` says. */

/* Pixels of x fetched ahead: more, where they are a multiple of 4096 bytes apart, would be too many
 * for the set of L1 into which all of them fall. */
#define FC_NEAR 4

static inline __attribute__((always_inline)) void FC_NAME(gradient)(const fc_gradient *t,
                                                                    const int inputs,
                                                                    const int vectors,
                                                                    const int depth)
{
    const ptrdiff_t x_pixel = t->x_pixel, dy_pixel = t->dy_pixel;
    const ptrdiff_t x_ahead = (depth ? FC_AHEAD : FC_NEAR) * x_pixel;
    const ptrdiff_t dy_ahead = FC_AHEAD * dy_pixel;
    const ptrdiff_t next_step = t->next_step;
    const char *next = t->next;
    FC_NAME(strides) strides = FC_NAME(multiples)(t->x_tap);
    FC_VECTOR acc[FC_MAX_PIXELS][FC_SLAB_VECTORS];
    FC_MASK lane_of[FC_GROUPED_INPUTS];
FC_UNROLL
    for (int i = 0; i < inputs; i++)
FC_UNROLL
        for (int j = 0; j < vectors; j++)
            acc[i][j] = (FC_VECTOR){0};
FC_UNROLL
    for (int i = 0; depth > 1 && i < depth; i++)
        lane_of[i] = ((const FC_MASK *)t->lane_of)[i];

    for (ptrdiff_t n = 0; n < t->images; n++)
        for (ptrdiff_t r = 0; r < t->rows; r++) {
            const char *x = t->x + n * t->x_image + r * t->x_row;
            const char *dy = t->dy + n * t->dy_image + r * t->dy_row;
            for (ptrdiff_t k = t->cols; k > 0; k--) {
                if (depth)
                    strides = FC_NAME(hidden)(strides, 1);
                FC_VECTOR f[FC_SLAB_VECTORS];
FC_UNROLL
                for (int j = 0; j < vectors; j++) {
                    f[j] = FC_NAME(load)(dy + j * FC_BYTES);
                    if (j * FC_BYTES % 64 == 0)
                        __builtin_prefetch(dy + dy_ahead + j * FC_BYTES);
                }
                if (vectors > 1 || depth) { /* tiles of one vector have no load to spare */
                    __builtin_prefetch(next, 0, 2);
                    next += next_step;
                }
                __builtin_prefetch(x + x_ahead);
                if (depth == 0 && inputs * sizeof(FC_T) > 16) /* they may lie in two lines */
                    __builtin_prefetch(x + x_ahead + inputs * sizeof(FC_T) - 1);
FC_UNROLL
                for (int i = 0; i < inputs; i++) {
                    const int tap = depth > 1 ? i / depth : i;
                    const char *p = depth ? FC_REACH(x, tap, strides) : x + i * sizeof(FC_T);
                    FC_VECTOR a;
                    if (depth == 0)
                        a = FC_NAME(broadcast)(*(const FC_T *)p);
                    if (depth > 1)
                        a = FC_NAME(permute)(FC_NAME(load)(p), lane_of[i % depth]);
FC_UNROLL
                    for (int j = 0; j < vectors; j++) {
                        if (depth == 1)
                            a = FC_NAME(load)(p + j * FC_BYTES);
                        acc[i][j] += a * f[j];
                    }
                }
                x += x_pixel;
                dy += dy_pixel;
            }
        }

FC_UNROLL
    for (int i = 0; i < inputs; i++) {
        char *out = t->out + (depth > 1 ? i / depth * t->out_tap + i % depth * t->out_input
                                        : i * t->out_input);
FC_UNROLL
        for (int j = 0; j < vectors; j++)
            *(FC_VECTOR *)(out + j * FC_BYTES) += acc[i][j];
    }
}

/* dst[i] += src[i] for whole vectors, aligned. */
static void FC_NAME(add)(char *dst, const char *src, ptrdiff_t bytes)
{
    for (ptrdiff_t i = 0; i < bytes; i += FC_BYTES)
        *(FC_VECTOR *)(dst + i) += *(const FC_VECTOR *)(src + i);
}

/* Pixels of channels that lie together, to whole vectors, aligned. */
static void FC_NAME(pack)(char *dst, ptrdiff_t dst_pixel, const char *src, ptrdiff_t src_pixel,
                          ptrdiff_t pixels, ptrdiff_t channels)
{
    const ptrdiff_t last = (channels - 1) % FC_LANES + 1;
    const ptrdiff_t end = (channels - last) * (ptrdiff_t)sizeof(FC_T);
    for (ptrdiff_t p = 0; p < pixels; p++, src += src_pixel, dst += dst_pixel) {
        for (ptrdiff_t i = 0; i < end; i += FC_BYTES)
            *(FC_VECTOR *)(dst + i) = FC_NAME(load)(src + i);
        *(FC_VECTOR *)(dst + end) =
            last == FC_LANES ? FC_NAME(load)(src + end) : FC_NAME(load_part)(src + end, last);
    }
}
