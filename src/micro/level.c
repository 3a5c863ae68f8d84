/* One instruction-set level: compiled once per level with that level's flags and
 * -DFC_TABLES=fc_tables_<level>, the only name with external linkage. */
#include <stdint.h>
#include <string.h>
#include "table.h"

/* Register width in bytes, and pixels of the tallest tile, two vectors wide, that the registers
 * hold: 32 of AVX-512, 32 of NEON (where the compiler spills at 14), 16 of the others. Pairs: steps of
 * its reduction are taken two at a time, so that there are fewer additions beside the products. They
 * need registers, and count where instructions are started four a cycle. */
#if defined(__AVX512F__)
#include <immintrin.h>
#define FC_BYTES 64
#define FC_PIXELS 14
#define FC_PAIRS 1
#elif defined(__AVX2__)
#include <immintrin.h>
#define FC_BYTES 32
#define FC_PIXELS 6
#define FC_PAIRS 0
#elif defined(__aarch64__)
#define FC_BYTES 16
#define FC_PIXELS 12
#define FC_PAIRS 0
#else
#define FC_BYTES 16
#define FC_PIXELS 6
#define FC_PAIRS 0
#endif

/* Before every loop over accumulators: rolled, they would live on the stack. 20: the longest. */
#ifdef __clang__
#define FC_UNROLL _Pragma("clang loop unroll(full)")
#else
#define FC_UNROLL _Pragma("GCC unroll 20")
#endif

#define FC_UP_TO_6(M) M(1) M(2) M(3) M(4) M(5) M(6)
#define FC_UP_TO_12(M) FC_UP_TO_6(M) M(7) M(8) M(9) M(10) M(11) M(12)
#if FC_PIXELS == 6
#define FC_EACH_SIZE(M) FC_UP_TO_6(M)
#elif FC_PIXELS == 12
#define FC_EACH_SIZE(M) FC_UP_TO_12(M)
#else
#define FC_EACH_SIZE(M) FC_UP_TO_12(M) M(13) M(14)
#endif

/* Pixels of a tile of four vectors: as many as leave registers for the filter's and an input. */
#if FC_PIXELS == 14
#define FC_FOUR_PIXELS 6
#define FC_EACH_FOUR(M) FC_UP_TO_6(M)
#else
#define FC_FOUR_PIXELS 0
#define FC_EACH_FOUR(M)
#endif

/* Pixels of a tile of dot products of 1 to 4 output channels: 16 accumulators of 32 registers, or
 * 8 and a ninth of 16. */
#define FC_EACH_DOT_2_OF_16(M) M(2, 1) M(2, 2) M(2, 3) M(2, 4)
#define FC_EACH_DOT_3_OF_16(M) M(3, 1) M(3, 2) M(3, 3)
#define FC_EACH_DOT_4_OF_16(M) M(4, 1) M(4, 2)
#define FC_EACH_DOT_1_OF_16(M) M(1, 1) M(1, 2) M(1, 3) M(1, 4) M(1, 5) M(1, 6)
#if FC_PIXELS == 6
#define FC_DOT_PIXELS {6, 4, 3, 2}
#define FC_EACH_DOT_1 FC_EACH_DOT_1_OF_16
#define FC_EACH_DOT_2 FC_EACH_DOT_2_OF_16
#define FC_EACH_DOT_3 FC_EACH_DOT_3_OF_16
#define FC_EACH_DOT_4 FC_EACH_DOT_4_OF_16
#else
#define FC_DOT_PIXELS {12, 8, 5, 4}
#define FC_EACH_DOT_1(M)                                                                       \
    FC_EACH_DOT_1_OF_16(M) M(1, 7) M(1, 8) M(1, 9) M(1, 10) M(1, 11) M(1, 12)
#define FC_EACH_DOT_2(M) FC_EACH_DOT_2_OF_16(M) M(2, 5) M(2, 6) M(2, 7) M(2, 8)
#define FC_EACH_DOT_3(M) FC_EACH_DOT_3_OF_16(M) M(3, 4) M(3, 5)
#define FC_EACH_DOT_4(M) FC_EACH_DOT_4_OF_16(M) M(4, 3) M(4, 4)
#endif

#include "points.h"

#define FC_T float
#define FC_SIZE 4
#define FC_INT int32_t
#define FC_NAME(name) name##_f32
#include "kernels.h"
static const fc_table table_f32 = FC_TABLE;
#undef FC_T
#undef FC_SIZE
#undef FC_INT
#undef FC_NAME

#define FC_T double
#define FC_SIZE 8
#define FC_INT int64_t
#define FC_NAME(name) name##_f64
#include "kernels.h"
static const fc_table table_f64 = FC_TABLE;

const fc_table *const FC_TABLES[2] = {&table_f32, &table_f64};
