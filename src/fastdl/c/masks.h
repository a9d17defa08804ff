/* Layers that multiply every item by a random factor while a network trains, and leave it alone else, for
 * one type and one target; the compiler vectorises them. */

/* A line here and a function below: a mask. */
#ifndef FASTDL_MASKS
#define FASTDL_MASKS(X) X(dropout)
#endif

#ifdef T

/* Stafford's thirteenth mixer (of splitmix64): every bit of v decides over every bit. */
static inline uint64_t NAME(mix)(uint64_t v)
{
    v = (v ^ (v >> 30)) * 0xBF58476D1CE4E5B9u;
    v = (v ^ (v >> 27)) * 0x94D049BB133111EBu;
    return v ^ (v >> 31);
}

/* What tells the draws of row i from all others. */
static inline uint64_t NAME(key)(const fastdl_draw *draw, wide i)
{
    const uint64_t counts[] = {draw->seed, draw->step, draw->layer, draw->row + (uint64_t)i};
    uint64_t key = 0;
    for (int c = 0; c < 4; c++)
        key = NAME(mix)(key + counts[c] + 0x9E3779B97F4A7C15u);
    return key;
}

/* 32 random bits for unit j of the row with this key; 32 bits are what vectors multiply. */
static inline uint32_t NAME(bits)(uint64_t key, uint32_t j)
{
    uint32_t v = j * 0x9E3779B9u + (uint32_t)key;
    v = (v ^ (v >> 16)) * 0x85EBCA6Bu ^ (uint32_t)(key >> 32);
    v = (v ^ (v >> 13)) * 0xC2B2AE35u;
    return v ^ (v >> 16);
}

/* The factor of an item by its bits: 0 for a share of rate, else one that keeps the mean. */
static inline T NAME(dropout)(uint32_t bits, double rate)
{
    const uint32_t least = (uint32_t)(rate * 4294967296.0);
    return bits >= least ? (T)(1 / (1 - rate)) : 0;
}

#define MASK_ROWS(name)                                                                          \
    static void NAME(mask_##name)(const fastdl_draw *draw, double rate, const void *restrict x,  \
                                  wide ldx, void *restrict out, wide ldo, wide n, wide h)        \
    {                                                                                            \
        for (wide i = 0; i < n; i++) {                                                           \
            const T *from = (const T *)x + i * ldx;                                              \
            T *to = (T *)out + i * ldo;                                                          \
            const uint64_t key = NAME(key)(draw, i);                                             \
            for (wide j = 0; j < h; j++)                                                         \
                to[j] = from[j] * NAME(name)(NAME(bits)(key, (uint32_t)j), rate);                \
        }                                                                                        \
    }

FASTDL_MASKS(MASK_ROWS)
#undef MASK_ROWS
#endif
