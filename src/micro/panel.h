/* The register tile of channel-first images: `channels` output channels x `vectors` vectors of neighbouring
 * pixels, an accumulator each. An input of those pixels is read where it lies, a weight goes to all lanes.
 * Every output is one chain of multiply-adds from the bias on, in filter order, as in tile.h, so it has
 * the same bits. `few` channels whose inputs are at hand leave their loads no time to fetch others.
 */
static inline __attribute__((always_inline)) void FC_NAME(panel)(const fc_panel *t, const int channels,
                                                                 const int vectors, const int few)
{
    const ptrdiff_t step = t->filter_step, last = t->last;
    ptrdiff_t fetch = t->fetch;
    const ptrdiff_t *const end = t->inputs + t->steps;
    const char *x = t->x;
    char *out = t->out;

    for (ptrdiff_t n = 0; n < t->count; n++) {
        FC_VECTOR acc[FC_MAX_PIXELS][FC_MAX_VECTORS];
FC_UNROLL
        for (int i = 0; i < channels; i++)
FC_UNROLL
            for (int j = 0; j < vectors; j++)
                acc[i][j] = FC_NAME(broadcast)(((const FC_T *)t->bias)[i]);

        const char *o = out;
FC_UNROLL
        for (int i = 0; i < channels; i++, o += t->out_channel)
FC_UNROLL
            for (int j = 0; j < vectors; j++)
                if (j * FC_BYTES % 64 == 0)
                    __builtin_prefetch(o + j * FC_BYTES + 63, 1);
        const FC_T *w = (const FC_T *)t->filter;
        for (const ptrdiff_t *input = t->inputs; input != end; input++) {
            const char *const p = x + *input, *const ahead = x + input[FC_PANEL_AHEAD];
            FC_VECTOR f[FC_MAX_VECTORS];
            if (!few && FC_BYTES == 64) { /* shorter ones leave the loads no time */
                __builtin_prefetch((const char *)w + FC_PANEL_AHEAD * step);
                __builtin_prefetch((const char *)w + FC_PANEL_AHEAD * step + 64);
            }
FC_UNROLL
            for (int j = 0; j < vectors; j++)
                f[j] = FC_NAME(load)(p + j * FC_BYTES);
            __asm__("" : "+r"(fetch)); /* or there would be a loop with and one without */
            if (!few || fetch) {
FC_UNROLL
                for (int j = 0; j < vectors * FC_BYTES; j += 64) { /* lines that do not begin before the panel */
                    __builtin_prefetch(ahead + j + 63);
                    __builtin_prefetch(p + fetch + j + 63, 0, 2);
                }
            }
FC_UNROLL
            for (int i = 0; i < channels; i++) {
                const FC_VECTOR a = FC_NAME(broadcast)(w[i]);
FC_UNROLL
                for (int j = 0; j < vectors; j++)
                    acc[i][j] += a * f[j];
            }
            w = (const FC_T *)((const char *)w + step);
        }

        if (t->activation)
FC_UNROLL
            for (int i = 0; i < channels; i++)
FC_UNROLL
                for (int j = 0; j < vectors; j++)
                    acc[i][j] = FC_NAME(activate)(t->activation, acc[i][j]);
        char *p = out;
FC_UNROLL
        for (int i = 0; i < channels; i++, p += t->out_channel)
FC_UNROLL
            for (int j = 0; j < vectors; j++)
                if (j < vectors - 1 || last == FC_LANES)
                    FC_NAME(store)(p + j * FC_BYTES, acc[i][j]);
                else
                    FC_NAME(store_part)(p + j * FC_BYTES, acc[i][j], last);
        x += vectors * FC_BYTES;
        out += vectors * FC_BYTES;
    }
}
