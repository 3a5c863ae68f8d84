# What the drivers (src/drivers) share: the micro-kernel tables and the workspace.
# It lies here, by its module's name, because that is where Cython looks for it.

cdef extern from "table.h":
    int FC_ONE, FC_TWO, FC_ONE_AND_HALF, FC_ONE_AND_SHORT, FC_FOUR

    ctypedef struct fc_activation:
        double slope, upper

    ctypedef struct fc_tile:
        ptrdiff_t count
        const char *x[2]
        ptrdiff_t x_pixel, x_row, x_tap
        ptrdiff_t rows, taps, run
        const char *filter
        ptrdiff_t filter_skip, next_slab
        const char *next
        ptrdiff_t next_step
        const char *bias
        ptrdiff_t resume
        const char *residual[2]
        ptrdiff_t residual_pixel
        char *out[2]
        ptrdiff_t out_pixel
        ptrdiff_t fetch_out
        ptrdiff_t last
        const fc_activation *activation

    ctypedef void (*fc_tile_function)(const fc_tile *) noexcept nogil

    int FC_PANEL_AHEAD

    ctypedef struct fc_panel:
        ptrdiff_t count
        const char *x
        const ptrdiff_t *inputs
        ptrdiff_t steps, fetch
        const char *filter
        ptrdiff_t filter_step
        const char *bias
        char *out
        ptrdiff_t out_channel, last
        const fc_activation *activation

    ctypedef void (*fc_panel_function)(const fc_panel *) noexcept nogil
    ctypedef void (*fc_copy_function)(
        char *dst, ptrdiff_t dst_pixel, ptrdiff_t dst_channel,
        const char *src, ptrdiff_t src_pixel, ptrdiff_t src_channel,
        ptrdiff_t pixels, ptrdiff_t channels) noexcept nogil

    int FC_MAX_DOTS

    ctypedef struct fc_lanewise:
        const char *const *columns
        ptrdiff_t columns_row, column, tap
        ptrdiff_t rows, depth, taps
        const char *lane_of
        ptrdiff_t vectors, x_vector, out_vector
        const char *filter
        ptrdiff_t filter_vector
        const char *bias
        const char *residual
        ptrdiff_t residual_pixel
        char *out
        ptrdiff_t out_pixel
        ptrdiff_t width, last
        const fc_activation *activation

    ctypedef void (*fc_lanewise_function)(const fc_lanewise *) noexcept nogil

    ctypedef struct fc_planewise:
        const char *x
        const ptrdiff_t *inputs
        ptrdiff_t rows, row
        ptrdiff_t x_line, lines, cols
        ptrdiff_t x_row, x_phase, low, high, left, right
        const char *filter
        const char *bias
        ptrdiff_t outs
        char *out
        ptrdiff_t out_line, out_channel
        const fc_activation *activation

    ctypedef void (*fc_planewise_function)(const fc_planewise *) noexcept nogil

    ctypedef struct fc_pixelwise:
        const char *x
        const ptrdiff_t *inputs
        ptrdiff_t x_row, apart
        ptrdiff_t rows, taps, lines, cols, step
        const char *filter
        const char *bias
        char *out
        ptrdiff_t out_line
        const fc_activation *activation

    ctypedef struct fc_separate:
        char *dst
        ptrdiff_t dst_line, dst_phase
        const char *src
        ptrdiff_t src_line, src_pixel, src_channel
        ptrdiff_t lines, pixels, channels

    ctypedef struct fc_gradient:
        ptrdiff_t images, rows, cols
        const char *x
        ptrdiff_t x_image, x_row, x_pixel, x_tap
        const char *lane_of
        const char *next
        ptrdiff_t next_step
        const char *dy
        ptrdiff_t dy_image, dy_row, dy_pixel
        char *out
        ptrdiff_t out_tap, out_input

    ctypedef void (*fc_gradient_function)(const fc_gradient *) noexcept nogil

    int FC_MAX_TAPS, FC_GROUPED_TAPS, FC_GROUPED_INPUTS
    int FC_WINOGRADS

    ctypedef struct fc_winograd_input:
        const char *const *taps
        ptrdiff_t tiles, channels
        char *out
        ptrdiff_t out_tile, out_product, out_vector

    ctypedef struct fc_winograd_output:
        const char *products
        ptrdiff_t product, vector
        const char *bias
        ptrdiff_t vectors, last
        ptrdiff_t rows, cols
        char *out
        ptrdiff_t out_row, out_pixel
        const char *residual
        ptrdiff_t residual_row, residual_pixel
        const fc_activation *activation

    ctypedef struct fc_winograd_filter:
        ptrdiff_t inputs, bytes
        const char *filter
        ptrdiff_t filter_row, filter_tap, filter_input
        char *out
        ptrdiff_t out_product

    ctypedef struct fc_winograd_spread:
        const char *dy
        ptrdiff_t dy_row, dy_pixel
        ptrdiff_t tiles, rows, cols
        ptrdiff_t vectors, last
        char *out
        ptrdiff_t out_tile, out_product, out_vector

    ctypedef struct fc_winograd_collect:
        const char *sums
        ptrdiff_t product
        ptrdiff_t vectors
        char *out
        ptrdiff_t out_tap

    ctypedef struct fc_winograd_square:
        ptrdiff_t points, tiles
        char *x
        ptrdiff_t product
        const char *filter

    ctypedef struct fc_winograd_square_gradient:
        ptrdiff_t points, tiles
        const char *x
        const char *dy
        ptrdiff_t product
        char *sums
        ptrdiff_t sums_product

    ctypedef struct fc_winograd:
        int m_h, n_h, m_w, n_w, unique, taps
        void (*input)(const fc_winograd_input *) noexcept nogil
        void (*output)(const fc_winograd_output *) noexcept nogil
        void (*filter)(const fc_winograd_filter *) noexcept nogil
        void (*spread)(const fc_winograd_spread *) noexcept nogil
        void (*collect)(const fc_winograd_collect *) noexcept nogil

    ctypedef struct fc_table:
        int itemsize, lanes, pixels, vectors, four_pixels
        fc_tile_function dense[4][14]
        fc_panel_function panel[2][14]
        int few_vectors[4]
        fc_panel_function few[4]
        int dot_pixels[4]
        fc_tile_function dot[4][14]
        int lanewise_pixels[2][3]
        int lanewise_taps[2][3]
        fc_lanewise_function lanewise[2][3][14]
        fc_planewise_function planewise
        fc_planewise_function plane_line
        void (*pixelwise)(const fc_pixelwise *) noexcept nogil
        fc_planewise_function plane_rows[2][3]
        int planes_in_place
        fc_gradient_function gradient[2][14]
        fc_gradient_function depthwise_gradient[2][6]
        fc_gradient_function grouped_gradient[3][3]
        void (*add)(char *dst, const char *src, ptrdiff_t bytes) noexcept nogil
        void (*pack)(char *dst, ptrdiff_t dst_pixel, const char *src, ptrdiff_t src_pixel,
                     ptrdiff_t pixels, ptrdiff_t channels) noexcept nogil
        fc_copy_function copy
        void (*separate)(const fc_separate *) noexcept nogil
        void (*line_up)(const char **places, const char *first, ptrdiff_t step,
                        ptrdiff_t count) noexcept nogil
        void (*mark)(unsigned char *damped, const void *y, double upper,
                     ptrdiff_t count) noexcept nogil
        void (*damp)(void *dst, const void *src, const unsigned char *damped, double slope,
                     ptrdiff_t count) noexcept nogil
        fc_winograd winograd[16]
        void (*winograd_square)(const fc_winograd_square *) noexcept nogil
        void (*winograd_square_gradient)(const fc_winograd_square_gradient *) noexcept nogil
        double (*peak)(ptrdiff_t steps) noexcept nogil
        void (*read)(const char *, ptrdiff_t bytes, ptrdiff_t repeats) noexcept nogil


cdef const fc_table *find_table(str level, int itemsize) except NULL
# Cycles of a vector's multiply-add, or load: two at a time, of as many bytes as the CPU takes at once.
cdef double multiply_cycles(const fc_table *table) noexcept nogil
cdef ptrdiff_t l2_bytes() noexcept nogil
cdef ptrdiff_t l3_bytes() noexcept nogil
