/* The threads of one call: they claim pieces of work one by one and meet after each phase.
 *
 * fastdl_team_run starts them, OpenMP's where the compiler has it, else threads of our own (team.c); between
 * phases they wait here, because OpenMP's own barrier spins: on a machine where a neighbour holds a core
 * it waits for what cannot run. A waiting thread looks at a word for some twenty microseconds and then
 * sleeps in the kernel: at a futex on Linux, elsewhere (and with FASTDL_NO_FUTEX) at a condition
 * variable. */
#ifndef FASTDL_TEAM_H
#define FASTDL_TEAM_H

#include <string.h>

#include "system.h"
#if defined(__linux__) && !defined(FASTDL_NO_FUTEX)
#define FASTDL_FUTEX 1
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#define FASTDL_FUTEX 0
#endif

enum {
    FASTDL_LOOKS = 1000, /* while one waits: about as long as a sleeper takes to wake */
    FASTDL_MOST = 64 /* threads of a call */
};

typedef struct { /* a number that threads wait for to change */
    int value;
#if !FASTDL_FUTEX
    fastdl_lock lock;
    fastdl_change changed;
#endif
} fastdl_word;

typedef struct {
    int arrived;             /* threads that wait at the meeting */
    fastdl_word generation;  /* meetings held */
    ptrdiff_t claimed;       /* pieces handed out in this phase */
} fastdl_team;

typedef void fastdl_work(void *data);

/* The work on up to n threads at once, this one among them: fewer where the system refuses one. */
void fastdl_team_run(int n, fastdl_work *work, void *data);
/* Of the thread that asks, within such work: which one it is, counted from 0, and of how many. */
int fastdl_team_rank(void);
int fastdl_team_size(void);
/* Whose OpenMP starts the threads, empty: none does; and how many it allows this thread, else 0. */
extern const char fastdl_openmp[];
int fastdl_openmp_limit(void);

/* --- words ------------------------------------------------------------------------------------- */

/* A word of value 0 whose memory held none before, or one that a forked child took over. */
static inline void fastdl_begin_word(fastdl_word *word)
{
    memset(word, 0, sizeof *word);
#if !FASTDL_FUTEX
    fastdl_begin_lock(&word->lock);
    fastdl_begin_change(&word->changed);
#endif
}

static inline void fastdl_end_word(fastdl_word *word)
{
#if FASTDL_FUTEX
    (void)word;
#else
    fastdl_end_change(&word->changed);
    fastdl_end_lock(&word->lock);
#endif
}

static inline int fastdl_read(fastdl_word *word)
{
    return __atomic_load_n(&word->value, __ATOMIC_ACQUIRE);
}

/* Give the word a value, and wake those who wait for that: at most so many. */
static inline void fastdl_tell(fastdl_word *word, int value, int waiting)
{
#if FASTDL_FUTEX
    __atomic_store_n(&word->value, value, __ATOMIC_RELEASE);
    syscall(SYS_futex, &word->value, FUTEX_WAKE_PRIVATE, waiting, NULL, NULL, 0);
#else
    (void)waiting;
    fastdl_take_lock(&word->lock);
    __atomic_store_n(&word->value, value, __ATOMIC_RELEASE);
    fastdl_tell_change(&word->changed);
    fastdl_free_lock(&word->lock);
#endif
}

/* Wait until the word has another value than this one. */
static inline void fastdl_wait(fastdl_word *word, int value)
{
    for (int look = 0; look < FASTDL_LOOKS; look++) {
        if (fastdl_read(word) != value)
            return;
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("yield");
#endif
    }
#if FASTDL_FUTEX
    while (fastdl_read(word) == value)
        syscall(SYS_futex, &word->value, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
#else
    fastdl_take_lock(&word->lock);
    while (fastdl_read(word) == value)
        fastdl_await_change(&word->changed, &word->lock);
    fastdl_free_lock(&word->lock);
#endif
}

/* --- teams ------------------------------------------------------------------------------------- */

static inline void fastdl_begin_team(fastdl_team *team)
{
    team->arrived = 0;
    team->claimed = 0;
    fastdl_begin_word(&team->generation);
}

/* After the work: no thread is at a meeting. */
static inline void fastdl_end_team(fastdl_team *team)
{
    fastdl_end_word(&team->generation);
}

/* The next piece of this phase, or -1 when all are handed out. */
static inline ptrdiff_t fastdl_claim(fastdl_team *team, ptrdiff_t pieces)
{
    ptrdiff_t piece = __atomic_fetch_add(&team->claimed, 1, __ATOMIC_RELAXED);
    return piece < pieces ? piece : -1;
}

/* Wait until all threads of the team are here; then the pieces of the next phase can be claimed. */
static inline void fastdl_meet(fastdl_team *team, int size)
{
    int generation = fastdl_read(&team->generation);
    if (__atomic_add_fetch(&team->arrived, 1, __ATOMIC_ACQ_REL) < size) {
        fastdl_wait(&team->generation, generation);
        return;
    }
    team->arrived = 0;
    team->claimed = 0;
    if (size > 1)
        fastdl_tell(&team->generation, generation + 1, size);
}

#endif
