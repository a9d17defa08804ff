/* A square of bits: SQUARE words of as many bits. */
#ifndef FASTDL_BITS_H
#define FASTDL_BITS_H

#include <stdint.h>

enum { SQUARE = 64 };
_Static_assert(SQUARE == 8 * sizeof(uint64_t), "a row of a square is the bits of a word");

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

/* The number of the first bit that is set, of which there is one. GCC and clang 19 write tzcnt, which a
 * processor without it reads as bsf; clang 14 writes bsf where one may lack it, which is slow on AMD. */
#if defined(__clang__) && defined(__x86_64__)
static inline int first_bit(uint64_t bits)
{
    uint64_t at;
    asm("rep bsfq %1, %0" : "=r"(at) : "r"(bits) : "cc");
    return (int)at;
}
#else
#define first_bit(bits) __builtin_ctzll(bits)
#endif

#endif
