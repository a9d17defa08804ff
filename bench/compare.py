"""How many times faster than NumPy: the ratios of a pytest-benchmark record, a line a group.

python bench/compare.py [record.json]    without an argument: the newest record in .benchmarks
"""

import json
import sys
from collections import defaultdict
from pathlib import Path


def medians(record):
    """Group: backend: median seconds."""
    groups = defaultdict(dict)
    for entry in json.loads(record.read_text())["benchmarks"]:
        groups[entry["group"]][entry["params"]["backend"]] = entry["stats"]["median"]
    return groups


def table(groups):
    """The lines: fastdl's and NumPy's milliseconds, and their ratio."""
    width = max(20, *(len(group) for group in groups))
    yield f"{'median of a call, ms':{width}} {'fastdl':>10} {'numpy':>10} {'times faster':>13}"
    for group, times in groups.items():
        ours, theirs = (1e3 * times.get(backend, float("nan")) for backend in ("fastdl", "numpy"))
        yield f"{group:{width}} {ours:10.4f} {theirs:10.4f} {theirs / ours:13.2f}"


def main(arguments):
    records = [Path(argument) for argument in arguments] or sorted(
        Path(".benchmarks").rglob("*.json"), key=lambda path: path.stat().st_mtime
    )
    if not records:
        return "no record: run pytest bench --benchmark-enable --benchmark-autosave first"
    print(records[-1])
    print("\n".join(table(medians(records[-1]))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
