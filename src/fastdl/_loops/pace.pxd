"""How many threads the next stretch of batches takes: 1, 2, 4, ... or all that it may.

Results have the same bits for any number of threads, so a call may change it as it goes. Which
number is best depends on the work, and on what else runs on the machine just then, so they are
timed: from all threads downwards while fewer do as well, and later, now and then, the next one
below or above the best.
"""

cdef extern from *:
    """
    #define FASTDL_LEVELS 7
    #define FASTDL_STRETCH 0.05
    #define FASTDL_LOOK 0.005
    #define FASTDL_WORTH_FIRST 20
    #define FASTDL_WORTH_LAST 160
    #define FASTDL_ALIKE 1.03
    """
    enum:
        LEVELS "FASTDL_LEVELS"  # level i takes 2^i threads, the highest one all of up to 64
    const double STRETCH "FASTDL_STRETCH"  # seconds of a stretch
    const double LOOK "FASTDL_LOOK"  # seconds of a stretch that is only to be timed
    const double WORTH_FIRST "FASTDL_WORTH_FIRST"  # times a look's seconds, until the next one;
    const double WORTH_LAST "FASTDL_WORTH_LAST"  # doubled up to this while looks change nothing
    const double ALIKE "FASTDL_ALIKE"  # more threads have to be faster than fewer times this

cdef struct Pace:
    bint warm  # the first stretch is over; it also started threads and touched new memory
    double seconds[LEVELS]  # that a row takes on each level; 0: not known yet
    bint upwards  # where the next look goes
    double worth  # times a look's seconds
    double worked  # seconds, in all stretches
    double look_again  # after so much work

cdef struct Stretch:
    int top, best, level  # the highest level, the best as far as is known, the one that is taken
    int threads
    bint looks  # it is only to be timed
    double seconds  # that it is to take; then those that it took


cdef inline int best_level(const Pace* pace, int top) noexcept nogil:
    """The lowest of the levels that are as good as the best; the top where none is known."""
    cdef int i, best = top
    cdef double least = 0
    for i in range(top + 1):
        if pace.seconds[i] > 0 and (least == 0 or pace.seconds[i] * ALIKE < least):
            least, best = pace.seconds[i], i
    return best


cdef inline int neighbour(const Pace* pace, int level, int top) noexcept nogil:
    """The level above or below, in the direction of the next look if there is one."""
    return level + 1 if level == 0 or pace.upwards and level < top else level - 1


cdef inline Stretch next_stretch(const Pace* pace, int n_threads) noexcept nogil:
    """What to do next, on up to so many threads."""
    cdef Stretch stretch
    cdef bint known
    stretch.top = 0
    while stretch.top < LEVELS - 1 and 1 << stretch.top < n_threads:
        stretch.top += 1
    stretch.best = stretch.level = best_level(pace, stretch.top)
    known = pace.seconds[stretch.best] > 0
    stretch.looks = stretch.top > 0 and (not known or pace.worked >= pace.look_again)
    if stretch.looks and known:
        stretch.level = neighbour(pace, stretch.best, stretch.top)
    stretch.threads = min(1 << stretch.level, n_threads)
    stretch.seconds = LOOK if stretch.looks else STRETCH
    return stretch


cdef inline void learn(Pace* pace, const Stretch* stretch, Py_ssize_t rows) noexcept nogil:
    """A stretch of so many rows is done; a single slow one changes little."""
    cdef double found, known = pace.seconds[stretch.level]
    if stretch.top == 0 or rows == 0:
        return
    found = stretch.seconds / rows
    pace.worked += stretch.seconds
    if not pace.warm:
        pace.warm, pace.worth = True, WORTH_FIRST
    elif stretch.looks:
        pace.seconds[stretch.level] = found
        plan_look(pace, stretch)
    else:
        pace.seconds[stretch.level] = known + (min(found, 2 * known) - known) / 4


cdef inline void plan_look(Pace* pace, const Stretch* stretch) noexcept nogil:
    """After a look: at once the next one in the same direction if it found a better level."""
    cdef bint better = best_level(pace, stretch.top) == stretch.level
    cdef int last
    if better:
        pace.worth, pace.upwards = WORTH_FIRST, stretch.level > stretch.best
        last = stretch.top if pace.upwards else 0
        if stretch.level != last:
            pace.look_again = pace.worked
            return
    pace.look_again = pace.worked + pace.worth * stretch.seconds
    pace.worth = min(2 * pace.worth, WORTH_LAST)
    pace.upwards = not pace.upwards
