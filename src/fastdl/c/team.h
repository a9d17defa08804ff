/* The threads of one call: they claim pieces of work one by one and meet after each phase.
 *
 * fastdl_team_run starts them, OpenMP's where the compiler has it, else threads of our own (team.c); between
 * phases they wait here, because OpenMP's own barrier spins: on a machine where a neighbour holds a core
 * it waits for what cannot run. A waiting thread looks at a word for some twenty microseconds and then
 * sleeps in the kernel: at a futex on Linux, elsewhere (and with FASTDL_NO_FUTEX) at a condition
 * variable. */
#ifndef FASTDL_TEAM_H
#define FASTDL_TEAM_H

#include <stddef.h>
#include <string.h>
#include <time.h>
#if defined(__linux__) && !defined(FASTDL_NO_FUTEX)
#define FASTDL_FUTEX 1
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#define FASTDL_FUTEX 0
#include <pthread.h>
#endif

enum {
    FASTDL_LOOKS = 1000, /* while one waits: about as long as a sleeper takes to wake */
    FASTDL_MOST = 64 /* threads of a call */
};

typedef struct { /* a number that threads wait for to change */
    int value;
#if !FASTDL_FUTEX
    pthread_mutex_t lock;
    pthread_cond_t changed;
#endif
} fastdl_word;

typedef struct {
    int arrived;             /* threads that wait at the meeting */
    fastdl_word generation;  /* meetings held */
    long claimed;            /* pieces handed out in this phase */
} fastdl_team;

typedef void fastdl_work(void *data);

/* The work on up to n threads at once, this one among them: fewer where the system refuses one. */
void fastdl_team_run(int n, fastdl_work *work, void *data);
/* Of the thread that asks, within such work: which one it is, counted from 0, and of how many. */
int fastdl_team_rank(void);
int fastdl_team_size(void);

static inline double fastdl_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* --- words ------------------------------------------------------------------------------------- */

/* A word of value 0 whose memory held none before, or one that a forked child took over. */
static inline void fastdl_begin_word(fastdl_word *word)
{
    memset(word, 0, sizeof *word);
#if !FASTDL_FUTEX
    pthread_mutex_init(&word->lock, NULL);
    pthread_cond_init(&word->changed, NULL);
#endif
}

static inline void fastdl_end_word(fastdl_word *word)
{
#if FASTDL_FUTEX
    (void)word;
#else
    pthread_cond_destroy(&word->changed);
    pthread_mutex_destroy(&word->lock);
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
    pthread_mutex_lock(&word->lock);
    __atomic_store_n(&word->value, value, __ATOMIC_RELEASE);
    pthread_cond_broadcast(&word->changed);
    pthread_mutex_unlock(&word->lock);
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
#endif
    }
#if FASTDL_FUTEX
    while (fastdl_read(word) == value)
        syscall(SYS_futex, &word->value, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
#else
    pthread_mutex_lock(&word->lock);
    while (fastdl_read(word) == value)
        pthread_cond_wait(&word->changed, &word->lock);
    pthread_mutex_unlock(&word->lock);
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
static inline long fastdl_claim(fastdl_team *team, long pieces)
{
    long piece = __atomic_fetch_add(&team->claimed, 1, __ATOMIC_RELAXED);
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
