/* Asking for rows of a data set before it is their turn. */
#ifndef FASTDL_PREFETCH_H
#define FASTDL_PREFETCH_H

#include "kernels.h"

enum { CACHE_LINE = 64 }; /* bytes */

/* What is left to ask for beyond some inputs: they may have been asked for before. */
static inline fastdl_coming beyond(fastdl_coming soon, int asked, wide inputs)
{
    if (asked)
        soon.order = NULL;
    soon.x += inputs * soon.input;
    return soon;
}

/* Ask for some inputs of one coming row. */
static inline void ask(const fastdl_coming *coming, wide row, wide first, wide inputs)
{
    const char *x = coming->x + coming->order[row] * coming->row + first * coming->input;
    for (wide at = 0; at < inputs * coming->input; at += CACHE_LINE)
        __builtin_prefetch(x + at, 0, 2);
}

#endif
