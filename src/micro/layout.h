/* Copying pixels between layouts: rows into a padded block, channel-first to channels-last. */

/* M of each lane, in order. */
#undef FC_EACH_LANE
#define FC_LANES_2(M, l) M(l), M(l + 1)
#define FC_LANES_4(M, l) FC_LANES_2(M, l), FC_LANES_2(M, l + 2)
#define FC_LANES_8(M, l) FC_LANES_4(M, l), FC_LANES_4(M, l + 4)
#if FC_LANES == 2
#define FC_EACH_LANE(M) FC_LANES_2(M, 0)
#elif FC_LANES == 4
#define FC_EACH_LANE(M) FC_LANES_4(M, 0)
#elif FC_LANES == 8
#define FC_EACH_LANE(M) FC_LANES_8(M, 0)
#else
#define FC_EACH_LANE(M) FC_LANES_8(M, 0), FC_LANES_8(M, 8)
#endif

#ifdef __clang__
#define FC_SHUFFLE(a, b, M) __builtin_shufflevector(a, b, FC_EACH_LANE(M))
#else
#define FC_SHUFFLE(a, b, M) __builtin_shuffle(a, b, (FC_MASK){FC_EACH_LANE(M)})
#endif

/* Lanes of a and b in turn within each piece of 16 bytes: of its low half, and of its high one. */
#define FC_PIECE_LANES (16 / FC_SIZE)
#define FC_LOW(l)                                                                              \
    ((l) / FC_PIECE_LANES * FC_PIECE_LANES + (l) % FC_PIECE_LANES / 2 + (l) % 2 * FC_LANES)
#define FC_HIGH(l) (FC_LOW(l) + FC_PIECE_LANES / 2)

/* A vector of 16 bytes from each of as many rows; CPUs put it together as they load. */
static inline FC_VECTOR FC_NAME(load_pieces)(const char *p, ptrdiff_t row)
{
#if defined(__AVX2__)
    __m256 pairs[FC_BYTES / 32];
FC_UNROLL
    for (int i = 0; i < FC_BYTES / 32; i++, p += 2 * row)
        pairs[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps((const float *)p)),
                                        _mm_loadu_ps((const float *)(p + row)), 1);
#if FC_BYTES == 64
    return (FC_VECTOR)_mm512_insertf32x8(_mm512_castps256_ps512(pairs[0]), pairs[1], 1);
#else
    return (FC_VECTOR)pairs[0];
#endif
#else
    (void)row;
    return FC_NAME(load)(p);
#endif
}

/* dst[q][r] = src[r][q * step] of up to lanes rows and as many columns as a piece has lanes, which lie
 * together along q in src, and along r in dst. Pieces from each row make vectors, so that each piece of
 * those is transposed by itself. For that the number of an element among them is written as its vector's
 * and its lane's, and each stage moves the highest bit to the end. All rows of src must be there. */
static inline __attribute__((always_inline)) void FC_NAME(transpose_strip)(
    char *dst, ptrdiff_t dst_row, const char *src, ptrdiff_t src_row, ptrdiff_t rows,
    ptrdiff_t columns, const int step)
{
    FC_VECTOR v[FC_PIECE_LANES], w[FC_PIECE_LANES];
FC_UNROLL
    for (int i = 0; i < FC_PIECE_LANES; i++)
        v[i] = FC_NAME(load_pieces)(src + i * src_row, FC_PIECE_LANES * src_row);
FC_UNROLL
    for (int s = 1; s < FC_PIECE_LANES; s *= 2) {
FC_UNROLL
        for (int i = 0; i < FC_PIECE_LANES / 2; i++) {
            w[2 * i] = FC_SHUFFLE(v[i], v[i + FC_PIECE_LANES / 2], FC_LOW);
            w[2 * i + 1] = FC_SHUFFLE(v[i], v[i + FC_PIECE_LANES / 2], FC_HIGH);
        }
FC_UNROLL
        for (int i = 0; i < FC_PIECE_LANES; i++)
            v[i] = w[i];
    }
FC_UNROLL
    for (int i = 0; i < FC_PIECE_LANES; i += step)
        if (i < columns) {
            if (rows == FC_LANES)
                FC_NAME(store)(dst + i / step * dst_row, v[i]);
            else
                FC_NAME(store_part)(dst + i / step * dst_row, v[i], rows);
        }
}

