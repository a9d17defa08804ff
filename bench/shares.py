"""Where the time of an epoch goes, by perf, on one core: python bench/shares.py [workload ...]

Needs Linux's perf. Times are shares of what the training process did after it had read its data.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from peers import data
from peers.adapters import Fastdl
from peers.workloads import WORKLOADS

SECONDS = 4
PARTS = {  # by the names of functions; the first that fits
    "products": r"(skip_|dot_)?product_|few_rows_",
    "reading": r"gather_|zeros_|finite|is_sparse|read_x|memmove|memcpy",
    "activation": r"activate_",
    "loss": r"softmax_|loss_|hinge_|sigmoid_xent_|take_log|log1p|argmax",
    "update": r"sgd_|momentum_|adam_|sum_rows|transpose_",
    "loops": r"_epoch_",
}
COLUMNS = [*PARTS, "Python", "system"]


def train(workload, folder):
    """What is measured: fastdl on one thread for some seconds."""
    import time

    peer = Fastdl(workload, *data.read(workload, folder), 1)
    stop = time.perf_counter() + SECONDS
    while time.perf_counter() < stop:
        peer.train(10 * workload.epochs)


def part(line):
    """The column of a line of perf's report: its share, its object, its symbol."""
    shared, symbol = line[1], line[2]
    if "fastdl" in shared or "_epoch" in shared or "_kernels" in shared or "libc" in shared:
        for name, pattern in PARTS.items():
            if re.search(pattern, symbol):
                return name
        return "loops"
    return "system" if "kernel" in shared else "Python"


def shares(name):
    """Column: percent."""
    with data.written(WORKLOADS[name]) as folder:
        record = str(Path(folder, "perf.data"))
        subprocess.run(
            ["perf", "record", "-q", "-D", "1500", "-o", record, sys.executable, __file__,
             "--train", name, folder],
            check=True, capture_output=True,
        )  # fmt: skip
        report = subprocess.run(
            ["perf", "report", "-i", record, "--stdio", "-w", "0,0,0", "--sort", "dso,symbol", "-t",
             "|"],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
    total = dict.fromkeys(COLUMNS, 0.0)
    for line in report.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) >= 3 and fields[0].endswith("%"):
            total[part(fields)] += float(fields[0][:-1])
    return total


def main(names):
    if names[:1] == ["--train"]:
        return train(WORKLOADS[names[1]], names[2])
    for name in names:
        if name not in WORKLOADS:
            return f"a workload must be one of {', '.join(WORKLOADS)}; got {name}"
    if shutil.which("perf") is None:
        return "perf must be installed; got none, on Debian it is in linux-perf"
    print(f"{'percent of the time':20}" + "".join(f"{column:>11}" for column in COLUMNS))
    for name in names or WORKLOADS:
        found = shares(name)
        print(f"{name:20}" + "".join(f"{found[column]:11.0f}" for column in COLUMNS), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
