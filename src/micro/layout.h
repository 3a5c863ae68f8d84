/* Copying pixels between layouts: rows into a padded block, channel-first to channels-last. */

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
    /* Blocks of a cache line's elements each way, so that no line is fetched twice. */
    const ptrdiff_t block = 64 / item;
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
