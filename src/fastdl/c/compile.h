/* What compilers are told, each in its own way: the target of functions, which loops to unroll. A target
 * includes this, and with it the headers that the templates need, before it begins. */
#ifndef FASTDL_COMPILE_H
#define FASTDL_COMPILE_H

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#define FASTDL_PRAGMA(...) _Pragma(#__VA_ARGS__)

/* A kernel or a line of a list that another lacks, or that differs from the list, is no warning. */
#pragma GCC diagnostic error "-Wimplicit-function-declaration"
#pragma GCC diagnostic error "-Wincompatible-pointer-types"

/* UNROLL: the loop has few turns, their number known to the compiler, and what they keep belongs
 * into registers. KEEP_LOOP: it is to be vectorised; GCC would unroll it before it looks for vectors.
 * KEEP_LANES: so too, 16 items of T whose sums are double, by which clang would choose narrow vectors.
 * KEEP_SHORT: it has few turns, for which clang alone would unroll it.
 * TARGET_BEGIN ... TARGET_END: around functions that take the instructions of some features. */
/* AFTER: what is read through the pointer next is read after the sum that has this factor, which is
 * kept until then. Else clang, and on ARM GCC too, reads all factors of a tile first, and clang makes
 * each a sum, copied back: for that there are not enough registers. */
#if defined(__aarch64__)
#define AFTER(pointer, factor, sum) asm("" : "+r"(pointer) : "w"(factor), "w"(sum))
#elif defined(__clang__) && defined(__x86_64__)
#define AFTER(pointer, factor, sum) asm("" : "+r"(pointer) : "x"(factor), "x"(sum))
#else
#define AFTER(pointer, factor, sum)
#endif

/* HERE: a register holds the pointer. Else clang keeps what it is the sum of, some of that in memory.
 * HOLD: one holds the sum. Else clang copies it from one to another before a loop. */
#ifdef __clang__
#define HERE(pointer) asm("" : : "r"(pointer))
#else
#define HERE(pointer) (void)0
#endif
#if defined(__clang__) && defined(__x86_64__)
#define HOLD(sum) asm("" : "+x"(sum))
#else
#define HOLD(sum)
#endif

#ifdef __clang__
#define UNROLL FASTDL_PRAGMA(clang loop unroll(full))
#define KEEP_LOOP FASTDL_PRAGMA(clang loop unroll(disable))
#define KEEP_LANES FASTDL_PRAGMA(clang loop unroll(disable) vectorize_width(16))
#define KEEP_SHORT FASTDL_PRAGMA(clang loop unroll(disable))
#define TARGET_BEGIN(features)                                                                   \
    FASTDL_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define TARGET_END FASTDL_PRAGMA(clang attribute pop)
#else
#define UNROLL FASTDL_PRAGMA(GCC unroll 16)
#define KEEP_LOOP FASTDL_PRAGMA(GCC unroll 1)
#define KEEP_LANES KEEP_LOOP
#define KEEP_SHORT
#define TARGET_BEGIN(features) FASTDL_PRAGMA(GCC push_options) FASTDL_PRAGMA(GCC target(features))
#define TARGET_END FASTDL_PRAGMA(GCC pop_options)
#endif

#define JOIN_2(a, b) a##b
#define JOIN(a, b) JOIN_2(a, b)
#define JOIN_NAMES_3(a, b, c) a##_##b##_##c
#define JOIN_NAMES(a, b, c) JOIN_NAMES_3(a, b, c)

/* X(1) X(2) ... X(n): the cases of a switch. Of an n that is not here nothing compiles. */
#define UP_TO(n, X) JOIN(UP_TO_, n)(X)
#define UP_TO_1(X) X(1)
#define UP_TO_2(X) UP_TO_1(X) X(2)
#define UP_TO_3(X) UP_TO_2(X) X(3)
#define UP_TO_4(X) UP_TO_3(X) X(4)
#define UP_TO_5(X) UP_TO_4(X) X(5)
#define UP_TO_6(X) UP_TO_5(X) X(6)
#define UP_TO_7(X) UP_TO_6(X) X(7)
#define UP_TO_8(X) UP_TO_7(X) X(8)
#define UP_TO_9(X) UP_TO_8(X) X(9)
#define UP_TO_10(X) UP_TO_9(X) X(10)
#define UP_TO_11(X) UP_TO_10(X) X(11)
#define UP_TO_12(X) UP_TO_11(X) X(12)

#endif
