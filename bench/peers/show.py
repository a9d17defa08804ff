"""What is shown of races: tables, a JSON record, and a chart."""

import json
import os
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from peers.adapters import PEERS

# Okabe and Ito's colours, which colour-blind people tell apart, and a shape for each as well.
STYLES = {
    "fastdl": ("#D55E00", "D"),
    "NumPy": ("#0072B2", "o"),
    "PyTorch": ("#CC79A7", "s"),
    "torch.compile": ("#56B4E9", "P"),
    "JAX": ("#009E73", "^"),
    "scikit-learn": ("#E69F00", "v"),
}
LINES = "-", "--", ":", "-."  # of one number of threads, and of more
SHARES = 0, 0.1, 0.25, 0.5, 0.75, 0.9, 1
DISTRIBUTIONS = "fastdl", "numpy", "scipy", "torch", "jax", "jaxlib", "scikit-learn"


def times(races):
    """A line a workload: every peer's milliseconds, and fastdl's ratios."""
    names = _names(races)
    yield _row("ms an epoch", [*names, "fastest peer", "ratio", "limit", "x limit"])
    for race in races:
        cells = [_cell(race, name, lambda timing: f"{timing.ms:.2f}") for name in names]
        ours, fastest = race.timings.get("fastdl"), race.fastest
        ratio = f"{race.ratio:.2f}" if race.ratio else ""
        over = f"{ours.ms / race.limit_ms:.1f}" if ours else ""
        yield _row(race.workload.name, [*cells, fastest or "", ratio, f"{race.limit_ms:.2f}", over])


def quantiles(races):
    """How our times over the fastest peer's are spread, what the limit lets, and the worst."""
    found = sorted((race.ratio, race.workload.name) for race in races if race.ratio)
    spread = {"": [ratio for ratio, _ in found]}
    spread["at the limit"] = [race.least_ratio for race in races if race.ratio]
    yield _row(f"ratio of {len(found)} shapes", [f"{share:.0%}" for share in SHARES])
    for name, ratios in spread.items():
        yield _row(name, [f"{np.quantile(ratios, share):.2f}" for share in SHARES])
    yield "worst: " + ", ".join(f"{name} {ratio:.2f}" for ratio, name in found[:-6:-1])


def blas(races):
    """A line a peer: which kernels of matrix products it has run."""
    for name in _names(races):
        told = {race.timings[name].blas for race in races if name in race.timings}
        yield f"{name}: products by {'; '.join(sorted(told))}"


def costs(races):
    """A line a workload: every peer's peak memory and first call."""
    names = _names(races)
    yield _row("peak MB (data loaded)", names)
    for race in races:
        cells = [_cell(race, n, lambda t: f"{t.peak:.0f} ({t.resident:.0f})") for n in names]
        yield _row(race.workload.name, cells)
    yield ""
    yield _row("first call, s", names)
    for race in races:
        yield _row(race.workload.name, [_cell(race, n, lambda t: f"{t.first:.2f}") for n in names])


def curves(races):
    """A line a workload and peer: milliseconds by the number of threads, and the gain."""
    counts = sorted({race.n_cores for race in races})
    yield _row("ms by threads", [*map(str, counts), f"{counts[-1]} / {counts[0]}"])
    by = {(race.workload.name, race.n_cores): race for race in races}
    for workload in dict.fromkeys(race.workload.name for race in races):
        here = [by[workload, count] for count in counts if (workload, count) in by]
        for name in _names(here):
            cells = [_cell(race, name, lambda timing: f"{timing.ms:.2f}") for race in here]
            ends = [race.timings[name].ms for race in here if name in race.timings]
            yield _row(f"{workload} {name}", [*cells, f"{ends[-1] / ends[0]:.2f}"])


def busy(results):
    """A line a workload: fastdl's milliseconds while a neighbour keeps a core busy."""
    yield _row("ms, one core busy", ["1", "2", "None", "2 / 1", "None / 1"])
    for name, ms in results.items():
        cells = [*ms.values(), ms[2] / ms[1], ms[None] / ms[1]]
        yield _row(name, [f"{cell:.2f}" for cell in cells])


