/* Channel-first convolution of few channels: a vector holds neighbouring outputs of one channel, so
 * inputs and outputs are read and written where they lie along a row. A filter element is loaded
 * once for several rows, an input once for several output channels of a group. Every output is the
 * sum that lanewise.h makes, in the same order. */

static inline __attribute__((always_inline)) void FC_NAME(plane_lines)(
    const fc_planewise *t, const char *x, char *out, ptrdiff_t width, const int outs,
    const int lines)
{
    const ptrdiff_t x_line = t->x_line, *input = t->inputs, *end = input + t->count;
    const char *filter = t->filter;
    FC_VECTOR acc[4][4];
FC_UNROLL
    for (int o = 0; o < outs; o++)
FC_UNROLL
        for (int y = 0; y < lines; y++)
            acc[o][y] = FC_NAME(broadcast)(((const FC_T *)t->bias)[o]);
    for (; input < end; input++, filter += FC_BYTES) {
        const char *p = x + *input;
        FC_VECTOR in[4];
FC_UNROLL
        for (int y = 0; y < lines; y++)
            in[y] = FC_NAME(load)(p + y * x_line);
FC_UNROLL
        for (int o = 0; o < outs; o++) {
            const FC_VECTOR f = FC_NAME(broadcast)(((const FC_T *)filter)[o]);
FC_UNROLL
            for (int y = 0; y < lines; y++)
                acc[o][y] += in[y] * f;
        }
    }
    if (t->activation)
FC_UNROLL
        for (int o = 0; o < outs; o++)
FC_UNROLL
            for (int y = 0; y < lines; y++)
                acc[o][y] = FC_NAME(activate)(t->activation, acc[o][y]);
FC_UNROLL
    for (int o = 0; o < outs; o++)
FC_UNROLL
        for (int y = 0; y < lines; y++) {
            char *to = out + o * t->out_channel + y * t->out_line;
            if (width == FC_LANES)
                FC_NAME(store)(to, acc[o][y]);
            else
                FC_NAME(store_part)(to, acc[o][y], width);
        }
}

static inline __attribute__((always_inline)) void FC_NAME(plane_outs)(const fc_planewise *t,
                                                                      const int outs)
{
    const ptrdiff_t most = outs == 4 ? 2 : 4;
    for (ptrdiff_t col = 0; col < t->cols; col += FC_LANES) {
        const ptrdiff_t width = t->cols - col < FC_LANES ? t->cols - col : FC_LANES;
        const char *x = t->x + col * FC_SIZE;
        char *out = t->out + col * FC_SIZE;
        ptrdiff_t left = t->lines;
        for (; left >= most; left -= most, x += most * t->x_line, out += most * t->out_line)
            FC_NAME(plane_lines)(t, x, out, width, outs, (int)most);
        if (most == 4 && left == 3)
            FC_NAME(plane_lines)(t, x, out, width, outs, 3);
        else if (most == 4 && left == 2)
            FC_NAME(plane_lines)(t, x, out, width, outs, 2);
        else if (left == 1)
            FC_NAME(plane_lines)(t, x, out, width, outs, 1);
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
