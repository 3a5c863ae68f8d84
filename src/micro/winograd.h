/* The transforms of Winograd convolution F(m, r): 1-D ones of n = m + r - 1 points, applied along
 * rows and then columns, or along columns only (`rows` NULL). NHWC: a vector holds the same pixel
 * of neighbouring channels, so a transform is arithmetic between whole vectors. */

/* The sum of c[i] * d[i]; the unrolled loops leave out zeros and multiplications by one. */
static inline __attribute__((always_inline)) FC_VECTOR FC_NAME(polynomial)(const double *c,
                                                                           const int n,
                                                                           const FC_VECTOR *d)
{
    FC_VECTOR sum = {0};
    int terms = 0;
FC_UNROLL
    for (int i = n - 1; i >= 0; i--)
        if (c[i] != 0)
            sum = terms++ ? sum + (FC_T)c[i] * d[i] : (FC_T)c[i] * d[i];
    return sum;
}

/* v = B^T d over consecutive inputs. For a pair of points p and -p, the polynomial that vanishes at all other points is
 * (x + p) or (x - p) times the rest: v = x rest(d) +- p rest(d). */
static inline __attribute__((always_inline)) void FC_NAME(evaluate_input)(const fc_points *s,
                                                                          const int n,
                                                                          const FC_VECTOR *d,
                                                                          FC_VECTOR *v)
{
    v[0] = FC_NAME(polynomial)(s->at_zero, n, d);
FC_UNROLL
    for (int i = 0; i < s->pairs; i++) {
        const FC_VECTOR shifted = FC_NAME(polynomial)(s->rest[i], n - 1, d + 1);
        const FC_VECTOR rest = FC_NAME(polynomial)(s->rest[i], n - 1, d);
        v[2 * i + 1] = shifted + (FC_T)s->pair[i] * rest;
        v[2 * i + 2] = shifted - (FC_T)s->pair[i] * rest;
    }
    if (s->infinity)
        v[n - 1] = FC_NAME(polynomial)(s->at_infinity, n, d);
}

/* v = B^T d. */
static inline __attribute__((always_inline)) void FC_NAME(forward)(const fc_points *s,
                                                                   const FC_VECTOR *d,
                                                                   FC_VECTOR *v)
{
    const int n = s->n - s->odd;
    if (!s->odd) {
        FC_NAME(evaluate_input)(s, n, d, v);
        return;
    }
    FC_VECTOR even[FC_MAX_POINTS];
FC_UNROLL
    for (int i = 0; i < n; i++)
        even[i] = d[2 * i];
    FC_NAME(evaluate_input)(s, n, even, v);
FC_UNROLL
    for (int i = 0; i < s->odd; i++)
        v[n + i] = d[2 * i + 1];
}

/* y = A^T v: y[k] is the sum of p^k v over the points, and of odd input k if there is one. */
static inline __attribute__((always_inline)) void FC_NAME(backward)(const fc_points *s, const int m,
                                                                    const FC_VECTOR *v,
                                                                    FC_VECTOR *y)
{
    double power[3] = {1, 1, 1};
FC_UNROLL
    for (int k = 0; k < m; k++) {
        const int last = s->infinity && k == m - 1;
        int terms = k == 0 || last;
        y[k] = k == 0 ? v[0] : last ? v[s->n - s->odd - 1] : (FC_VECTOR){0};
FC_UNROLL
        for (int i = 0; i < s->pairs; i++) {
            const FC_VECTOR both =
                k % 2 ? v[2 * i + 1] - v[2 * i + 2] : v[2 * i + 1] + v[2 * i + 2];
            y[k] = terms++ ? y[k] + (FC_T)power[i] * both : (FC_T)power[i] * both;
            power[i] *= s->pair[i];
        }
        if (s->odd)
            y[k] += v[s->n - s->odd + k];
    }
}

