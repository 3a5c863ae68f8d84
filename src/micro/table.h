/* What a level offers: one table of function pointers and tile sizes per element type.
 * All distances are in bytes, so that drivers serve every element type with the same code. */
#ifndef FASTCONV_TABLE_H
#define FASTCONV_TABLE_H

#include <stddef.h>

enum { FC_MAX_PIXELS = 14, FC_SLAB_VECTORS = 2, FC_MAX_VECTORS = 2 * FC_SLAB_VECTORS };

/* How wide a register tile is: one vector, two, one and a half, or four. In one and a half, the second
 * vector holds the same half vector of output channels of two neighbouring pixels; or each pixel has a
 * vector half as long, where a CPU takes whole ones in halves. Four are two slabs of two: a tile of fewer
 * pixels, of which more lies together in the output. */
enum { FC_ONE, FC_TWO, FC_ONE_AND_HALF, FC_ONE_AND_SHORT, FC_FOUR, FC_WIDTHS };

/* What half vectors are: two pixels' joined, or short. */
enum { FC_JOINED = 1, FC_SHORT };

/* y = x if x >= 0, else slope * x (exactly 0 where slope is 0); then at most `upper`. NaN stays. */
typedef struct {
    double slope, upper;
} fc_activation;

/* One call of the register tile: `count` tiles side by side, each `pixels` outputs by one to four
 * vectors of output channels. The first (pixels + 1) / 2 pixels of a tile lie one after another
 * from x[0] and out[0], the others from x[1] and out[1]: usually the same row, two rows where the
 * image is narrow. */
typedef struct {
    ptrdiff_t count;
    const char *x[2];
    ptrdiff_t x_pixel, x_row, x_tap; /* from pixel to pixel, filter row to row, tap to tap */
    ptrdiff_t rows, taps, run;       /* the reduction: rows x taps x run contiguous elements */
    const char *filter;              /* packed [rows][taps][run][vectors][lanes], aligned, */
    ptrdiff_t filter_skip;           /* with so many bytes left out between rows, */
    ptrdiff_t next_slab;             /* and so many to that of the third and fourth vector */
    const char *next;                /* what is fetched into L2 meanwhile, */
    ptrdiff_t next_step;             /* so many bytes on at each step of the reduction */
    const char *bias;                /* [vectors][lanes], aligned; half vectors stand twice */
    ptrdiff_t resume; /* whether to go on from what is in out, not from bias: two vectors only */
    const char *residual[2];         /* NULL: none */
    ptrdiff_t residual_pixel;
    char *out[2];
    ptrdiff_t out_pixel;
    ptrdiff_t fetch_out; /* whether out is fetched first: no cache holds it, and stores would wait */
    ptrdiff_t last;      /* lanes of the last vector that are output channels */
    const fc_activation *activation; /* NULL: none */
} fc_tile;

typedef void (*fc_tile_function)(const fc_tile *);

/* The same of channel-first images: some output channels of `count` panels of pixels side by side, one or
 * two vectors each. */
enum { FC_PANEL_AHEAD = 8 }; /* steps that inputs are fetched ahead */
typedef struct {
    ptrdiff_t count;
    const char *x;           /* pixels, whole vectors, */
    const ptrdiff_t *inputs; /* with so many bytes to each of their inputs, and FC_PANEL_AHEAD more */
    ptrdiff_t steps;
    ptrdiff_t fetch;         /* what lies so far on is fetched into L2 */
    const char *filter;      /* weights of the channels side by side, */
    ptrdiff_t filter_step;   /* so many bytes from input to input */
    const char *bias;
    char *out;
    ptrdiff_t out_channel;
    ptrdiff_t last; /* lanes of the last vector that are pixels */
    const fc_activation *activation; /* NULL: none */
} fc_panel;

typedef void (*fc_panel_function)(const fc_panel *);

/* Output channels of the widest tile of dot products, whose filter is packed
 * [rows][taps][run in vectors][outputs][lanes] and bias [outputs]; `resume`, `next` and `last` are
 * not used. */
enum { FC_MAX_DOTS = 4 };

