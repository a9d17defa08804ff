/* Tells ThreadSanitizer what OpenMP guarantees: what stands before a parallel region happens before
 * it, and the region before what stands behind it.
 *
 * GCC's OpenMP runtime is not instrumented, and its threads wait by futex: without this every array
 * that a region reads is reported as a race with whoever filled it. Suppressing those reports by
 * name would hide races of our own; here threads within a region stay unordered. Preloaded, so that
 * the extensions call this function, which calls the runtime's. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

typedef void region(void *);

struct call {
    region *work;
    void *data;
    char begin, end; /* addresses that stand for orderings */
};

static void run(void *data)
{
    struct call *call = data;
    __tsan_acquire(&call->begin);
    call->work(call->data);
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
