/* Copying pixels between layouts: rows into a padded block, channel-first to channels-last. */

/* Variable permutations of two vectors exist from AVX2 on; clang has no builtin for them. */
#if defined(__AVX2__) && !defined(__clang__)
/* dst[q][r] = src[r][q] of lanes x lanes elements that lie together along q in src, along r in dst.
 * Stage s exchanges the lanes whose number has bit s with the vectors whose number has it. */
static inline __attribute__((always_inline)) void FC_NAME(transpose_block)(
    char *dst, ptrdiff_t dst_row, const char *src, ptrdiff_t src_row, const FC_MASK (*take)[2])
{
    FC_VECTOR v[FC_LANES];
FC_UNROLL
    for (int i = 0; i < FC_LANES; i++)
        v[i] = FC_NAME(load)(src + i * src_row);
    int stage = 0;
FC_UNROLL
    for (int s = 1; s < FC_LANES; s *= 2, stage++)
FC_UNROLL
        for (int i = 0; i < FC_LANES; i++)
            if (!(i & s)) {
                const FC_VECTOR a = v[i], b = v[i + s];
                v[i] = __builtin_shuffle(a, b, take[stage][0]);
                v[i + s] = __builtin_shuffle(a, b, take[stage][1]);
            }
FC_UNROLL
    for (int i = 0; i < FC_LANES; i++)
        FC_NAME(store)(dst + i * dst_row, v[i]);
}

/* dst[q][r] = src[r][q]; returns how many r were done for the first *qs q. */
static ptrdiff_t FC_NAME(transpose)(char *dst, ptrdiff_t dst_row, const char *src,
                                    ptrdiff_t src_row, ptrdiff_t rows, ptrdiff_t *columns)
{
    union {
        FC_MASK take[5][2];
        FC_INT lane[5][2][FC_LANES];
    } u;
    for (int stage = 0, s = 1; s < FC_LANES; s *= 2, stage++)
        for (int l = 0; l < FC_LANES; l++) {
            u.lane[stage][0][l] = l & s ? FC_LANES + l - s : l;
            u.lane[stage][1][l] = l & s ? FC_LANES + l : l + s;
        }
    rows -= rows % FC_LANES;
    *columns -= *columns % FC_LANES;
    for (ptrdiff_t r = 0; r < rows; r += FC_LANES)
        for (ptrdiff_t q = 0; q < *columns; q += FC_LANES)
            FC_NAME(transpose_block)(dst + q * dst_row + r * (ptrdiff_t)sizeof(FC_T), dst_row,
                                     src + r * src_row + q * (ptrdiff_t)sizeof(FC_T), src_row,
                                     u.take);
    return rows;
}
#else
static ptrdiff_t FC_NAME(transpose)(char *dst, ptrdiff_t dst_row, const char *src,
                                    ptrdiff_t src_row, ptrdiff_t rows, ptrdiff_t *columns)
{
    (void)dst, (void)dst_row, (void)src, (void)src_row, (void)rows;
    *columns = 0;
    return 0;
}
#endif

/* One by one, in blocks of a cache line's elements each way, so that no line is fetched twice. */
static void FC_NAME(copy_each)(char *dst, ptrdiff_t dst_pixel, ptrdiff_t dst_channel,
                               const char *src, ptrdiff_t src_pixel, ptrdiff_t src_channel,
                               ptrdiff_t pixels, ptrdiff_t channels)
{
    const ptrdiff_t block = 64 / (ptrdiff_t)sizeof(FC_T);
    for (ptrdiff_t p0 = 0; p0 < pixels; p0 += block) {
        const ptrdiff_t p1 = p0 + block < pixels ? p0 + block : pixels;
        for (ptrdiff_t c0 = 0; c0 < channels; c0 += block) {
            const ptrdiff_t c1 = c0 + block < channels ? c0 + block : channels;
            for (ptrdiff_t p = p0; p < p1; p++)
                for (ptrdiff_t c = c0; c < c1; c++)
                    *(FC_T *)(dst + p * dst_pixel + c * dst_channel) =
                        *(const FC_T *)(src + p * src_pixel + c * src_channel);
        }
    }
}

static void FC_NAME(copy)(char *dst, ptrdiff_t dst_pixel, ptrdiff_t dst_channel, const char *src,
                          ptrdiff_t src_pixel, ptrdiff_t src_channel, ptrdiff_t pixels,
                          ptrdiff_t channels)
{
    const ptrdiff_t item = sizeof(FC_T), bytes = channels * item;
    if (dst_channel == item && src_channel == item) {
        if (dst_pixel == bytes && src_pixel == bytes)
            memcpy(dst, src, (size_t)(pixels * bytes));
        else
            for (ptrdiff_t p = 0; p < pixels; p++)
                memcpy(dst + p * dst_pixel, src + p * src_pixel, (size_t)bytes);
        return;
    }
    /* whole blocks of a transposition, then what is left at its sides */
    ptrdiff_t p = 0, c = 0;
    if (src_pixel == item && dst_channel == item) {
        p = pixels;
        c = FC_NAME(transpose)(dst, dst_pixel, src, src_channel, channels, &p);
    } else if (src_channel == item && dst_pixel == item) {
        c = channels;
        p = FC_NAME(transpose)(dst, dst_channel, src, src_pixel, pixels, &c);
    }
    if (p == 0 || c == 0)
        p = c = 0;
    FC_NAME(copy_each)(dst + c * dst_channel, dst_pixel, dst_channel, src + c * src_channel,
                       src_pixel, src_channel, p, channels - c);
    FC_NAME(copy_each)(dst + p * dst_pixel, dst_pixel, dst_channel, src + p * src_pixel, src_pixel,
                       src_channel, pixels - p, channels);
}