/* Some outputs of a row, `vectors` vectors of channels that convolve by themselves. Inputs are
 * found through pointers: [filter row][column], to the first channel that the first vector reads. */
enum { FC_LANEWISE_PIXELS = 14 };
typedef struct {
    const char *const *columns;
    ptrdiff_t columns_row, column, tap; /* entries from filter row to row, output to output, tap
                                           to tap; the last two where they are not the function's */
    ptrdiff_t rows, depth, taps;        /* the reduction; depth: channels of a group */
    const char *lane_of; /* [min(depth, lanes)][lanes]: which input lane an output's lane reads */
    ptrdiff_t vectors, x_vector, out_vector; /* bytes from vector to vector */
    const char *filter;                      /* packed [rows][depth][taps][lanes], aligned */
    ptrdiff_t filter_vector;
    const char *bias;
    const char *residual; /* NULL: none */
    ptrdiff_t residual_pixel;
    char *out;
    ptrdiff_t out_pixel;
    ptrdiff_t width, last; /* lanes that are output channels, of all vectors but the last and of it */
    const fc_activation *activation; /* NULL: none */
} fc_lanewise;

typedef void (*fc_lanewise_function)(const fc_lanewise *);

/* The same of one to four (1, 2 or 4) output channels of a group, for images whose pixels lie
 * together along a row: `lines` rows of `cols` outputs. Vectors of inputs are loaded whole. */
typedef struct {
    const char *x;           /* what the first output reads, */
    const ptrdiff_t *inputs; /* with so many bytes to each of its inputs, */
    ptrdiff_t rows, row;     /* in the order of the filter, whose rows have so many inputs */
    ptrdiff_t x_line, lines, cols;
    /* for functions of a filter of so many rows, each of as many inputs: rows of x are so far apart, and
     * with stride 2 columns of odd number from those of even number, if it is a copy. Rows from low on,
     * and below high, are not padding; nor are columns from left on, and before right */
    ptrdiff_t x_row, x_phase, low, high, left, right;
    const char *filter, *bias; /* as packed for lanewise; of the first output channel */
    ptrdiff_t outs;
    char *out;
    ptrdiff_t out_line, out_channel;
    const fc_activation *activation; /* NULL: none */
} fc_planewise;

typedef void (*fc_planewise_function)(const fc_planewise *);

/* The same of so few channels that a vector holds several pixels, `step` elements: `lines` rows of `cols`
 * elements. Vectors of inputs are loaded whole. */
typedef struct {
    const char *x;           /* what the first output reads, */
    const ptrdiff_t *inputs; /* with so many bytes to each tap of a filter row */
    ptrdiff_t x_row, apart;  /* from filter row to filter row; those of an output line to the next */
    ptrdiff_t rows, taps, lines, cols, step;
    const char *filter, *bias; /* as packed for lanewise */
    char *out;
    ptrdiff_t out_line;
    const fc_activation *activation; /* NULL: none */
} fc_pixelwise;

/* One register tile of the filter gradient, of `inputs` filter elements x one or two vectors of
 * output channels: out[i][o] += the sum over pixels of x[pixel][i] * dy[pixel][o]. */
enum { FC_MAX_TAPS = 6, FC_GROUPED_TAPS = 3, FC_GROUPED_INPUTS = 4 };
typedef struct {
    ptrdiff_t images, rows, cols; /* the reduction: output pixels */
    const char *x;                /* input 0 under the first of them */
    ptrdiff_t x_image, x_row, x_pixel;
    ptrdiff_t x_tap;     /* lanewise: from tap to tap; dense inputs lie together */
    const char *lane_of; /* grouped: [inputs of a tap][lanes], which of the tap's lanes is read */
    const char *next; /* what is fetched into L2 meanwhile, */
    ptrdiff_t next_step; /* so many bytes on at each pixel */
    const char *dy;  /* whole vectors */
    ptrdiff_t dy_image, dy_row, dy_pixel;
    char *out; /* whole vectors, aligned */
    ptrdiff_t out_tap, out_input;
} fc_gradient;

typedef void (*fc_gradient_function)(const fc_gradient *);