/* The same of up to lanes columns, all of which need not be there. */
static inline __attribute__((always_inline)) void FC_NAME(transpose)(
    char *dst, ptrdiff_t dst_row, const char *src, ptrdiff_t src_row, ptrdiff_t rows,
    ptrdiff_t columns, const int step)
{
    FC_VECTOR some[FC_LANES];
    if (rows < FC_LANES || columns < FC_LANES) {
FC_UNROLL
        for (int i = 0; i < FC_LANES; i++)
            some[i] = i >= rows             ? (FC_VECTOR){0}
                      : columns == FC_LANES ? FC_NAME(load)(src + i * src_row)
                                            : FC_NAME(load_part)(src + i * src_row, columns);
        src = (const char *)some;
        src_row = FC_BYTES;
    }
FC_UNROLL
    for (int q = 0; q < FC_LANES; q += FC_PIECE_LANES)
        FC_NAME(transpose_strip)(dst + q / step * dst_row, dst_row, src + q * FC_SIZE, src_row, rows,
                                 columns - q, step);
}

/* Where the i-th block along an axis begins: the last ends where the axis does. */
static inline ptrdiff_t FC_NAME(block)(ptrdiff_t i, ptrdiff_t size)
{
    return i + FC_LANES <= size || size < FC_LANES ? i : size - FC_LANES;
}

/* Bytes between what is copied of a channel's row and what is fetched meanwhile: its lines are too
 * many streams for the hardware to foresee. */
#define FC_COPY_AHEAD 192

/* `transpose` of any numbers of rows, channels if it packs them and else pixels, and of columns. Where
 * the cache lines of all channels begin at the same pixel, so do blocks. Channels are spread a few at a
 * time: of the lines of many that share a set of L1 some would leave it before they are written. */
static inline __attribute__((always_inline)) void FC_NAME(copy_blocks)(
    char *dst, ptrdiff_t dst_row, const char *src, ptrdiff_t src_row, ptrdiff_t rows,
    ptrdiff_t columns, const int packs, const int step)
{
    const ptrdiff_t some_rows = rows < FC_LANES ? rows : FC_LANES;
    const ptrdiff_t channel = packs ? src_row : dst_row, lead = -(ptrdiff_t)(packs ? src : dst);
    const ptrdiff_t outer = packs ? rows : columns, inner = packs ? columns : rows;
    ptrdiff_t first = (lead & 63) / FC_SIZE % FC_LANES; /* before it is a part of a block */
    if (channel % 64 || first % step || inner < 2 * FC_LANES)
        first = 0;
    if (!packs && rows >= FC_LANES && columns >= FC_PIECE_LANES) {
        for (ptrdiff_t i = 0; i < columns; i += FC_PIECE_LANES)
            for (ptrdiff_t j = first ? first - FC_LANES : 0; j < rows; j += FC_LANES) {
                const ptrdiff_t q = i + FC_PIECE_LANES <= columns ? i : columns - FC_PIECE_LANES;
                const ptrdiff_t r = j < 0 ? 0 : FC_NAME(block)(j, rows);
                char *const to = dst + q * dst_row + r * FC_SIZE;
FC_UNROLL
                for (int k = 0; k < FC_PIECE_LANES; k++)
                    __builtin_prefetch(to + FC_COPY_AHEAD + k * dst_row, 0, 2);
                FC_NAME(transpose_strip)(to, dst_row, src + r * src_row + q * FC_SIZE, src_row, FC_LANES,
                                         FC_PIECE_LANES, 1);
            }
        return;
    }
    for (ptrdiff_t i = 0; i < outer; i += FC_LANES)
        for (ptrdiff_t j = first ? first - FC_LANES : 0; j < inner; j += FC_LANES) {
            const ptrdiff_t across = FC_NAME(block)(i, outer);
            const ptrdiff_t along = j < 0 ? 0 : FC_NAME(block)(j, inner);
            const ptrdiff_t r = packs ? across : along, q = packs ? along + along % step : across;
            const ptrdiff_t some = columns - q < FC_LANES ? columns - q : FC_LANES;
            char *to = dst + q / step * dst_row + r * FC_SIZE;
            const char *from = src + r * src_row + q * FC_SIZE;
            const char *ahead = (packs ? from : to) + FC_COPY_AHEAD;
FC_UNROLL
            for (int k = 0; k < FC_LANES; k++)
                __builtin_prefetch(ahead + k * channel);
            if (some_rows == FC_LANES && some == FC_LANES)
                FC_NAME(transpose)(to, dst_row, from, src_row, FC_LANES, FC_LANES, step);
            else
                FC_NAME(transpose)(to, dst_row, from, src_row, some_rows, some, step);
        }
}

