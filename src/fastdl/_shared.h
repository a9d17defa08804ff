/* What the kernels of all instruction sets share. _isa.c includes it before it asks for any:
 * compiled for one of them, it would not run on a machine that has another. */
#ifndef FASTDL_SHARED_H
#define FASTDL_SHARED_H

#include "_isa.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

enum {
    ASK_DEPTH = 128,  /* from which a tile asks for its C before */
    DOT_DEPTH = 4096, /* of a block that dot products read again for further rows and columns */
    DOT_MOST = 64,    /* columns of a dot product */
    SQUARE = 64,      /* rows and columns of A whose zeros are known at once: the bits of a word */
    ROW_VECTORS = 8,  /* of a row of C that stay in registers */
    CACHE_LINE = 64,  /* bytes */
    SUM_COLUMNS = 64, /* that are summed at once */
    SUM_RUN = 16,     /* rows whose sum keeps the type */
    LANES = FASTDL_LANES, /* exponentials that are taken at once */
    NARROW = 32,      /* classes of a block of rows that takes a lane for each row */
    FACTORS = 32      /* of at most 2, in LANES products, whose product is no infinity yet */
};

/* What is left to ask for beyond some inputs: they may have been asked for before. */
static inline fastdl_coming beyond(fastdl_coming soon, int asked, long inputs)
{
    if (asked)
        soon.order = NULL;
    soon.x += inputs * soon.input;
    return soon;
}

/* Ask for some inputs of one coming row. */
static inline void ask(const fastdl_coming *coming, long row, long first, long inputs)
{
    const char *x = coming->x + coming->order[row] * coming->row + first * coming->input;
    for (long at = 0; at < inputs * coming->input; at += CACHE_LINE)
        __builtin_prefetch(x + at, 0, 2);
}

/* Bit j of word i becomes bit i of word j: blocks of 32, 16 ... 1 bits change places (Warren,
 * Hacker's Delight, 7-3). */
static inline void transpose_bits(uint64_t *words)
{
    uint64_t low = 0xffffffff;
    for (int width = SQUARE / 2; width > 0; width /= 2, low ^= low << width)
        for (int i = 0; i < SQUARE; i = (i + width + 1) & ~width) {
            uint64_t changed = ((words[i] >> width) ^ words[i + width]) & low;
            words[i] ^= changed << width;
            words[i + width] ^= changed;
        }
}

#endif
