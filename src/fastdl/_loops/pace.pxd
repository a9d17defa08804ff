"""Whether the next stretch of batches takes one thread or all that it may, by the clock.

Results have the same bits for any number of threads, so a call may change it as it goes. Which is
faster depends on the work, and on what else runs on the machine just then: both are timed, and the
slower one again now and then.
"""

cdef extern from *:
    """
    #define FASTDL_STRETCH 0.05
    #define FASTDL_LOOK 0.005
    #define FASTDL_PATIENCE 1.0
    #define FASTDL_WORTH 50
    """
    const double STRETCH "FASTDL_STRETCH"  # seconds of a stretch
    const double LOOK "FASTDL_LOOK"  # seconds of a stretch that is only to be timed
    const double PATIENCE "FASTDL_PATIENCE"  # least seconds of work between two looks at the slower
    const double WORTH "FASTDL_WORTH"  # and least of the times that a look took

cdef struct Pace:
    bint warm  # the first stretch is over; it also started threads and touched new memory
    double seconds[2]  # that a row takes on one thread, and on all; 0: not known yet
    double worked  # seconds, in all stretches
    double look_again  # after so much work


cdef inline bint faster(const Pace* pace) noexcept nogil:
    """Whether all threads are faster than one, as far as is known."""
    return pace.seconds[1] < pace.seconds[0]


cdef inline bint takes_all(const Pace* pace) noexcept nogil:
    """Whether the next stretch should take all threads."""
    if not pace.warm or pace.seconds[1] == 0:
        return True
    if pace.seconds[0] == 0:
        return False
    return faster(pace) if pace.worked < pace.look_again else not faster(pace)


cdef inline bint looks(const Pace* pace, bint everyone) noexcept nogil:
    """Whether a stretch is only to be timed."""
    return pace.seconds[0] == 0 or pace.seconds[1] == 0 or everyone != faster(pace)


cdef inline void learn(
    Pace* pace, bint everyone, double seconds, Py_ssize_t rows,
) noexcept nogil:
    """A stretch of so many rows is done; a single slow one changes little."""
    cdef bint looked = looks(pace, everyone)
    cdef double found = seconds / rows, known = pace.seconds[everyone]
    pace.worked += seconds
    if not pace.warm:
        pace.warm = True
        return
    pace.seconds[everyone] = found if looked else known + (min(found, 2 * known) - known) / 4
    if looked:
        pace.look_again = pace.worked + max(PATIENCE, WORTH * seconds)
