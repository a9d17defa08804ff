/* Tells ThreadSanitizer what OpenMP guarantees: what stands before a parallel region happens before
 * it, the region before what stands behind it, and what stands before a barrier before what stands
 * behind it in any thread.
 *
 * GCC's OpenMP runtime is not instrumented, and its threads wait by futex: without this every array
 * that a region reads is reported as a race with whoever filled it. Suppressing those reports by
 * name would hide races of our own; here threads within a region stay unordered. Preloaded, so that
 * the extensions call these functions, which call the runtime's. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

typedef void region(void *);

struct call {
    region *work;
    void *data;
    /* Addresses that stand for orderings, each its own: a thread that comes late would else be
     * ordered behind one that is ahead. Of barriers two, for no thread is ahead by two. */
    char begin, end, barriers[2];
};

static __thread struct call *current;
static __thread int barrier;

static void run(void *data)
{
    struct call *call = data, *outer = current;
    __tsan_acquire(&call->begin);
    current = call;
    barrier = 0;
    call->work(call->data);
    current = outer;
    __tsan_release(&call->end);
}

void GOMP_parallel(region *work, void *data, unsigned threads, unsigned flags)
{
    void (*start)(region *, void *, unsigned, unsigned) = dlsym(RTLD_NEXT, "GOMP_parallel");
    struct call call = {.work = work, .data = data};
    __tsan_release(&call.begin);
    start(run, &call, threads, flags);
    __tsan_acquire(&call.end);
}

void GOMP_barrier(void)
{
    void (*wait)(void) = dlsym(RTLD_NEXT, "GOMP_barrier");
    char *order = &current->barriers[barrier];
    barrier = !barrier;
    __tsan_release(order);
    wait();
    __tsan_acquire(order);
}