static inline __attribute__((always_inline)) void FC_NAME(input)(const fc_winograd_input *t,
                                                                 const fc_points *rows,
                                                                 const fc_points *cols, const int m)
{
    const int n_rows = rows ? rows->n : 1, n = cols->n, step = cols->odd ? 2 * m : m;
    const ptrdiff_t out_vector = t->out_vector;
    for (ptrdiff_t tile = 0; tile < t->tiles; tile++) {
        const char *const *taps = t->taps + tile * step * n_rows;
        for (ptrdiff_t c = 0; c < t->channels; c += FC_LANES) {
            __asm__("" : "+r"(taps)); /* or pointers would be copied to the stack */
            const ptrdiff_t at = c * (ptrdiff_t)sizeof(FC_T), left = t->channels - c;
            char *out = t->out + tile * t->out_tile + c / FC_LANES * out_vector;
            FC_VECTOR half[FC_MAX_POINTS][FC_MAX_POINTS];
FC_UNROLL
            for (int j = 0; j < n; j++) {
                FC_VECTOR d[FC_MAX_POINTS], v[FC_MAX_POINTS];
FC_UNROLL
                for (int i = 0; i < n_rows; i++) {
                    const char *p = taps[j * n_rows + i] + at;
                    d[i] = left >= FC_LANES ? FC_NAME(load)(p) : FC_NAME(load_part)(p, left);
                }
                if (rows)
                    FC_NAME(forward)(rows, d, v);
                else
                    v[0] = d[0];
FC_UNROLL
                for (int i = 0; i < n_rows; i++)
                    half[i][j] = v[i];
            }
FC_UNROLL
            for (int i = 0; i < n_rows; i++) {
                FC_VECTOR v[FC_MAX_POINTS];
                FC_NAME(forward)(cols, half[i], v);
FC_UNROLL
                for (int j = 0; j < n; j++, out += t->out_product) {
                    *(FC_VECTOR *)out = v[j];
                    __builtin_prefetch(out + out_vector, 1); /* the next vector's */
                }
            }
        }
    }
}

static inline __attribute__((always_inline)) void FC_NAME(output)(const fc_winograd_output *t,
                                                                  const fc_points *rows,
                                                                  const int m_rows,
                                                                  const fc_points *cols,
                                                                  const int m)
{
    const int n_rows = rows ? rows->n : 1, n = cols->n;
    for (ptrdiff_t k = 0; k < t->vectors; k++) {
        const ptrdiff_t at = k * FC_BYTES;
        const ptrdiff_t lanes = k < t->vectors - 1 ? FC_LANES : t->last;
        const char *products = t->products + k * t->vector;
        const FC_VECTOR bias = *(const FC_VECTOR *)(t->bias + at);
        FC_VECTOR half[FC_MAX_TILE][FC_MAX_POINTS];
FC_UNROLL
        for (int j = 0; j < n; j++) {
            FC_VECTOR v[FC_MAX_POINTS], y[FC_MAX_TILE];
FC_UNROLL
            for (int i = 0; i < n_rows; i++)
                v[i] = *(const FC_VECTOR *)(products + (i * n + j) * t->product);
            if (rows)
                FC_NAME(backward)(rows, m_rows, v, y);
            else
                y[0] = v[0];
FC_UNROLL
            for (int i = 0; i < m_rows; i++)
                half[i][j] = y[i];
        }
FC_UNROLL
        for (int i = 0; i < m_rows; i++) {
            if (i >= t->rows)
                break;
            char *out = t->out + i * t->out_row + at;
            const char *residual = t->residual + i * t->residual_row + at;
            FC_VECTOR v[FC_MAX_POINTS], y[FC_MAX_TILE];
FC_UNROLL
            for (int j = 0; j < n; j++)
                v[j] = half[i][j];
            FC_NAME(backward)(cols, m, v, y);
FC_UNROLL
            for (int j = 0; j < m; j++) {
                y[j] += bias;
                __builtin_prefetch(out + (m + j) * t->out_pixel, 1); /* the next tile's */
            }
            if (t->residual)
FC_UNROLL
                for (int j = 0; j < m; j++)
                    if (j < t->cols)
                        y[j] += lanes == FC_LANES
                                    ? FC_NAME(load)(residual + j * t->residual_pixel)
                                    : FC_NAME(load_part)(residual + j * t->residual_pixel, lanes);
            if (t->activation)
FC_UNROLL
                for (int j = 0; j < m; j++)
                    y[j] = FC_NAME(activate)(t->activation, y[j]);
FC_UNROLL
            for (int j = 0; j < m; j++)
                if (j < t->cols) {
                    if (lanes == FC_LANES)
                        FC_NAME(store)(out + j * t->out_pixel, y[j]);
                    else
                        FC_NAME(store_part)(out + j * t->out_pixel, y[j], lanes);
                }
        }
    }
}

/* Tiles of a point that are multiplied side by side: their chains hide the latency. */
#if FC_PIXELS > 6
#define FC_SQUARE_TILES 8
#else
#define FC_SQUARE_TILES 4
#endif

