/* Who starts the threads of a call. */
#include "team.h"

#include <pthread.h>
#ifdef _OPENMP
#include <omp.h>
#else
#include <signal.h>
#endif

/* Of this thread, within the work of a call. */
static __thread int own_rank = 0, own_size = 1;

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

static void *stay(void *go)
{
    fastdl_wait(go, 0);
    return NULL;
}

/* How many of n threads the system lets start beside this one. */
static int granted(int n)
{
    int started = 0;
    fastdl_word go;
    pthread_t threads[FASTDL_MOST];
    fastdl_begin_word(&go);
    while (started < n && pthread_create(&threads[started], NULL, stay, &go) == 0)
        started++;
    fastdl_tell(&go, 1, started);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    fastdl_end_word(&go);
    return started;
}

/* Where the system refuses it a thread, OpenMP ends the process, so those that it has to start are tried
 * just before. It keeps the threads of a region for the next one of the same thread. */
static int grow(int n)
{
    static __thread int pool = 1;
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
#pragma omp parallel num_threads(n)
        take_part(work, data, omp_get_thread_num(), omp_get_num_threads());
    } else
        take_part(work, data, 0, 1);
}

#else

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
static pthread_mutex_t pool = PTHREAD_MUTEX_INITIALIZER; /* held for a moment, never while one works */

/* Nobody is in the pool while the process forks; in the child there is no worker. */
static void before_fork(void)
{
    pthread_mutex_lock(&pool);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&pool);
}

static void after_fork_in_child(void)
{
    started = 0;
    free_ones = NULL;
    pthread_mutex_unlock(&pool);
}

static void *live(void *self)
{
    worker *mine = self;
    for (;;) {
        fastdl_wait(&mine->busy, 0);
        take_part(mine->work, mine->data, mine->rank, mine->size);
        fastdl_tell(&mine->busy, 0, 1);
    }
    return NULL;
}

/* One more worker, or NULL where the system refuses it. Signals stay with the threads of Python, but
 * for those of a fault, which its own thread has to take. It ends with the process. */
static worker *start(void)
{
    static int registered = 0;
    worker *fresh = &workers[started];
    sigset_t all, before;
    pthread_t thread;
    int refused;
    if (!registered && pthread_atfork(before_fork, after_fork, after_fork_in_child) != 0)
        return NULL;
    registered = 1;
    fastdl_begin_word(&fresh->busy);
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    refused = pthread_create(&thread, NULL, live, fresh);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (refused)
        return NULL;
    pthread_detach(thread);
    started++;
    return fresh;
}

/* Up to n workers that are free or can be started; how many. */
static int take(worker **taken, int n)
{
    int found = 0;
    pthread_mutex_lock(&pool);
    while (found < n) {
        worker *one = free_ones;
        if (one != NULL)
            free_ones = one->next;
        else if (started == POOL || (one = start()) == NULL)
            break;
        taken[found++] = one;
    }
    pthread_mutex_unlock(&pool);
    return found;
}

static void give_back(worker **taken, int n)
{
    pthread_mutex_lock(&pool);
    while (n > 0) {
        worker *one = taken[--n];
        one->next = free_ones;
        free_ones = one;
    }
    pthread_mutex_unlock(&pool);
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
