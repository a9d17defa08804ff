/* Who starts the threads of a call. */
#include "team.h"

#include <stdlib.h>

#ifdef _OPENMP
#include <omp.h>
#endif

/* Of this thread, within the work of a call. */
static _Thread_local int own_rank = 0, own_size = 1;

int fastdl_team_rank(void)
{
    return own_rank;
}

int fastdl_team_size(void)
{
    return own_size;
}

static void take_part(fastdl_work *work, void *data, int rank, int size)
{
    own_rank = rank;
    own_size = size;
    work(data);
    own_rank = 0;
    own_size = 1;
}

#ifdef _OPENMP

#ifdef KMP_VERSION_MAJOR
const char fastdl_openmp[] = "LLVM's";

/* What it asks of the system for the stack of a thread: each a little more than the one before. */
static size_t stack(void)
{
    return kmp_get_stacksize_s() + 65536;
}

/* Its threads would turn in circles for a while after each region, unless the user has a wish. */
static void sleep_between(void)
{
    static _Thread_local int told = 0;
    if (!told && !getenv("KMP_BLOCKTIME") && !getenv("OMP_WAIT_POLICY"))
        kmp_set_blocktime(0);
    told = 1;
}
#else
#ifdef __GNUC__
const char fastdl_openmp[] = "GCC's";
#else
const char fastdl_openmp[] = "the compiler's";
#endif

static size_t stack(void)
{
    return 0;
}

static void sleep_between(void) {} /* _openmp.py sees to it */
#endif

int fastdl_openmp_limit(void)
{
    return omp_get_max_threads();
}

FASTDL_LIFE(stay, go)
{
    fastdl_wait(go, 0);
    return 0;
}

/* How many of n threads the system lets start beside this one. */
static int granted(int n)
{
    int started = 0;
    fastdl_word go;
    fastdl_thread threads[FASTDL_MOST];
    fastdl_begin_word(&go);
    while (started < n && fastdl_start(&threads[started], stay, &go, stack()))
        started++;
    fastdl_tell(&go, 1, started);
    for (int i = 0; i < started; i++)
        fastdl_join(threads[i]);
    fastdl_end_word(&go);
    return started;
}

/* Where the system refuses it a thread, OpenMP ends the process, so those that it has to start are tried
 * just before. It keeps the threads of a region for the next one of the same thread. */
static int grow(int n)
{
    static _Thread_local int pool = 1;
    if (n > pool)
        n = 1 + granted(n - 1);
    if (n > 1)
        pool = n;
    return n;
}

void fastdl_team_run(int n, fastdl_work *work, void *data)
{
    if (n > 1)
        n = grow(n < FASTDL_MOST ? n : FASTDL_MOST);
    if (n > 1) {
        sleep_between();
#pragma omp parallel num_threads(n)
        take_part(work, data, omp_get_thread_num(), omp_get_num_threads());
    } else
        take_part(work, data, 0, 1);
}

#else

const char fastdl_openmp[] = "";

int fastdl_openmp_limit(void)
{
    return 0;
}

enum {
    POOL = 4 * FASTDL_MOST /* workers of all calls: one that finds none free does without */
};

typedef struct worker { /* a thread that sleeps between calls */
    fastdl_word busy;   /* 1 from when it is given work until that is done */
    fastdl_work *work;
    void *data;
    int rank, size;
    struct worker *next; /* that is free */
} worker;

static worker workers[POOL];
static int started = 0;
static worker *free_ones = NULL;
static fastdl_lock pool = FASTDL_UNLOCKED; /* held for a moment, never while one works */

/* Nobody is in the pool while the process forks; in the child there is no worker. */
static void before_fork(void)
{
    fastdl_take_lock(&pool);
}

static void after_fork(void)
{
    fastdl_free_lock(&pool);
}

static void after_fork_in_child(void)
{
    started = 0;
    free_ones = NULL;
    fastdl_free_lock(&pool);
}

FASTDL_LIFE(live, self)
{
    worker *mine = self;
    for (;;) {
        fastdl_wait(&mine->busy, 0);
        take_part(mine->work, mine->data, mine->rank, mine->size);
        fastdl_tell(&mine->busy, 0, 1);
    }
    return 0;
}

/* One more worker, or NULL where the system refuses it. It ends with the process. */
static worker *start(void)
{
    static int registered = 0;
    worker *fresh = &workers[started];
    fastdl_thread thread;
    if (!registered && !fastdl_at_fork(before_fork, after_fork, after_fork_in_child))
        return NULL;
    registered = 1;
    fastdl_begin_word(&fresh->busy);
    if (!fastdl_start(&thread, live, fresh, 0))
        return NULL;
    fastdl_let_go(thread);
    started++;
    return fresh;
}

/* Up to n workers that are free or can be started; how many. */
static int take(worker **taken, int n)
{
    int found = 0;
    fastdl_take_lock(&pool);
    while (found < n) {
        worker *one = free_ones;
        if (one != NULL)
            free_ones = one->next;
        else if (started == POOL || (one = start()) == NULL)
            break;
        taken[found++] = one;
    }
    fastdl_free_lock(&pool);
    return found;
}

static void give_back(worker **taken, int n)
{
    fastdl_take_lock(&pool);
    while (n > 0) {
        worker *one = taken[--n];
        one->next = free_ones;
        free_ones = one;
    }
    fastdl_free_lock(&pool);
}

void fastdl_team_run(int n, fastdl_work *work, void *data)
{
    worker *taken[FASTDL_MOST];
    int others = n > 1 ? take(taken, (n < FASTDL_MOST ? n : FASTDL_MOST) - 1) : 0;
    for (int i = 0; i < others; i++) {
        worker *one = taken[i];
        one->work = work;
        one->data = data;
        one->rank = i + 1;
        one->size = others + 1;
        fastdl_tell(&one->busy, 1, 1);
    }
    take_part(work, data, 0, others + 1);
    for (int i = 0; i < others; i++)
        fastdl_wait(&taken[i]->busy, 1);
    if (others > 0)
        give_back(taken, others);
}

#endif