#if defined(__AVX2__)
/* dst[q][r] = src[r][q] of a few rows and at least as many columns as lanes, or (not `packs`) the other way,
 * dst[r][q] = src[q][r]; where r is the second index, there are no gaps. Each vector of dst is a permutation
 * of one of src in every row, of each of which it takes some lanes. */
static inline __attribute__((always_inline)) void FC_NAME(permute_rows)(
    char *dst, ptrdiff_t dst_row, const char *src, ptrdiff_t src_row, const int rows,
    ptrdiff_t columns, const int packs)
{
    const ptrdiff_t next_from = packs ? src_row : FC_BYTES, next_to = packs ? FC_BYTES : dst_row;
    for (ptrdiff_t q = 0; q < columns; q += FC_LANES) {
        const ptrdiff_t column = FC_NAME(block)(q, columns) * FC_SIZE;
        const char *const from = src + (packs ? column : column * rows);
        char *const to = dst + (packs ? column * rows : column);
FC_UNROLL
        for (int i = 0; i < rows; i++) {
            FC_VECTOR v = {0};
            FC_MASK lane, vector;
FC_UNROLL
            for (int l = 0; l < FC_LANES; l++) {
                const int packed = packs ? i * FC_LANES + l : l * rows + i; /* place among all */
                lane[l] = packs ? packed / rows : packed % FC_LANES;
                vector[l] = packs ? packed % rows : packed / FC_LANES;
            }
FC_UNROLL
            for (int r = 0; r < rows; r++)
                v = FC_NAME(select)(
                    vector == r, FC_NAME(permute)(FC_NAME(load)(from + r * next_from), lane), v);
            FC_NAME(store)(to + i * next_to, v);
        }
    }
}
#endif

/* The same of three rows, or two to four if it packs them; 0 if these are others, or there are gaps. */
static inline __attribute__((always_inline)) int FC_NAME(copy_few)(
    char *dst, ptrdiff_t dst_row, const char *src, ptrdiff_t src_row, ptrdiff_t rows,
    ptrdiff_t columns, const int packs)
{
#if defined(__AVX2__)
    if ((packs ? dst_row : src_row) != rows * FC_SIZE || columns < FC_LANES)
        return 0;
    if (rows == 3)
        FC_NAME(permute_rows)(dst, dst_row, src, src_row, 3, columns, packs);
    else if (packs && rows == 2)
        FC_NAME(permute_rows)(dst, dst_row, src, src_row, 2, columns, packs);
    else if (packs && rows == 4)
        FC_NAME(permute_rows)(dst, dst_row, src, src_row, 4, columns, packs);
    else
        return 0;
    return 1;
#else
    (void)dst, (void)dst_row, (void)src, (void)src_row, (void)rows, (void)columns, (void)packs;
    return 0;
#endif
}

/* One by one, in blocks of a cache line's elements each way, so that no line is fetched twice; in a block
 * along what lies closer together. */
