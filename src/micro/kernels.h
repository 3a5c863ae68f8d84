/* Everything a level has for the element type FC_T, and its table FC_TABLE.
 * Included by level.c once for each type. */
#include "vector.h"
#include "tile.h"
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

#define FC_TABLE                                                                               \
    {                                                                                          \
        .itemsize = sizeof(FC_T), .lanes = FC_LANES, .pixels = FC_PIXELS, .vectors = 2,        \
        .dense = {[FC_ONE] = {FC_EACH_SIZE(FC_DENSE_1)},                                       \
                  [FC_TWO] = {FC_EACH_SIZE(FC_DENSE_2)},                                       \
                  [FC_ONE_AND_HALF] = {FC_EACH_SIZE(FC_DENSE_1H)}},                            \
        .depthwise = {FC_EACH_SIZE(FC_DEPTHWISE)}, .copy = FC_NAME(copy),                      \
        .peak = FC_NAME(peak), .read = FC_NAME(read),                                          \
    }