static inline __attribute__((always_inline)) void FC_NAME(square_tiles)(char *x, const char *filter,
                                                                        const int tiles)
{
    FC_VECTOR acc[FC_SQUARE_TILES] = {{0}};
FC_UNROLL
    for (int d = 0; d < FC_LANES; d++) {
        const FC_VECTOR f = *(const FC_VECTOR *)(filter + d * FC_BYTES);
FC_UNROLL
        for (int i = 0; i < tiles; i++)
            acc[i] += FC_NAME(broadcast)(((const FC_T *)(x + i * FC_BYTES))[d]) * f;
        __asm__ volatile("" : : : "memory"); /* or the compiler takes one chain after another */
    }
FC_UNROLL
    for (int i = 0; i < tiles; i++)
        *(FC_VECTOR *)(x + i * FC_BYTES) = acc[i];
}

static void FC_NAME(square)(const fc_winograd_square *t)
{
    const char *filter = t->filter;
    for (ptrdiff_t e = 0; e < t->points; e++, filter += FC_LANES * FC_BYTES) {
        char *x = t->x + e * t->product;
        char *const end = x + t->tiles * FC_BYTES;
        for (; end - x >= FC_SQUARE_TILES * FC_BYTES; x += FC_SQUARE_TILES * FC_BYTES)
            FC_NAME(square_tiles)(x, filter, FC_SQUARE_TILES);
        for (; end - x >= FC_SQUARE_TILES / 2 * FC_BYTES; x += FC_SQUARE_TILES / 2 * FC_BYTES)
            FC_NAME(square_tiles)(x, filter, FC_SQUARE_TILES / 2);
        for (; x < end; x += FC_BYTES)
            FC_NAME(square_tiles)(x, filter, 1);
    }
}

static void FC_NAME(square_gradient)(const fc_winograd_square_gradient *t)
{
    for (ptrdiff_t e = 0; e < t->points; e++) {
        const char *x = t->x + e * t->product, *dy = t->dy + e * t->product;
        const char *const end = x + t->tiles * FC_BYTES;
        FC_VECTOR *const sums = (FC_VECTOR *)(t->sums + e * t->sums_product);
        FC_VECTOR acc[FC_LANES];
FC_UNROLL
        for (int i = 0; i < FC_LANES; i++)
            acc[i] = sums[i];
        for (; x < end; x += FC_BYTES, dy += FC_BYTES) {
            const FC_VECTOR f = *(const FC_VECTOR *)dy;
FC_UNROLL
            for (int i = 0; i < FC_LANES; i++)
                acc[i] += FC_NAME(broadcast)(((const FC_T *)x)[i]) * f;
        }
FC_UNROLL
        for (int i = 0; i < FC_LANES; i++)
            sums[i] = acc[i];
    }
}

/* v = A d: of a polynomial of m coefficients, the values at the points. */
static inline __attribute__((always_inline)) void FC_NAME(evaluate_output)(const fc_points *s,
                                                                           const int m,
                                                                           const FC_VECTOR *d,
                                                                           FC_VECTOR *v)
{
    v[0] = d[0];
FC_UNROLL
    for (int i = 0; i < s->pairs; i++) {
        const double p = s->pair[i], even[4] = {1, 0, p * p, 0}, odd[4] = {0, p, 0, p * p * p};
        const FC_VECTOR a = FC_NAME(polynomial)(even, m, d), b = FC_NAME(polynomial)(odd, m, d);
        v[2 * i + 1] = a + b;
        v[2 * i + 2] = a - b;
    }
    if (s->infinity)
        v[s->n - 1] = d[m - 1];
}

/* g = G^T u of r taps: g[k] is the sum of p^k u over the points, scaled as the filter's are. */
static inline __attribute__((always_inline)) void FC_NAME(collect_taps)(const fc_points *s,
                                                                        const int r,
                                                                        const FC_VECTOR *u,
                                                                        FC_VECTOR *g)
{
    double power[3];
FC_UNROLL
    for (int i = 0; i < s->pairs; i++)
        power[i] = s->scale[2 * i + 1]; /* that of the negative point, too */
FC_UNROLL
    for (int k = 0; k < r; k++) {
        g[k] = k == 0 ? (FC_T)s->scale[0] * u[0] : (FC_VECTOR){0};
        if (s->infinity && k == r - 1)
            g[k] += u[s->n - 1];
FC_UNROLL
        for (int i = 0; i < s->pairs; i++) {
            g[k] += (FC_T)power[i] *
                    (k % 2 ? u[2 * i + 1] - u[2 * i + 2] : u[2 * i + 1] + u[2 * i + 2]);
            power[i] *= s->pair[i];
        }
    }
}

