/* Into what the sides of a product are cut. */
#ifndef FASTDL_TILES_H
#define FASTDL_TILES_H

#include "kernels.h"

/* How many of n to take next, at most so many. The last two shares are alike: the few sums of a small
 * one would wait for each other. */
static inline wide share(wide n, wide most)
{
    return n <= most ? n : n >= 2 * most ? most : (n + 1) / 2;
}

#endif
