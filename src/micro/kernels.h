/* Everything a level has for the element type FC_T, and its table FC_TABLE.
 * Included by level.c once for each type. */
#include "vector.h"
#include "tile.h"
#include "panel.h"
#include "dot.h"
#include "lanewise.h"
#include "gradient.h"
#include "winograd.h"
#include "layout.h"
#include "elementwise.h"
#include "planewise.h"
#include "pixelwise.h"
#include "peak.h"

#define FC_INSTANTIATE(p)                                                                      \
    static void FC_NAME(dense_##p##x1)(const fc_tile *t)                                       \
    {                                                                                          \
        if (t->x_pixel == 64)                                                                  \
            FC_NAME(tile)(t, p, 1, 0, 64);                                                     \
        else                                                                                   \
            FC_NAME(tile)(t, p, 1, 0, 0);                                                      \
    }                                                                                          \
    static void FC_NAME(dense_##p##x2)(const fc_tile *t) { FC_NAME(tile)(t, p, 2, 0, 0); }     \
    static void FC_NAME(dense_##p##x1h)(const fc_tile *t) { FC_NAME(tile)(t, p, 2, FC_JOINED, 0); }
#if FC_BYTES == 64
#define FC_INSTANTIATE_SHORT(p)                                                                \
    static void FC_NAME(dense_##p##x1s)(const fc_tile *t) { FC_NAME(tile)(t, p, 2, FC_SHORT, 0); }
#define FC_DENSE_1S(p) FC_NAME(dense_##p##x1s),
FC_EACH_SIZE(FC_INSTANTIATE_SHORT)
#else
#define FC_DENSE_1S(p) 0,
#endif
#define FC_INSTANTIATE_4(p)                                                                    \
    static void FC_NAME(dense_##p##x4)(const fc_tile *t) { FC_NAME(tile)(t, p, 4, 0, 0); }
#define FC_DENSE_1(p) FC_NAME(dense_##p##x1),
#define FC_DENSE_2(p) FC_NAME(dense_##p##x2),
#define FC_DENSE_1H(p) FC_NAME(dense_##p##x1h),
#define FC_DENSE_4(p) FC_NAME(dense_##p##x4),

FC_EACH_SIZE(FC_INSTANTIATE)
FC_EACH_FOUR(FC_INSTANTIATE_4)

/* panel_<channels>x<vectors> */
#define FC_PANEL(p)                                                                            \
    static void FC_NAME(panel_##p##x1)(const fc_panel *t) { FC_NAME(panel)(t, p, 1, 0); }      \
    static void FC_NAME(panel_##p##x2)(const fc_panel *t) { FC_NAME(panel)(t, p, 2, 0); }
#define FC_PANEL_1(p) FC_NAME(panel_##p##x1),
#define FC_PANEL_2(p) FC_NAME(panel_##p##x2),

FC_EACH_SIZE(FC_PANEL)

/* few_<channels>: as many vectors as registers hold, or their few chains would wait for one another */
#define FC_FEW_VECTORS(p) (FC_PIXELS > 6 || (p) <= 2 ? FC_MAX_VECTORS : FC_SLAB_VECTORS)
#define FC_FEW(p)                                                                              \
    static void FC_NAME(few_##p)(const fc_panel *t) { FC_NAME(panel)(t, p, FC_FEW_VECTORS(p), 1); }

FC_FEW(1) FC_FEW(2) FC_FEW(3) FC_FEW(4)

/* dot_<outputs>_<pixels> */
#define FC_DOT(o, p)                                                                           \
    static void FC_NAME(dot_##o##_##p)(const fc_tile *t) { FC_NAME(dot)(t, p, o); }
#define FC_DOT_NAME(o, p) FC_NAME(dot_##o##_##p),

FC_EACH_DOT_1(FC_DOT) FC_EACH_DOT_2(FC_DOT) FC_EACH_DOT_3(FC_DOT) FC_EACH_DOT_4(FC_DOT)

#define FC_GRADIENT(p)                                                                         \
    static void FC_NAME(gradient_##p##x1)(const fc_gradient *t)                                \
    {                                                                                          \
        FC_NAME(gradient)(t, p, 1, 0);                                                         \
    }                                                                                          \
    static void FC_NAME(gradient_##p##x2)(const fc_gradient *t)                                \
    {                                                                                          \
        FC_NAME(gradient)(t, p, 2, 0);                                                         \
    }
#define FC_DEPTHWISE_GRADIENT(p)                                                               \
    static void FC_NAME(depthwise_gradient_##p##x1)(const fc_gradient *t)                      \
    {                                                                                          \
        FC_NAME(gradient)(t, p, 1, 1);                                                         \
    }                                                                                          \
    static void FC_NAME(depthwise_gradient_##p##x2)(const fc_gradient *t)                      \
    {                                                                                          \
        FC_NAME(gradient)(t, p, 2, 1);                                                         \
    }
#define FC_GRADIENT_1(p) FC_NAME(gradient_##p##x1),
#define FC_GRADIENT_2(p) FC_NAME(gradient_##p##x2),
#define FC_DEPTHWISE_GRADIENT_1(p) FC_NAME(depthwise_gradient_##p##x1),
#define FC_DEPTHWISE_GRADIENT_2(p) FC_NAME(depthwise_gradient_##p##x2),

/* of `depth` inputs of each of `taps` taps */
#define FC_GROUPED_GRADIENT(depth, taps)                                                       \
    static void FC_NAME(grouped_gradient_##depth##x##taps)(const fc_gradient *t)               \
    {                                                                                          \
        FC_NAME(gradient)(t, taps * depth, 1, depth);                                          \
    }
#define FC_GROUPED_GRADIENT_NAME(depth, taps) FC_NAME(grouped_gradient_##depth##x##taps),
#define FC_UP_TO_3_TAPS(M, depth) M(depth, 1) M(depth, 2) M(depth, 3)

FC_EACH_SIZE(FC_GRADIENT)
FC_UP_TO_6(FC_DEPTHWISE_GRADIENT)
FC_UP_TO_3_TAPS(FC_GROUPED_GRADIENT, 2)
FC_UP_TO_3_TAPS(FC_GROUPED_GRADIENT, 3)
FC_UP_TO_3_TAPS(FC_GROUPED_GRADIENT, 4)

/* lanewise_<grouped>_<stride>_<pixels> */
#define FC_LANEWISE(g, s, p)                                                                   \
    static void FC_NAME(lanewise_##g##_##s##_##p)(const fc_lanewise *t)                        \
    {                                                                                          \
        FC_NAME(lanewise)(t, p, s, g);                                                         \
    }
#define FC_LANEWISE_NAME(g, s, p) FC_NAME(lanewise_##g##_##s##_##p),
#define FC_UP_TO_8(M, g, s)                                                                    \
    M(g, s, 1) M(g, s, 2) M(g, s, 3) M(g, s, 4) M(g, s, 5) M(g, s, 6) M(g, s, 7) M(g, s, 8)
/* Filters of many taps gain from more chains of multiply-adds: 14 where the registers hold them. */
#if FC_PIXELS == 14
#define FC_TALLEST 14
#define FC_UP_TO_TALLEST(M, g, s)                                                              \
    FC_UP_TO_8(M, g, s) M(g, s, 9) M(g, s, 10) M(g, s, 11) M(g, s, 12) M(g, s, 13) M(g, s, 14)
#else
#define FC_TALLEST 8
#define FC_UP_TO_TALLEST FC_UP_TO_8
#endif

FC_UP_TO_8(FC_LANEWISE, 0, 0) FC_UP_TO_TALLEST(FC_LANEWISE, 0, 1) FC_UP_TO_8(FC_LANEWISE, 0, 2)
FC_UP_TO_8(FC_LANEWISE, 1, 0) FC_UP_TO_8(FC_LANEWISE, 1, 1) FC_UP_TO_8(FC_LANEWISE, 1, 2)

/* F(m_h x m_w, r x r) of n_h points p_h along rows and n_w points p along columns, `unique` with filters
 * of their own; and F(m, r) along columns only. */
#define FC_FILTER_TAPS(m, n, unique) (unique == n ? n - m + 1 : 3)
#define FC_WINOGRAD_2(m_h, n_h, p_h, m, n, unique, p)                                          \
    static void FC_NAME(input_##m_h##_##m##_##p)(const fc_winograd_input *t)                   \
    {                                                                                          \
        FC_NAME(input)(t, &fc_points_##p_h, &fc_points_##p, m);                                \
    }                                                                                          \
    static void FC_NAME(output_##m_h##_##m##_##p)(const fc_winograd_output *t)                 \
    {                                                                                          \
        FC_NAME(output)(t, &fc_points_##p_h, m_h, &fc_points_##p, m);                          \
    }                                                                                          \
    static void FC_NAME(filter_##m_h##_##m##_##p)(const fc_winograd_filter *t)                 \
    {                                                                                          \
        FC_NAME(filter)(t, &fc_points_##p_h, &fc_points_##p, FC_FILTER_TAPS(m, n, unique));    \
    }
#define FC_WINOGRAD_1(m, n, unique, p)                                                         \
    static void FC_NAME(input_1_##m##_##p)(const fc_winograd_input *t)                         \
    {                                                                                          \
        FC_NAME(input)(t, 0, &fc_points_##p, m);                                               \
    }                                                                                          \
    static void FC_NAME(output_1_##m##_##p)(const fc_winograd_output *t)                       \
    {                                                                                          \
        FC_NAME(output)(t, 0, 1, &fc_points_##p, m);                                           \
    }                                                                                          \
    static void FC_NAME(filter_1_##m##_##p)(const fc_winograd_filter *t)                       \
    {                                                                                          \
        FC_NAME(filter)(t, 0, &fc_points_##p, FC_FILTER_TAPS(m, n, unique));                   \
    }
#define FC_FORWARD(m_h, n_h, m, n, unique, p)                                                  \
    m_h, n_h, m, n, unique, FC_FILTER_TAPS(m, n, unique), FC_NAME(input_##m_h##_##m##_##p),    \
        FC_NAME(output_##m_h##_##m##_##p), FC_NAME(filter_##m_h##_##m##_##p)
#define FC_ENTRY_2(m_h, n_h, p_h, m, n, unique, p)                                             \
    {FC_FORWARD(m_h, n_h, m, n, unique, p), 0, 0},
#define FC_ENTRY_1(m, n, unique, p) {FC_FORWARD(1, 1, m, n, unique, p), 0, 0},

/* Those that have a filter's gradient: squares. */
#define FC_LEARNING_2(m, n, unique, p)                                                         \
    FC_WINOGRAD_2(m, n, p, m, n, unique, p)                                                    \
    static void FC_NAME(spread_##m##_##p)(const fc_winograd_spread *t)                         \
    {                                                                                          \
        FC_NAME(spread)(t, &fc_points_##p, m);                                                 \
    }                                                                                          \
    static void FC_NAME(collect_##m##_##p)(const fc_winograd_collect *t)                       \
    {                                                                                          \
        FC_NAME(collect)(t, &fc_points_##p, n - m + 1);                                        \
    }
#define FC_LEARNING_ENTRY_2(m, n, unique, p)                                                   \
    {FC_FORWARD(m, n, m, n, unique, p), FC_NAME(spread_##m##_##p), FC_NAME(collect_##m##_##p)},

#define FC_EACH_WINOGRAD(TWO, LEARNING_2, ONE)                                                 \
    TWO(2, 4, 4, 2, 4, 4, 4) TWO(2, 4, 4, 4, 6, 6, 6) LEARNING_2(4, 6, 6, 6)                   \
    TWO(6, 8, 8, 6, 8, 8, 8) LEARNING_2(2, 6, 6, 6) TWO(2, 6, 6, 4, 8, 8, 8)                   \
    TWO(4, 8, 8, 4, 8, 8, 8) TWO(4, 7, 7, 4, 7, 7, 7) TWO(3, 4, 4, 3, 4, 4, 4)                 \
    TWO(4, 5, 5, 4, 5, 5, 5) TWO(3, 7, 4_and_3, 3, 7, 5, 4_and_3)                              \
    TWO(4, 9, 5_and_4, 4, 9, 6, 5_and_4) ONE(4, 6, 6, 6) ONE(4, 7, 7, 7) ONE(5, 6, 6, 6)       \
    ONE(4, 9, 6, 5_and_4)

FC_EACH_WINOGRAD(FC_WINOGRAD_2, FC_LEARNING_2, FC_WINOGRAD_1)

#define FC_TABLE                                                                               \
    {                                                                                          \
        .itemsize = sizeof(FC_T), .lanes = FC_LANES, .pixels = FC_PIXELS,                      \
        .vectors = FC_SLAB_VECTORS, .four_pixels = FC_FOUR_PIXELS,                             \
        .dense = {[FC_ONE] = {FC_EACH_SIZE(FC_DENSE_1)},                                       \
                  [FC_TWO] = {FC_EACH_SIZE(FC_DENSE_2)},                                       \
                  [FC_ONE_AND_HALF] = {FC_EACH_SIZE(FC_DENSE_1H)},                             \
                  [FC_ONE_AND_SHORT] = {FC_EACH_SIZE(FC_DENSE_1S)},                            \
                  [FC_FOUR] = {FC_EACH_FOUR(FC_DENSE_4)}},                                     \
        .panel = {{FC_EACH_SIZE(FC_PANEL_1)}, {FC_EACH_SIZE(FC_PANEL_2)}},                     \
        .few_vectors = {FC_FEW_VECTORS(1), FC_FEW_VECTORS(2), FC_FEW_VECTORS(3), FC_FEW_VECTORS(4)}, \
        .few = {FC_NAME(few_1), FC_NAME(few_2), FC_NAME(few_3), FC_NAME(few_4)},               \
        .dot_pixels = FC_DOT_PIXELS,                                                           \
        .dot = {{FC_EACH_DOT_1(FC_DOT_NAME)}, {FC_EACH_DOT_2(FC_DOT_NAME)},                    \
                {FC_EACH_DOT_3(FC_DOT_NAME)}, {FC_EACH_DOT_4(FC_DOT_NAME)}},                   \
        .lanewise_pixels = {{8, FC_TALLEST, 8}, {8, 8, 8}},                                    \
        .lanewise_taps = {{FC_MOST_TAPS(0, 0), FC_MOST_TAPS(0, 1), FC_MOST_TAPS(0, 2)},        \
                          {FC_MOST_TAPS(1, 0), FC_MOST_TAPS(1, 1), FC_MOST_TAPS(1, 2)}},       \
        .lanewise = {{{FC_UP_TO_8(FC_LANEWISE_NAME, 0, 0)},                                    \
                      {FC_UP_TO_TALLEST(FC_LANEWISE_NAME, 0, 1)},                              \
                      {FC_UP_TO_8(FC_LANEWISE_NAME, 0, 2)}},                                   \
                     {{FC_UP_TO_8(FC_LANEWISE_NAME, 1, 0)},                                    \
                      {FC_UP_TO_8(FC_LANEWISE_NAME, 1, 1)},                                    \
                      {FC_UP_TO_8(FC_LANEWISE_NAME, 1, 2)}}},                                  \
        .copy = FC_NAME(copy), .separate = FC_NAME(separate),                                  \
        .line_up = FC_NAME(line_up), .planewise = FC_NAME(planewise),                          \
        .pixelwise = FC_NAME(pixelwise), .planes_in_place = FC_NAME(planes_in_place),          \
        .plane_rows = {{FC_NAME(plane_rows_3_1), FC_NAME(plane_rows_5_1),                      \
                        FC_NAME(plane_rows_7_1)},                                              \
                       {FC_NAME(plane_rows_3_2), FC_NAME(plane_rows_5_2), 0}},                 \
        .plane_line = FC_PLANE_LINE,                                                           \
        .gradient = {{FC_EACH_SIZE(FC_GRADIENT_1)}, {FC_EACH_SIZE(FC_GRADIENT_2)}},            \
        .depthwise_gradient = {{FC_UP_TO_6(FC_DEPTHWISE_GRADIENT_1)},                          \
                               {FC_UP_TO_6(FC_DEPTHWISE_GRADIENT_2)}},                         \
        .grouped_gradient = {{FC_UP_TO_3_TAPS(FC_GROUPED_GRADIENT_NAME, 2)},                   \
                             {FC_UP_TO_3_TAPS(FC_GROUPED_GRADIENT_NAME, 3)},                   \
                             {FC_UP_TO_3_TAPS(FC_GROUPED_GRADIENT_NAME, 4)}},                  \
        .add = FC_NAME(add), .pack = FC_NAME(pack),                                            \
        .mark = FC_NAME(mark), .damp = FC_NAME(damp),                                          \
        .winograd = {FC_EACH_WINOGRAD(FC_ENTRY_2, FC_LEARNING_ENTRY_2, FC_ENTRY_1)},           \
        .winograd_square = FC_NAME(square),                                                    \
        .winograd_square_gradient = FC_NAME(square_gradient),                                  \
        .peak = FC_NAME(peak), .read = FC_NAME(read),                                          \
    }