static inline __attribute__((always_inline)) void FC_NAME(spread)(const fc_winograd_spread *t,
                                                                  const fc_points *points,
                                                                  const int m)
{
    const int n = points->n;
    for (ptrdiff_t tile = 0; tile < t->tiles; tile++)
        for (ptrdiff_t k = 0; k < t->vectors; k++) {
            const ptrdiff_t lanes = k < t->vectors - 1 ? FC_LANES : t->last;
            const char *dy = t->dy + tile * m * t->dy_pixel + k * FC_BYTES;
            char *out = t->out + tile * t->out_tile + k * t->out_vector;
            FC_VECTOR half[FC_MAX_POINTS][FC_MAX_TILE];
FC_UNROLL
            for (int j = 0; j < m; j++, dy += t->dy_pixel) {
                FC_VECTOR d[FC_MAX_TILE], v[FC_MAX_POINTS];
FC_UNROLL
                for (int i = 0; i < m; i++) {
                    d[i] = (FC_VECTOR){0};
                    __builtin_prefetch(dy + i * t->dy_row + 2 * m * t->dy_pixel);
                    if (i < t->rows && tile * m + j < t->cols)
                        d[i] = lanes == FC_LANES ? FC_NAME(load)(dy + i * t->dy_row)
                                                 : FC_NAME(load_part)(dy + i * t->dy_row, lanes);
                }
                FC_NAME(evaluate_output)(points, m, d, v);
FC_UNROLL
                for (int i = 0; i < n; i++)
                    half[i][j] = v[i];
            }
FC_UNROLL
            for (int i = 0; i < n; i++) {
                FC_VECTOR v[FC_MAX_POINTS];
                FC_NAME(evaluate_output)(points, m, half[i], v);
FC_UNROLL
                for (int j = 0; j < n; j++, out += t->out_product) {
                    *(FC_VECTOR *)out = v[j];
                    __builtin_prefetch(out + t->out_vector, 1); /* the next vector's */
                }
            }
        }
}

static inline __attribute__((always_inline)) void FC_NAME(collect)(const fc_winograd_collect *t,
                                                                   const fc_points *points,
                                                                   const int r)
{
    const int n = points->n;
    for (ptrdiff_t at = 0; at < t->vectors * FC_BYTES; at += FC_BYTES) {
        FC_VECTOR half[FC_MAX_POINTS][FC_MAX_POINTS];
FC_UNROLL
        for (int j = 0; j < n; j++) {
            FC_VECTOR u[FC_MAX_POINTS], g[FC_MAX_POINTS];
FC_UNROLL
            for (int i = 0; i < n; i++)
                u[i] = *(const FC_VECTOR *)(t->sums + (i * n + j) * t->product + at);
            FC_NAME(collect_taps)(points, r, u, g);
FC_UNROLL
            for (int i = 0; i < r; i++)
                half[i][j] = g[i];
        }
FC_UNROLL
        for (int i = 0; i < r; i++) {
            FC_VECTOR g[FC_MAX_POINTS];
            FC_NAME(collect_taps)(points, r, half[i], g);
FC_UNROLL
            for (int j = 0; j < r; j++)
                *(FC_VECTOR *)(t->out + (i * r + j) * t->out_tap + at) = g[j];
        }
    }
}

/* The filter transform computes in float64: as many neighbouring filters as a vector holds of it. */
typedef double FC_NAME(wide) __attribute__((vector_size(FC_BYTES)));
typedef FC_T FC_NAME(narrow)
    __attribute__((vector_size(FC_BYTES / 8 * sizeof(FC_T)), may_alias, aligned(sizeof(FC_T))));

static inline FC_NAME(wide) FC_NAME(widen)(const char *p)
{
#ifdef __AVX512F__
    if (sizeof(FC_T) == 4) /* of the line below GCC makes two halves */
        return (FC_NAME(wide))_mm512_cvtps_pd(_mm256_loadu_ps((const float *)p));
#endif
    return __builtin_convertvector(*(const FC_NAME(narrow) *)p, FC_NAME(wide));
}

