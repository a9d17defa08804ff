"""Writes docs/reliability.md from what the nightly tests have reported, a line of JSON each.

    python tests/reliability.py build/nightly.jsonl docs/reliability.md

`make nightly` comes here only if every test has passed. What stands in the page before
"## What was tried" is written by hand, and kept.
"""

import json
import os
import platform
import sys
from datetime import date
from pathlib import Path

import numpy as np

import fastdl as fd
from fastdl import _kernels

TRIED = "## What was tried"
COUNTS = {  # the numbers of the lines that are added up, of what has really run, and what they are
    "inputs": "inputs of kernels",
    "files": "damaged and forged files",
    "kills": "fits killed at any moment",
    "lines": "fits killed at a line of a write",
    "interruptions": "fits interrupted and resumed",
    "fits": "fits of arrays that change, or under watch for leaks",
    "calls": "other calls with arrays that change",
    "children": "child processes",
    "limits": "limits of memory",
}


def processor() -> str:
    """The name that Linux gives, or else the kind of machine."""
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def show(value: float | str) -> str:
    """Whole numbers in full, others by three digits."""
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value % 1 == 0 else f"{value:.3g}"


def page(reports: list[dict[str, float | str]]) -> str:
    """The generated part: the machine, the totals, a row for each line."""
    software = (
        f"fastdl {fd.__version__}, Python {platform.python_version()}, NumPy {np.__version__}"
    )
    machine = f"{platform.system()}, {processor()}, {os.cpu_count()} cores, {_kernels.ISA}"
    totals = {key: sum(report.get(key, 0) for report in reports) for key in COUNTS}
    lines = [
        TRIED,
        "",
        f"What `make nightly` tried on {date.today()}; every test passed.",
        f"{software}; {machine}.",
        "",
        *(f"- {show(total)} {COUNTS[key]}" for key, total in totals.items() if total),
        "",
        "| Test | Tried and found |",
        "|---|---|",
    ]
    for report in reports:
        numbers = (f"{key} {show(value)}" for key, value in report.items() if key != "test")
        lines.append(f"| {report['test']} | {', '.join(numbers)} |")
    return "\n".join(lines)


def main(source: str, target: str) -> None:
    """Put a new last part behind what is written by hand."""
    lines = Path(source).read_text().splitlines()
    reports = sorted(map(json.loads, lines), key=lambda report: report["test"])
    old = Path(target).read_text() if Path(target).exists() else ""
    by_hand = old.partition(TRIED)[0] or "# Reliability\n\n"
    Path(target).write_text(f"{by_hand}{page(reports)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
