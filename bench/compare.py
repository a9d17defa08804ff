"""How many times faster than NumPy: the ratios of a pytest-benchmark record, a line a group.

python bench/compare.py [record.json [record before.json]]    without arguments: the newest two

Products are also given in GFLOP/s and as a share of what sgemm reached in that run. A line is
marked where its ratio fell by more than a fifth since the record before; the exit status is then 1.
Times alone are not compared: on a shared machine they differ by more than that from run to run.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

LOSS = 0.8  # of the ratio in the record before, at which a line is marked


def read(record):
    """Group: backend: the benchmark's entry."""
    groups = defaultdict(dict)
    for entry in json.loads(record.read_text())["benchmarks"]:
        groups[entry["group"]][entry["params"]["backend"]] = entry
    return groups


def ratios(groups):
    """Group: how many times faster than NumPy, by the medians."""
    return {
        group: entries["numpy"]["stats"]["median"] / entries["fastdl"]["stats"]["median"]
        for group, entries in groups.items()
        if entries.keys() == {"fastdl", "numpy"}
    }


def rate(entry):
    """GFLOP/s and their share of sgemm's, where operations were counted."""
    info = entry["extra_info"]
    if "operations" not in info:
        return f"{'':16}"
    flops = info["operations"] / entry["stats"]["median"]
    return f"{flops / 1e9:9.0f} {flops / info['sgemm']:6.0%}"


def table(groups, before):
    """The lines; before are the ratios of the record before."""
    width = max(20, *(len(group) for group in groups))
    head = f"{'median of a call, ms':{width}} {'fastdl':>10} {'numpy':>10} {'times faster':>13}"
    yield head + f" {'before':>7} {'GFLOP/s':>9} {'share':>6}"
    for group, ratio in ratios(groups).items():
        ours, theirs = (1e3 * groups[group][b]["stats"]["median"] for b in ("fastdl", "numpy"))
        old = f"{before[group]:7.2f}" if group in before else f"{'':7}"
        line = f"{group:{width}} {ours:10.4f} {theirs:10.4f} {ratio:13.2f} {old}"
        yield f"{line} {rate(groups[group]['fastdl'])}{'  slower' * fell(group, ratio, before)}"


def fell(group, ratio, before):
    return ratio < LOSS * before.get(group, 0)


def main(arguments):
    records = [Path(argument) for argument in arguments] or sorted(
        Path(".benchmarks").rglob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True
    )
    if not records:
        return "no record: run pytest bench --benchmark-enable --benchmark-autosave first"
    groups = read(records[0])
    before = ratios(read(records[1])) if len(records) > 1 else {}
    print(records[0], *records[1:2])
    print("\n".join(table(groups, before)))
    return int(any(fell(group, ratio, before) for group, ratio in ratios(groups).items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
