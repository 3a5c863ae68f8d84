/* The vector of this level and element type FC_T: as wide as the level's registers.
 * Included once per element type. Intrinsics only where vector extensions have nothing: masks. */

#define FC_VECTOR FC_NAME(vector)
#define FC_MASK FC_NAME(mask)
#define FC_HALF FC_NAME(half)
#define FC_LANES (FC_BYTES / FC_SIZE)

typedef FC_T FC_VECTOR __attribute__((vector_size(FC_BYTES)));
typedef FC_T FC_NAME(unaligned)
    __attribute__((vector_size(FC_BYTES), may_alias, aligned(sizeof(FC_T))));
typedef FC_INT FC_MASK __attribute__((vector_size(FC_BYTES)));
typedef FC_INT FC_HALF __attribute__((vector_size(FC_BYTES / 2)));

static inline FC_VECTOR FC_NAME(load)(const void *p)
{
    return *(const FC_NAME(unaligned) *)p;
}

static inline void FC_NAME(store)(void *p, FC_VECTOR v)
{
    *(FC_NAME(unaligned) *)p = v;
}

/* Subtracting +0 keeps every value, -0 and NaN included, so no instruction is left of it. */
static inline FC_VECTOR FC_NAME(broadcast)(FC_T x)
{
    return x - (FC_VECTOR){0};
}

static inline FC_VECTOR FC_NAME(select)(FC_MASK where, FC_VECTOR yes, FC_VECTOR no)
{
    return (FC_VECTOR)(((FC_MASK)yes & where) | ((FC_MASK)no & ~where));
}

/* Lane l of the result is lane from[l] of v. */
static inline FC_VECTOR FC_NAME(permute)(FC_VECTOR v, FC_MASK from)
{
#ifdef __clang__
    return __builtin_shufflevector(v, from);
#else
    return __builtin_shuffle(v, from);
#endif
}

/* Low half of a, high half of b; and the high half of v, twice. */
static inline FC_VECTOR FC_NAME(join_halves)(FC_VECTOR a, FC_VECTOR b)
{
    const union {
        FC_HALF half[2];
        FC_VECTOR whole;
    } low = {.half = {{0} , ~(FC_HALF){0}}};
    return FC_NAME(select)((FC_MASK)low.whole, b, a);
}

static inline FC_VECTOR FC_NAME(high_half)(FC_VECTOR v)
{
    union {
        FC_HALF half[2];
        FC_VECTOR whole;
    } u = {.whole = v};
    u.half[0] = u.half[1];
    return u.whole;
}

#if FC_BYTES == 64
/* acc + a * b in the low half; what the high one has does not matter. */
static inline FC_VECTOR FC_NAME(add_short_product)(FC_VECTOR acc, FC_VECTOR a, FC_VECTOR b)
{
    if (sizeof(FC_T) == 4)
        return (FC_VECTOR)_mm512_castps256_ps512(
            _mm256_fmadd_ps(_mm512_castps512_ps256((__m512)a), _mm512_castps512_ps256((__m512)b),
                            _mm512_castps512_ps256((__m512)acc)));
    return (FC_VECTOR)_mm512_castpd256_pd512(
        _mm256_fmadd_pd(_mm512_castpd512_pd256((__m512d)a), _mm512_castpd512_pd256((__m512d)b),
                        _mm512_castpd512_pd256((__m512d)acc)));
}
#endif

/* The first n lanes, 0 < n < lanes; memory behind them is neither read nor written. */
#if defined(__AVX512F__)
static inline void FC_NAME(store_part)(void *p, FC_VECTOR v, ptrdiff_t n)
{
    if (sizeof(FC_T) == 4)
        _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
    else
        _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v);
}

/* Some lanes, from `first` on and before `end`, a bit each. */
static inline unsigned FC_NAME(lanes_of)(ptrdiff_t first, ptrdiff_t end)
{
    const int low = first < 0 ? 0 : first < FC_LANES ? (int)first : FC_LANES;
    const int high = end < 0 ? 0 : end < FC_LANES ? (int)end : FC_LANES;
    return ((1u << high) - 1) & ~((1u << low) - 1);
}

/* Lanes that are not in the set are 0, and not read. */
static inline FC_VECTOR FC_NAME(load_lanes)(const void *p, unsigned lanes)
{
    if (sizeof(FC_T) == 4)
        return (FC_VECTOR)_mm512_maskz_loadu_ps((__mmask16)lanes, p);
    return (FC_VECTOR)_mm512_maskz_loadu_pd((__mmask8)lanes, p);
}

static inline FC_VECTOR FC_NAME(load_part)(const void *p, ptrdiff_t n)
{
    return FC_NAME(load_lanes)(p, (1u << n) - 1);
}
#else
/* Copies of constant size, halving; a memcpy of n elements would be a call for each pixel. */
static inline void FC_NAME(copy_part)(char *dst, const char *src, ptrdiff_t n)
{
    const ptrdiff_t bytes = n * (ptrdiff_t)sizeof(FC_T);
    ptrdiff_t at = 0;
    if (FC_BYTES > 16 && bytes & 16) {
        __builtin_memcpy(dst, src, 16);
        at = 16;
    }
    if (FC_BYTES > 8 && bytes & 8) {
        __builtin_memcpy(dst + at, src + at, 8);
        at += 8;
    }
    if (bytes & 4)
        __builtin_memcpy(dst + at, src + at, 4);
}

static inline void FC_NAME(store_part)(void *p, FC_VECTOR v, ptrdiff_t n)
{
    FC_NAME(copy_part)(p, (const char *)&v, n);
}

static inline FC_VECTOR FC_NAME(load_part)(const void *p, ptrdiff_t n)
{
    FC_VECTOR v = {0};
    FC_NAME(copy_part)((char *)&v, p, n);
    return v;
}
#endif

/* The first n lanes, n > 0, or all if there are no more; the others are 0. */
static inline FC_VECTOR FC_NAME(load_at_most)(const void *p, ptrdiff_t n)
{
    if (n >= FC_LANES)
        return FC_NAME(load)(p);
#if defined(__AVX2__) && !defined(__AVX512F__)
    if (sizeof(FC_T) == 4)
        return (FC_VECTOR)_mm256_maskload_ps(
            p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n),
                                  _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)));
    return (FC_VECTOR)_mm256_maskload_pd(
        p, _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)));
#else
    return FC_NAME(load_part)(p, n);
#endif
}