def _names(races):
    """The peers that have times, in the order of the table of peers."""
    return [name for name in PEERS if any(name in race.timings for race in races)]


def _cell(race, name, text):
    return text(race.timings[name]) if name in race.timings else "-"


def _row(label, cells):
    return f"{label:22}" + "".join(f"{cell:>15}" for cell in cells)


def machine():
    """The processor, its cores and the versions of what was run."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in DISTRIBUTIONS},
    }


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def save(path, races, busy_results):
    """Write everything that was measured to a JSON file."""
    record = {
        "machine": machine(),
        "races": [{**asdict(race), "limits": race.limits._asdict()} for race in races],
        "busy": {name: {str(n): ms for n, ms in row.items()} for name, row in busy_results.items()},
    }
    Path(path).write_text(json.dumps(record, indent=1) + "\n")


def chart(path, races):
    """Draw every peer's time, relative to the fastest peer's, on one core."""
    import matplotlib.pyplot as plt

    races = [race for race in races if race.fastest and race.n_cores == races[0].n_cores]
    figure, axes = plt.subplots(figsize=(8, 1.3 + 0.45 * len(races)), layout="constrained")
    rows = range(len(races))
    best = [race.timings[race.fastest].ms for race in races]
    for name in _names(races):
        here = [i for i in rows if name in races[i].timings]
        relative = [races[i].timings[name].ms / best[i] for i in here]
        color, marker = STYLES[name]
        size, above = (80, 4) if name == "fastdl" else (45, 3)
        axes.scatter(
            relative, here, size, color, marker=marker, label=name, zorder=above,
            edgecolors="white", linewidths=0.5,
        )  # fmt: skip
    least = [race.limit_ms / ms for race, ms in zip(races, best, strict=True)]
    limit = "limit of the machine, zeros multiplied too"
    axes.scatter(least, rows, 220, "black", marker="|", label=limit, zorder=2)
    _label(axes, races)
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def distribution(path, races):
    """Draw how our times over the fastest peer's are spread, a line a number of threads."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for n_cores, line in zip(sorted({race.n_cores for race in races}), LINES, strict=False):
        ratios = sorted(race.ratio for race in races if race.n_cores == n_cores and race.ratio)
        label = f"{n_cores} thread" + "s" * (n_cores > 1) + f": median {np.median(ratios):.2f}"
        shares = np.arange(1, len(ratios) + 1) / len(ratios)
        axes.step(ratios, shares, line, where="post", label=label, color=STYLES["fastdl"][0])
        least = sorted(race.least_ratio for race in races if race.n_cores == n_cores and race.ratio)
        axes.step(least, shares, line, where="post", label="limit of the machine", color="0.6")
    axes.axvline(1, color="0.6", linewidth=1)
    axes.set_xlabel("our time of an epoch, relative to the fastest of NumPy, PyTorch and JAX")
    axes.set_ylabel("share of the shapes")
    axes.set_title(f"{len(ratios)} shapes drawn at random, float32", loc="left")
    axes.set_xlim(0, None)
    axes.legend(frameon=False, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _label(axes, races):
    """Name the workloads with fastdl's time, and the axis."""
    axes.set_xscale("log")
    ticks = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.axvline(1, color="0.6", linewidth=1, zorder=1)
    labels = [f"{r.workload.name}: {r.fastest} {_short(r.timings[r.fastest].ms)}" for r in races]
    for i, race in enumerate(races):
        if "fastdl" in race.timings:
            labels[i] += f", fastdl {_short(race.timings['fastdl'].ms)}"
    axes.set_yticks(range(len(races)), labels)
    axes.invert_yaxis()
    axes.grid(axis="y", color="0.9", zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("time of an epoch, relative to the fastest peer's (log scale)")
    threads = f"{races[0].n_cores} thread" + "s" * (races[0].n_cores > 1)
    axes.set_title(f"ms an epoch, float32, {threads}", loc="left")


def _short(ms):
    """Three digits, or as many as an integer has."""
    return f"{ms:.0f}" if ms >= 100 else f"{ms:.3g}"
