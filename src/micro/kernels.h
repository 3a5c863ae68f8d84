/* Everything a level has for the element type FC_T, and its table FC_TABLE.
 * Included by level.c once for each type. */
#include "vector.h"
#include "tile.h"
#include "gradient.h"
#include "winograd.h"
#include "layout.h"
#include "peak.h"

#define FC_INSTANTIATE(p)                                                                      \
    static void FC_NAME(dense_##p##x1)(const fc_tile *t) { FC_NAME(tile)(t, p, 1, 0, 0); }     \
    static void FC_NAME(dense_##p##x2)(const fc_tile *t) { FC_NAME(tile)(t, p, 2, 0, 0); }     \
    static void FC_NAME(dense_##p##x1h)(const fc_tile *t) { FC_NAME(tile)(t, p, 2, 1, 0); }    \
    static void FC_NAME(depthwise_##p)(const fc_tile *t) { FC_NAME(tile)(t, p, 1, 0, 1); }
#define FC_DENSE_1(p) FC_NAME(dense_##p##x1),
#define FC_DENSE_2(p) FC_NAME(dense_##p##x2),
#define FC_DENSE_1H(p) FC_NAME(dense_##p##x1h),
#define FC_DEPTHWISE(p) FC_NAME(depthwise_##p),

FC_EACH_SIZE(FC_INSTANTIATE)

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

FC_EACH_SIZE(FC_GRADIENT)
FC_UP_TO_6(FC_DEPTHWISE_GRADIENT)

/* F(m, r) of n points: along rows and columns, or columns only. */
#define FC_WINOGRAD_2(m, n)                                                                    \
    static void FC_NAME(input_##m##_##n)(const fc_winograd_input *t)                           \
    {                                                                                          \
        FC_NAME(input)(t, &fc_points_##n, &fc_points_##n, m);                                  \
    }                                                                                          \
    static void FC_NAME(output_##m##_##n)(const fc_winograd_output *t)                         \
    {                                                                                          \
        FC_NAME(output)(t, &fc_points_##n, m, &fc_points_##n, m);                              \
    }
#define FC_WINOGRAD_1(m, n)                                                                    \
    static void FC_NAME(input1_##m##_##n)(const fc_winograd_input *t)                          \
    {                                                                                          \
        FC_NAME(input)(t, 0, &fc_points_##n, m);                                               \
    }                                                                                          \
    static void FC_NAME(output1_##m##_##n)(const fc_winograd_output *t)                        \
    {                                                                                          \
        FC_NAME(output)(t, 0, 1, &fc_points_##n, m);                                           \
    }
#define FC_ENTRY_2(m, n) {m, n, 2, &fc_points_##n, FC_NAME(input_##m##_##n), FC_NAME(output_##m##_##n)},
#define FC_ENTRY_1(m, n) {m, n, 1, &fc_points_##n, FC_NAME(input1_##m##_##n), FC_NAME(output1_##m##_##n)},
#define FC_EACH_WINOGRAD(TWO, ONE) \
    TWO(2, 4) TWO(4, 6) TWO(2, 6) TWO(4, 7) TWO(6, 8) TWO(4, 8) ONE(4, 6) ONE(4, 7)

FC_EACH_WINOGRAD(FC_WINOGRAD_2, FC_WINOGRAD_1)

#define FC_TABLE                                                                               \
    {                                                                                          \
        .itemsize = sizeof(FC_T), .lanes = FC_LANES, .pixels = FC_PIXELS, .vectors = 2,        \
        .dense = {[FC_ONE] = {FC_EACH_SIZE(FC_DENSE_1)},                                       \
                  [FC_TWO] = {FC_EACH_SIZE(FC_DENSE_2)},                                       \
                  [FC_ONE_AND_HALF] = {FC_EACH_SIZE(FC_DENSE_1H)}},                            \
        .depthwise = {FC_EACH_SIZE(FC_DEPTHWISE)}, .copy = FC_NAME(copy),                      \
        .gradient = {{FC_EACH_SIZE(FC_GRADIENT_1)}, {FC_EACH_SIZE(FC_GRADIENT_2)}},            \
        .depthwise_gradient = {{FC_UP_TO_6(FC_DEPTHWISE_GRADIENT_1)},                          \
                               {FC_UP_TO_6(FC_DEPTHWISE_GRADIENT_2)}},                         \
        .add = FC_NAME(add), .pack = FC_NAME(pack),                                            \
        .winograd = {FC_EACH_WINOGRAD(FC_ENTRY_2, FC_ENTRY_1)},                                \
        .winograd_filter = FC_NAME(filter),                                                    \
        .peak = FC_NAME(peak), .read = FC_NAME(read),                                          \
    }