/* u = G g of r taps, `gap` apart. Of a pair of points p and -p, even and odd taps are summed once. */
static inline __attribute__((always_inline)) void FC_NAME(evaluate)(const fc_points *s, const int r,
                                                                    const int gap,
                                                                    const FC_NAME(wide) *g,
                                                                    FC_NAME(wide) *u)
{
    u[0] = s->scale[0] * g[0];
FC_UNROLL
    for (int i = 0; i < s->pairs; i++) {
        FC_NAME(wide) sum[2] = {{0}, {0}};
        double factor = s->scale[2 * i + 1]; /* that of both */
FC_UNROLL
        for (int k = 0; k < r; k++, factor *= s->pair[i])
            sum[k % 2] = k < 2 ? factor * g[k * gap] : sum[k % 2] + factor * g[k * gap];
        u[2 * i + 1] = sum[0] + sum[1];
        u[2 * i + 2] = sum[0] - sum[1];
    }
    if (s->infinity)
        u[s->n - s->odd - 1] = g[(r - 1) * gap];
}

/* The same for any stride, without the repetitions of odd inputs. */
static inline __attribute__((always_inline)) void FC_NAME(forward_filter)(const fc_points *s,
                                                                          const int r,
                                                                          const FC_NAME(wide) *g,
                                                                          FC_NAME(wide) *u)
{
    FC_NAME(evaluate)(s, s->odd ? 2 : r, s->odd ? 2 : 1, g, u); /* of three taps two are even */
    if (s->odd)
        u[s->n - s->odd] = g[1];
}

/* Products along an axis that have filters of their own. */
static inline __attribute__((always_inline)) int FC_NAME(filters)(const fc_points *s)
{
    return s->odd ? s->n - s->odd + 1 : s->n;
}

/* Bytes of each product that are written at a time: the products are often a multiple of what fills a
 * way of the caches apart, so that no cache would hold a line of each. (With half as many, filters that
 * L2 holds take three quarters of the time, larger ones 1.3 times.) */
#define FC_FILTER_BYTES 1024

/* Filters of r taps along rows (`rows` NULL: 1) and columns; what is computed is rounded once, at the
 * end. */
static inline __attribute__((always_inline)) void FC_NAME(filter)(const fc_winograd_filter *t,
                                                                  const fc_points *rows,
                                                                  const fc_points *cols,
                                                                  const int r)
{
    const int high = rows ? r : 1, products = rows ? FC_NAME(filters)(rows) : 1;
    const int n = FC_NAME(filters)(cols);
    const ptrdiff_t bytes = t->bytes, most = FC_FILTER_BYTES / bytes, row = t->filter_row;
    const ptrdiff_t tap = t->filter_tap, next = t->filter_input;
    char stage[FC_MAX_POINTS * FC_MAX_POINTS][FC_FILTER_BYTES] __attribute__((aligned(64)));
    for (ptrdiff_t first = 0; first < t->inputs; first += most) {
        const ptrdiff_t some = t->inputs - first < most ? t->inputs - first : most;
        const char *input = t->filter + first * next, *p = input;
        char *const end = stage[0] + some * bytes;
        for (char *out = stage[0]; out != end; out += sizeof(FC_NAME(narrow))) {
            FC_NAME(wide) half[FC_MAX_POINTS][FC_MAX_POINTS];
FC_UNROLL
            for (int j = 0; j < r; j++) {
                FC_NAME(wide) g[FC_MAX_POINTS], u[FC_MAX_POINTS];
FC_UNROLL
                for (int i = 0; i < high; i++) {
                    g[i] = FC_NAME(widen)(p + i * row + j * tap);
                    __builtin_prefetch(p + i * row + j * tap + next); /* it may be far away */
                }
                if (rows)
                    FC_NAME(forward_filter)(rows, r, g, u);
                else
                    u[0] = g[0];
FC_UNROLL
                for (int i = 0; i < products; i++)
                    half[i][j] = u[i];
            }
            p += sizeof(FC_NAME(narrow));
            if (p == input + bytes)
                p = input += next;
FC_UNROLL
            for (int i = 0; i < products; i++) {
                FC_NAME(wide) u[FC_MAX_POINTS];
                FC_NAME(forward_filter)(cols, r, half[i], u);
FC_UNROLL
                for (int j = 0; j < n; j++)
                    *(FC_NAME(narrow) *)(out + (i * n + j) * FC_FILTER_BYTES) =
                        __builtin_convertvector(u[j], FC_NAME(narrow));
            }
        }
        for (int e = 0; e < products * n; e++)
            for (ptrdiff_t at = 0; at < some * bytes; at += FC_BYTES)
                *(FC_VECTOR *)(t->out + e * t->out_product + first * bytes + at) =
                    FC_NAME(load)(stage[e] + at);
    }
}