/* dst[p][c] = src[p][c] for any distances between pixels and between channels. */
typedef void (*fc_copy_function)(char *dst, ptrdiff_t dst_pixel, ptrdiff_t dst_channel,
                                 const char *src, ptrdiff_t src_pixel, ptrdiff_t src_channel,
                                 ptrdiff_t pixels, ptrdiff_t channels);

/* dst[line][phase][pixel] = src[line][2 * pixel + phase], where nothing is between a phase's pixels. */
typedef struct {
    char *dst;
    ptrdiff_t dst_line, dst_phase;
    const char *src;
    ptrdiff_t src_line, src_pixel, src_channel;
    ptrdiff_t lines, pixels, channels;
} fc_separate;

/* The points of a Winograd transform: 0, pairs p and -p, perhaps infinity; and what the transforms
 * are made of (points.py). A pair's `rest` is the product of x - q over all other points q. With
 * stride 2 they are those of the even inputs, and `odd` inputs are multiplied as they are. */
enum { FC_MAX_POINTS = 9, FC_MAX_TILE = 6 };
typedef struct {
    int n, odd, pairs, infinity;
    double pair[3];
    double rest[3][FC_MAX_POINTS - 1];
    double at_zero[FC_MAX_POINTS], at_infinity[FC_MAX_POINTS];
    double scale[FC_MAX_POINTS - 1]; /* of the filter, at each finite point */
} fc_points;

/* Input transform of `tiles` tiles side by side. */
typedef struct {
    const char *const *taps; /* where the inputs are: [columns][rows of a tile] */
    ptrdiff_t tiles, channels;
    char *out; /* whole vectors, aligned, */
    ptrdiff_t out_tile, out_product, out_vector; /* so many bytes apart */
} fc_winograd_input;

/* Output transform of one tile, of which rows x cols outputs exist. */
typedef struct {
    const char *products; /* aligned, so many bytes from point to point and vector to vector */
    ptrdiff_t product, vector;
    const char *bias;
    ptrdiff_t vectors, last;
    ptrdiff_t rows, cols;
    char *out;
    ptrdiff_t out_row, out_pixel;
    const char *residual; /* NULL: none */
    ptrdiff_t residual_row, residual_pixel;
    const fc_activation *activation; /* NULL: none */
} fc_winograd_output;

/* Filter transform of some inputs, so many bytes of filters of each: one vector or two. */
typedef struct {
    ptrdiff_t inputs, bytes;
    const char *filter; /* zero beyond its taps */
    ptrdiff_t filter_row, filter_tap, filter_input;
    char *out; /* [unique products], inputs side by side, aligned */
    ptrdiff_t out_product;
} fc_winograd_filter;

/* The output transform's transpose, of `tiles` tiles side by side: of their gradients rows x cols
 * exist, the others are zero. */
typedef struct {
    const char *dy;
    ptrdiff_t dy_row, dy_pixel;
    ptrdiff_t tiles, rows, cols;
    ptrdiff_t vectors, last;
    char *out; /* aligned, */
    ptrdiff_t out_tile, out_product, out_vector; /* so many bytes apart */
} fc_winograd_spread;

/* The filter transform's transpose, of so many vectors that lie together. */
typedef struct {
    const char *sums; /* [points], aligned */
    ptrdiff_t product;
    ptrdiff_t vectors;
    char *out; /* [taps], aligned */
    ptrdiff_t out_tap;
} fc_winograd_collect;

/* Products of tiles, for each point, with filters of as many inputs as lanes, an output to a lane:
 * [points][tiles][lanes], aligned, in the place of the inputs. */
typedef struct {
    ptrdiff_t points, tiles;
    char *x;
    ptrdiff_t product;  /* bytes from point to point */
    const char *filter; /* [points][lanes of inputs][lanes], aligned */
} fc_winograd_square;

/* Of the filter's gradient, for each point: sums of as many inputs as lanes, each in a vector of
 * outputs, to which the products of tiles are added. */
typedef struct {
    ptrdiff_t points, tiles;
    const char *x, *dy; /* [points][tiles][lanes], aligned */
    ptrdiff_t product;  /* bytes from point to point, of both */
    char *sums;         /* [points][lanes of inputs][lanes], aligned */
    ptrdiff_t sums_product;
} fc_winograd_square_gradient;