static void FC_NAME(copy_each)(char *dst, ptrdiff_t dst_pixel, ptrdiff_t dst_channel,
                               const char *src, ptrdiff_t src_pixel, ptrdiff_t src_channel,
                               ptrdiff_t pixels, ptrdiff_t channels)
{
    if (dst_pixel + src_pixel < dst_channel + src_channel) {
        FC_NAME(copy_each)(dst, dst_channel, dst_pixel, src, src_channel, src_pixel, channels, pixels);
        return;
    }
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

/* Lines of elements that lie together, short ones without a call. */
static void FC_NAME(copy_lines)(char *dst, ptrdiff_t dst_line, const char *src, ptrdiff_t src_line,
                                ptrdiff_t lines, ptrdiff_t size)
{
    for (; lines > 0; lines--, dst += dst_line, src += src_line) {
        if (size > 16 * FC_LANES)
            memcpy(dst, src, (size_t)(size * FC_SIZE));
        else if (size < FC_LANES)
            FC_NAME(store_part)(dst, FC_NAME(load_part)(src, size), size);
        else
            for (ptrdiff_t i = 0; i < size; i += FC_LANES) {
                const ptrdiff_t at = FC_NAME(block)(i, size) * FC_SIZE;
                FC_NAME(store)(dst + at, FC_NAME(load)(src + at));
            }
    }
}

/* Lines of every other element, `size` of them. */
#define FC_EVERY_OTHER(l) ((l) * 2 + ((l) >= FC_LANES / 2))
static void FC_NAME(copy_every_other)(char *dst, ptrdiff_t dst_line, const char *src,
                                      ptrdiff_t src_line, ptrdiff_t lines, ptrdiff_t size)
{
    if (size < FC_LANES) {
        const ptrdiff_t read = 2 * size - 1;
        for (; lines > 0; lines--, dst += dst_line, src += src_line) {
            const FC_VECTOR a = FC_NAME(load_at_most)(src, read);
            const FC_VECTOR b = read < FC_LANES
                                    ? a
                                    : FC_NAME(load_part)(src + FC_BYTES - FC_SIZE, read + 1 - FC_LANES);
            FC_NAME(store_part)(dst, FC_SHUFFLE(a, b, FC_EVERY_OTHER), size);
        }
        return;
    }
    for (; lines > 0; lines--, dst += dst_line, src += src_line)
        for (ptrdiff_t i = 0; i < size; i += FC_LANES) {
            const ptrdiff_t at = FC_NAME(block)(i, size) * FC_SIZE;
            const FC_VECTOR a = FC_NAME(load)(src + 2 * at);
            const FC_VECTOR b = FC_NAME(load)(src + 2 * at + FC_BYTES - FC_SIZE);
            FC_NAME(store)(dst + at, FC_SHUFFLE(a, b, FC_EVERY_OTHER));
        }
}

/* Lines of one value. */
static void FC_NAME(fill)(char *dst, ptrdiff_t dst_line, const char *value, ptrdiff_t lines,
                          ptrdiff_t size)
{
    if (dst_line == size * FC_SIZE) {
        size *= lines;
        lines = 1;
    }
    for (; lines > 0; lines--, dst += dst_line) {
        const FC_VECTOR all = FC_NAME(broadcast)(*(const FC_T *)value);
        if (size < FC_LANES)
            FC_NAME(store_part)(dst, all, size);
        else
            for (ptrdiff_t i = 0; i < size; i += FC_LANES)
                FC_NAME(store)(dst + FC_NAME(block)(i, size) * FC_SIZE, all);
    }
}

static void FC_NAME(copy)(char *dst, ptrdiff_t dst_pixel, ptrdiff_t dst_channel, const char *src,
                          ptrdiff_t src_pixel, ptrdiff_t src_channel, ptrdiff_t pixels,
                          ptrdiff_t channels)
{
    const ptrdiff_t item = FC_SIZE, bytes = channels * item;
    if (pixels == 1)
        dst_pixel = src_pixel = 0; /* they mean nothing */
    if (dst_channel == item && src_channel == item) {
        if (dst_pixel == bytes && src_pixel == bytes)
            memcpy(dst, src, (size_t)(pixels * bytes));
        else
            FC_NAME(copy_lines)(dst, dst_pixel, src, src_pixel, pixels, channels);
    } else if (dst_channel == item && src_pixel == item) {
        if (!FC_NAME(copy_few)(dst, dst_pixel, src, src_channel, channels, pixels, 1))
            FC_NAME(copy_blocks)(dst, dst_pixel, src, src_channel, channels, pixels, 1, 1);
    } else if (src_channel == item && dst_pixel == item) {
        if (FC_NAME(copy_few)(dst, dst_channel, src, src_pixel, channels, pixels, 0))
            return;
        if (channels < FC_PIECE_LANES)
            FC_NAME(copy_each)(dst, dst_pixel, dst_channel, src, src_pixel, src_channel, pixels, channels);
        else
            FC_NAME(copy_blocks)(dst, dst_channel, src, src_pixel, pixels, channels, 0, 1);
    } else if (dst_channel == item && src_pixel == 2 * item)
        FC_NAME(copy_blocks)(dst, dst_pixel, src, src_channel, channels, 2 * pixels - 1, 1, 2);
    else if (dst_channel == item && src_channel == 0 && src_pixel == 0)
        FC_NAME(fill)(dst, dst_pixel, src, pixels, channels);
    else if (dst_channel == item && src_channel == 2 * item)
        FC_NAME(copy_every_other)(dst, dst_pixel, src, src_pixel, pixels, channels);
    else
        FC_NAME(copy_each)(dst, dst_pixel, dst_channel, src, src_pixel, src_channel, pixels,
                           channels);
}

#if defined(__AVX2__)
/* As many of a phase as whole vectors can be read of; returns how many. Each vector of dst takes some lanes
 * of one of src, others of the next. */
static ptrdiff_t FC_NAME(permute_phase)(const fc_separate *t, ptrdiff_t phase)
{
    const ptrdiff_t some = FC_LANES / t->channels, step = some * t->channels; /* of a vector */
    const ptrdiff_t bytes = step * FC_SIZE, unread = 2 * t->pixels * t->channels - step - FC_LANES;
    const ptrdiff_t most = unread < 0 ? 0 : unread / (2 * step) + 1;
    const ptrdiff_t vectors = t->pixels / some < most ? t->pixels / some : most;
    FC_MASK lane, next;
    for (ptrdiff_t l = 0; l < FC_LANES; l++) {
        const ptrdiff_t pixel = l < step ? l / t->channels * 2 + phase : 0;
        lane[l] = (FC_INT)(pixel % some * t->channels + l % t->channels);
        next[l] = pixel < some ? 0 : -1;
    }
    for (ptrdiff_t y = 0; y < t->lines; y++) {
        const char *src = t->src + y * t->src_line;
        char *dst = t->dst + y * t->dst_line + phase * t->dst_phase;
        for (ptrdiff_t i = 0; i < vectors; i++, src += 2 * bytes, dst += bytes) {
            const FC_VECTOR v =
                FC_NAME(select)(next, FC_NAME(permute)(FC_NAME(load)(src + bytes), lane),
                                FC_NAME(permute)(FC_NAME(load)(src), lane));
            if (i < vectors - 1 || step == FC_LANES)
                FC_NAME(store)(dst, v); /* what is too much is written again */
            else
                FC_NAME(store_part)(dst, v, step);
        }
    }
    return vectors * some;
}
#endif

static void FC_NAME(separate)(const fc_separate *t)
{
    ptrdiff_t pixel = t->channels * FC_SIZE, item = FC_SIZE;
    __asm__("" : "+r"(item)); /* or there would be a copy for it alone */
    for (ptrdiff_t phase = 0; phase < 2; phase++) {
        ptrdiff_t done = 0;
#if defined(__AVX2__)
        if (t->src_channel == FC_SIZE && t->src_pixel == pixel && 2 * t->channels <= FC_LANES)
            done = FC_NAME(permute_phase)(t, phase);
#endif
        for (ptrdiff_t y = 0; y < t->lines; y++)
            FC_NAME(copy)(t->dst + y * t->dst_line + phase * t->dst_phase + done * pixel, pixel,
                          item, t->src + y * t->src_line + (2 * done + phase) * t->src_pixel,
                          2 * t->src_pixel, t->src_channel, t->pixels - done, t->channels);
    }
}

/* The places of pixels that lie one after another. */
static void FC_NAME(line_up)(const char **places, const char *first, ptrdiff_t step,
                             ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++)
        places[i] = first + i * step;
}
