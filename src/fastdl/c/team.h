/* The threads of one call: they claim pieces of work one by one and meet after each phase.
 *
 * OpenMP starts the threads once a call; between phases they wait here, because OpenMP's own barrier
 * spins: on a machine where a neighbour holds a core it waits for what cannot run. A waiting thread
 * looks at the word for some twenty microseconds and then sleeps in the kernel. */
#ifndef FASTDL_TEAM_H
#define FASTDL_TEAM_H

#include <stddef.h>
#include <time.h>
#ifdef _OPENMP
#include <omp.h>
#include <pthread.h>
#endif
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#include <sched.h>
#endif

enum {
    FASTDL_LOOKS = 1000, /* while one waits: about as long as a sleeper takes to wake */
    FASTDL_MOST = 64 /* threads of a call */
};

typedef struct {
    int arrived;    /* threads that wait at the meeting */
    int generation; /* meetings held */
    long claimed;   /* pieces handed out in this phase */
} fastdl_team;

static inline double fastdl_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static inline int fastdl_team_size(void)
{
#ifdef _OPENMP
    return omp_get_num_threads();
#else
    return 1;
#endif
}

static inline int fastdl_team_rank(void)
{
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

/* The next piece of this phase, or -1 when all are handed out. */
static inline long fastdl_claim(fastdl_team *team, long pieces)
{
    long piece = __atomic_fetch_add(&team->claimed, 1, __ATOMIC_RELAXED);
    return piece < pieces ? piece : -1;
}

static inline void fastdl_sleep_while(int *word, int value)
{
#ifdef __linux__
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
#else
    sched_yield();
#endif
}

static inline void fastdl_wake_all(int *word, int waiting)
{
#ifdef __linux__
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, waiting, NULL, NULL, 0);
#endif
}

#ifdef _OPENMP
static inline void *fastdl_stay(void *go)
{
    while (!__atomic_load_n((int *)go, __ATOMIC_ACQUIRE))
        fastdl_sleep_while((int *)go, 0);
    return NULL;
}

/* How many of n threads the system lets start beside this one. */
static inline int fastdl_granted(int n)
{
    int granted = 0, go = 0;
    pthread_t threads[FASTDL_MOST];
    while (granted < n && granted < FASTDL_MOST &&
           pthread_create(&threads[granted], NULL, fastdl_stay, &go) == 0)
        granted++;
    __atomic_store_n(&go, 1, __ATOMIC_RELEASE);
    fastdl_wake_all(&go, granted);
    for (int i = 0; i < granted; i++)
        pthread_join(threads[i], NULL);
    return granted;
}
#endif

/* The threads to enter a parallel region with, at most n: where the system refuses it a thread, OpenMP
 * ends the process, so those that it has to start are tried just before. It keeps the threads of a
 * region for the next one of the same thread; they are counted here, so all regions have to ask this
 * function of the same module. */
static inline int fastdl_team_of(int n)
{
#ifdef _OPENMP
    static __thread int pool = 1;
    if (n > pool)
        n = 1 + fastdl_granted(n - 1);
    if (n > 1)
        pool = n;
    return n;
#else
    (void)n;
    return 1;
#endif
}

/* Wait until all threads of the team are here; then the pieces of the next phase can be claimed. */
static inline void fastdl_meet(fastdl_team *team, int size)
{
    int generation = __atomic_load_n(&team->generation, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&team->arrived, 1, __ATOMIC_ACQ_REL) == size) {
        team->arrived = 0;
        team->claimed = 0;
        __atomic_store_n(&team->generation, generation + 1, __ATOMIC_RELEASE);
        if (size > 1)
            fastdl_wake_all(&team->generation, size);
        return;
    }
    for (int look = 0; look < FASTDL_LOOKS; look++) {
        if (__atomic_load_n(&team->generation, __ATOMIC_ACQUIRE) != generation)
            return;
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
    }
    while (__atomic_load_n(&team->generation, __ATOMIC_ACQUIRE) == generation)
        fastdl_sleep_while(&team->generation, generation);
}

#endif