/* The transforms of one F(m, r); those of the filter's gradient are for stride 1, or NULL. */
typedef struct {
    int m_h, n_h, m_w, n_w; /* outputs and points of a tile; of rows 1: along columns only */
    int unique; /* points of different filters along columns: all odd inputs have the same */
    int taps;   /* of a filter, along an axis */
    void (*input)(const fc_winograd_input *);
    void (*output)(const fc_winograd_output *);
    void (*filter)(const fc_winograd_filter *);
    void (*spread)(const fc_winograd_spread *);
    void (*collect)(const fc_winograd_collect *);
} fc_winograd;
enum { FC_WINOGRADS = 16 };

typedef struct {
    int itemsize, lanes; /* bytes of an element, elements of a vector */
    int pixels, vectors; /* the largest register tile of a slab */
    int four_pixels;     /* of four vectors; 0: there is none */
    /* dense[width][p - 1]: output channels of one group in a vector, inputs broadcast to it.
     * dot[outputs - 1][p - 1]: the reduction in a vector, p at most dot_pixels[outputs - 1].
     * lanewise[grouped][stride][p - 1]: strides 1, 2, and any (0), with taps any columns apart. */
    fc_tile_function dense[FC_WIDTHS][FC_MAX_PIXELS];
    fc_panel_function panel[FC_SLAB_VECTORS][FC_MAX_PIXELS]; /* [vectors - 1][channels - 1] */
    int few_vectors[FC_MAX_DOTS]; /* of wider panels, */
    fc_panel_function few[FC_MAX_DOTS]; /* [channels - 1] */
    int dot_pixels[FC_MAX_DOTS];
    fc_tile_function dot[FC_MAX_DOTS][FC_MAX_PIXELS];
    int lanewise_pixels[2][3], lanewise_taps[2][3]; /* the most; taps: that share loads */
    fc_lanewise_function lanewise[2][3][FC_LANEWISE_PIXELS];
    fc_planewise_function planewise, plane_rows[2][3]; /* of strides 1 and 2, 3, 5 and 7 rows or NULL */
    fc_planewise_function plane_line; /* of stride 1 and one row, of any length, or NULL */
    void (*pixelwise)(const fc_pixelwise *);
    int planes_in_place; /* whether those read the image itself */
    /* gradient[vectors - 1][inputs - 1]; depthwise: of taps in the place of inputs; grouped: of
     * [inputs of a tap - 2][taps - 1] */
    fc_gradient_function gradient[FC_SLAB_VECTORS][FC_MAX_PIXELS];
    fc_gradient_function depthwise_gradient[FC_SLAB_VECTORS][FC_MAX_TAPS];
    fc_gradient_function grouped_gradient[FC_GROUPED_INPUTS - 1][FC_GROUPED_TAPS];
    void (*add)(char *dst, const char *src, ptrdiff_t bytes);
    void (*pack)(char *dst, ptrdiff_t dst_pixel, const char *src, ptrdiff_t src_pixel,
                 ptrdiff_t pixels, ptrdiff_t channels);
    fc_copy_function copy;
    void (*separate)(const fc_separate *);
    void (*line_up)(const char **places, const char *first, ptrdiff_t step, ptrdiff_t count);
    void (*mark)(unsigned char *damped, const void *y, double upper, ptrdiff_t count);
    void (*damp)(void *dst, const void *src, const unsigned char *damped, double slope,
                 ptrdiff_t count);
    double (*peak)(ptrdiff_t steps);
    fc_winograd winograd[FC_WINOGRADS];
    void (*winograd_square)(const fc_winograd_square *);
    void (*winograd_square_gradient)(const fc_winograd_square_gradient *);
    void (*read)(const char *, ptrdiff_t bytes, ptrdiff_t repeats);
} fc_table;

/* Each level is one object file that defines one of these: [0] float32, [1] float64. */
extern const fc_table *const fc_tables_baseline[2];
extern const fc_table *const fc_tables_x86_64_v3[2];
extern const fc_table *const fc_tables_x86_64_v4[2];

#endif
