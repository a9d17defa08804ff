/* What POSIX and Windows call by different names: a lock, a condition, a thread, a clock. */
#ifndef FASTDL_SYSTEM_H
#define FASTDL_SYSTEM_H

#include <stddef.h>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

typedef SRWLOCK fastdl_lock;
typedef CONDITION_VARIABLE fastdl_change;
typedef HANDLE fastdl_thread;
#define FASTDL_UNLOCKED SRWLOCK_INIT
/* What a thread does; it ends with `return 0;`. */
#define FASTDL_LIFE(name, argument) static DWORD WINAPI name(void *argument)
typedef LPTHREAD_START_ROUTINE fastdl_life;

static inline void fastdl_begin_lock(fastdl_lock *lock) { InitializeSRWLock(lock); }
static inline void fastdl_end_lock(fastdl_lock *lock) { (void)lock; }
static inline void fastdl_take_lock(fastdl_lock *lock) { AcquireSRWLockExclusive(lock); }
static inline void fastdl_free_lock(fastdl_lock *lock) { ReleaseSRWLockExclusive(lock); }

static inline void fastdl_begin_change(fastdl_change *one) { InitializeConditionVariable(one); }
static inline void fastdl_end_change(fastdl_change *one) { (void)one; }
static inline void fastdl_tell_change(fastdl_change *one) { WakeAllConditionVariable(one); }
static inline void fastdl_await_change(fastdl_change *one, fastdl_lock *lock)
{
    SleepConditionVariableSRW(one, lock, INFINITE, 0);
}

/* Whether the system lets a thread start; stack: bytes, 0: as many as usual. */
static inline int fastdl_start(fastdl_thread *thread, fastdl_life life, void *argument,
                               size_t stack)
{
    *thread = CreateThread(NULL, stack, life, argument, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
    return *thread != NULL;
}

static inline void fastdl_join(fastdl_thread thread)
{
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

static inline void fastdl_let_go(fastdl_thread thread) { CloseHandle(thread); }

/* Nothing forks. */
static inline int fastdl_at_fork(void (*before)(void), void (*after)(void), void (*in_child)(void))
{
    (void)before;
    (void)after;
    (void)in_child;
    return 1;
}

static inline double fastdl_seconds(void)
{
    LARGE_INTEGER now, per_second;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&per_second);
    return (double)now.QuadPart / (double)per_second.QuadPart;
}

#else
#include <pthread.h>
#include <signal.h>
#include <time.h>

typedef pthread_mutex_t fastdl_lock;
typedef pthread_cond_t fastdl_change;
typedef pthread_t fastdl_thread;
#define FASTDL_UNLOCKED PTHREAD_MUTEX_INITIALIZER
#define FASTDL_LIFE(name, argument) static void *name(void *argument)
typedef void *(*fastdl_life)(void *);

static inline void fastdl_begin_lock(fastdl_lock *lock) { pthread_mutex_init(lock, NULL); }
static inline void fastdl_end_lock(fastdl_lock *lock) { pthread_mutex_destroy(lock); }
static inline void fastdl_take_lock(fastdl_lock *lock) { pthread_mutex_lock(lock); }
static inline void fastdl_free_lock(fastdl_lock *lock) { pthread_mutex_unlock(lock); }

static inline void fastdl_begin_change(fastdl_change *one) { pthread_cond_init(one, NULL); }
static inline void fastdl_end_change(fastdl_change *one) { pthread_cond_destroy(one); }
static inline void fastdl_tell_change(fastdl_change *one) { pthread_cond_broadcast(one); }
static inline void fastdl_await_change(fastdl_change *one, fastdl_lock *lock)
{
    pthread_cond_wait(one, lock);
}

/* Whether the system lets a thread start; stack: bytes, 0: as many as usual. Signals stay with the
 * threads of Python, but for those of a fault, which its own thread has to take. */
static inline int fastdl_start(fastdl_thread *thread, fastdl_life life, void *argument,
                               size_t stack)
{
    sigset_t all, before;
    pthread_attr_t how;
    int refused;
    if (pthread_attr_init(&how) != 0)
        return 0;
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    refused = stack != 0 && pthread_attr_setstacksize(&how, stack) != 0;
    refused = refused || pthread_create(thread, &how, life, argument) != 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&how);
    return !refused;
}

static inline void fastdl_join(fastdl_thread thread) { pthread_join(thread, NULL); }
static inline void fastdl_let_go(fastdl_thread thread) { pthread_detach(thread); }

static inline int fastdl_at_fork(void (*before)(void), void (*after)(void), void (*in_child)(void))
{
    return pthread_atfork(before, after, in_child) == 0;
}

static inline double fastdl_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
#endif

#endif
