"""Trains the same workloads with fastdl and with its peers, and prints who took how long.

python bench/peers.py                                everything, on one core and on two
python bench/peers.py a1 reg10 --peers fastdl,JAX    some workloads, some peers
python bench/peers.py --random 60 --seed 1           drawn shapes, and how ratios are spread
python bench/peers.py --threads 1,2,4,8,16           the curve of a larger machine
python bench/peers.py --busy                         fastdl alone, beside a busy neighbour

Every peer runs in a process of its own that is pinned to as many cores as it has threads. They take
turns, several rounds, and a median is shown: with one thread of the processor's time, which others
on the same core do not lengthen, with more of the clock's. None of them has the variables of the
environment that choose kernels for OpenBLAS; which ones they have run is printed. Before anything
is timed, all of them train an epoch from the same start in the same order and must end with the
same parameters. The limit is the time that the operations take at the rate of sgemm, or the inputs
at the bandwidth of memory, whichever is longer; both are measured between the rounds. Images are
the real ones where fastdl finds them (FASTDL_DATA_DIR), else stand-ins. A first call is the import
of the library with NumPy, the network, and one epoch.
"""

import argparse
import os
import sys

# This folder's package; this file is run, never imported.
from peers import data, race, show
from peers.adapters import PEERS, missing
from peers.workloads import WORKLOADS, draw


def parse(arguments):
    """The command line."""
    summary, _, description = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("workloads", nargs="*", metavar="workload", help=" ".join(WORKLOADS))
    parser.add_argument("--peers", default=",".join(PEERS), help="names with commas between")
    parser.add_argument("--threads", default="1,2", help="numbers with commas between (1,2)")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="so many drawn shapes")
    parser.add_argument("--seed", type=int, default=0, help="of the shapes (0)")
    parser.add_argument("--rounds", type=int, default=7, help="of every peer (7)")
    parser.add_argument("--busy", action="store_true", help="fastdl beside a busy neighbour")
    parser.add_argument("--json", metavar="FILE", help="write all that was measured")
    parser.add_argument(
        "--chart",
        metavar="FILE",
        help="draw the first number of threads, or how the ratios of drawn shapes are spread",
    )
    settings = parser.parse_args(arguments)
    named = settings.workloads or ([] if settings.random else WORKLOADS)
    settings.workloads = [choose(parser, WORKLOADS, n) for n in named]
    settings.workloads += draw(settings.random, settings.seed)
    settings.peers = settings.peers.split(",")
    for name in settings.peers:
        choose(parser, PEERS, name)
    if not all(count.isdecimal() and int(count) > 0 for count in settings.threads.split(",")):
        parser.error(f"--threads must be positive numbers; got {settings.threads}, use 1,2")
    settings.threads = sorted({int(count) for count in settings.threads.split(",")})
    return settings


def choose(parser, table, name):
    """What the table has under a name."""
    if name not in table:
        parser.error(f"a name must be one of {', '.join(table)}; got {name}")
    return table[name]


def compare(settings, cores):
    """All races; their tables are printed as soon as there are some."""
    absent = missing(settings.peers)
    for name, module in absent.items():
        print(f"{name} is left out: {module} is not installed")
    names = [name for name in settings.peers if name not in absent]
    races = []
    for count in settings.threads:
        if count > len(cores):
            print(f"{count} threads are left out: there are {len(cores)} cores")
            continue
        here = []
        for workload in settings.workloads:
            here.append(race.run(workload, names, cores[-count:], settings.rounds))
            for reason in here[-1].left_out.values():
                print(f"left out of {workload.name}: {reason}")
            if settings.random:  # which takes long
                print(f"{workload.name} {here[-1].ratio or 0:.2f}", file=sys.stderr, flush=True)
        print(f"\n{count} threads on as many cores, medians of {settings.rounds} rounds\n")
        print("\n".join([*show.times(here), "", *show.costs(here)]))
        told = show.quantiles(here) if any(race.ratio for race in here) else []
        print("", *told, *show.blas(here), sep="\n", flush=True)
        races += here
    if len({r.n_cores for r in races}) > 1:
        print("", *show.curves(races), sep="\n")
    return races


def disturb(settings, cores):
    """Every workload's times beside a busy neighbour."""
    if len(cores) < 2:
        sys.exit(f"--busy must have two cores; got {len(cores)}, run it on a larger machine")
    results = {w.name: race.run_busy(w, cores, settings.rounds) for w in settings.workloads}
    print("\n".join(show.busy(results)))
    return results


def main(arguments):
    settings = parse(arguments)
    if not hasattr(os, "sched_getaffinity"):
        sys.exit("processes must be pinned to cores; this system cannot, run it on Linux")
    cores = sorted(os.sched_getaffinity(0))
    print(show.machine())
    for name in sorted({w.images for w in settings.workloads} - {""}):
        print(data.origin(name))
    busy = disturb(settings, cores) if settings.busy else {}
    races = [] if settings.busy else compare(settings, cores)
    if settings.json:
        show.save(settings.json, races, busy)
    if settings.chart:
        (show.distribution if settings.random else show.chart)(settings.chart, races)
    return int(any(r.left_out for r in races))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
