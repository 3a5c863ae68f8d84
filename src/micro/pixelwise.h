/* Depthwise convolution of few channels, whose pixels lie together along a row: a vector holds several
 * pixels, and the filter as many times each of its channels. Tiles are up to four rows high: an input is
 * loaded once for all rows, a filter element for all vectors of a row. Every output is the sum that
 * lanewise.h makes, in the same order. */

enum { FC_NAME(pixel_vectors) = FC_BYTES == 64 ? 4 : 2 }; /* of a row of a tile */

/* What input row y adds to the tile's rows from `low` on and before `high`. */
static inline __attribute__((always_inline)) void FC_NAME(pixel_row)(
    const fc_pixelwise *t, FC_VECTOR acc[4][FC_NAME(pixel_vectors)], const char *x, ptrdiff_t y,
    ptrdiff_t apart, ptrdiff_t taps, ptrdiff_t low, ptrdiff_t high, const int count)
{
    for (ptrdiff_t k = 0; k < taps; k++) {
        FC_VECTOR in[FC_NAME(pixel_vectors)];
FC_UNROLL
        for (int j = 0; j < count; j++) {
            in[j] = FC_NAME(load)(x + t->inputs[k] + j * t->step * FC_SIZE);
            FC_IN_REGISTER(in[j]); /* or every multiply-add would load it */
        }
FC_UNROLL
        for (int i = 0; i < 4; i++)
            if (i >= low && i < high) {
                const char *p = t->filter + ((y - i * apart) * taps + k) * FC_BYTES;
                FC_VECTOR f = *(const FC_VECTOR *)p;
                FC_IN_REGISTER(f);
FC_UNROLL
                for (int j = 0; j < count; j++)
                    acc[i][j] += in[j] * f;
            }
    }
}

/* A tile of `count` vectors; `three`: of a filter of 3x3 taps, with stride 1. */
static inline __attribute__((always_inline)) void FC_NAME(pixel_tile)(
    const fc_pixelwise *t, const char *x, char *out, ptrdiff_t lines, ptrdiff_t width,
    const int three, const int count)
{
    const ptrdiff_t apart = t->apart, end = t->rows ? (lines - 1) * apart + t->rows : 0;
    FC_VECTOR acc[4][FC_NAME(pixel_vectors)];
FC_UNROLL
    for (int i = 0; i < 4; i++)
FC_UNROLL
        for (int j = 0; j < count; j++)
            acc[i][j] = *(const FC_VECTOR *)t->bias;
    if (three)
FC_UNROLL
        for (int y = 0; y < 6; y++, x += t->x_row)
            FC_NAME(pixel_row)(t, acc, x, y, 1, 3, y - 2, y + 1, count);
    else
        for (ptrdiff_t y = 0; y < end; y++, x += t->x_row) {
            if (count > 1 && y >= 3 * apart && y < t->rows)
                FC_NAME(pixel_row)(t, acc, x, y, apart, t->taps, 0, 4, count);
            else
                FC_NAME(pixel_row)(t, acc, x, y, apart, t->taps,
                                   y < t->rows ? 0 : (y - t->rows) / apart + 1, y / apart + 1,
                                   count);
        }
FC_UNROLL
    for (int i = 0; i < 4; i++) {
        char *p = out + i * t->out_line;
        if (i >= lines)
            break;
FC_UNROLL
        for (int j = 0; j < count - 1; j++, p += t->step * FC_SIZE)
            FC_NAME(store)(p, acc[i][j]); /* lanes of no pixel are written again */
        if (width == FC_LANES)
            FC_NAME(store)(p, acc[i][count - 1]);
        else
            FC_NAME(store_part)(p, acc[i][count - 1], width);
    }
}

/* The activation of rows that have just been written. */
static void FC_NAME(activate_rows)(const fc_pixelwise *t, char *out, ptrdiff_t lines)
{
    for (ptrdiff_t i = 0; i < lines; i++, out += t->out_line)
        for (ptrdiff_t col = 0; col < t->cols; col += FC_LANES) {
            const ptrdiff_t left = t->cols - col;
            char *p = out + col * FC_SIZE;
            const FC_VECTOR v =
                FC_NAME(activate)(t->activation, FC_NAME(load_at_most)(p, left));
            if (left >= FC_LANES)
                FC_NAME(store)(p, v);
            else
                FC_NAME(store_part)(p, v, left);
        }
}

static void FC_NAME(pixelwise)(const fc_pixelwise *t)
{
    const int most = FC_NAME(pixel_vectors);
    const ptrdiff_t bytes = t->step * FC_SIZE;
    for (ptrdiff_t y = 0; y < t->lines; y += 4) {
        const ptrdiff_t lines = t->lines - y < 4 ? t->lines - y : 4;
        const int three = lines == 4 && t->rows == 3 && t->taps == 3 && t->apart == 1;
        const char *x = t->x + y * t->apart * t->x_row;
        char *out = t->out + y * t->out_line;
        ptrdiff_t left = t->cols;
        for (; left >= most * t->step; left -= most * t->step) {
            if (three)
                FC_NAME(pixel_tile)(t, x, out, 4, t->step, 1, most);
            else
                FC_NAME(pixel_tile)(t, x, out, lines, t->step, 0, most);
            x += most * bytes;
            out += most * bytes;
        }
        for (; left > 0; left -= t->step, x += bytes, out += bytes)
            FC_NAME(pixel_tile)(t, x, out, lines, left < t->step ? left : t->step, 0, 1);
        if (t->activation)
            FC_NAME(activate_rows)(t, t->out + y * t->out_line, lines);
    }
}
