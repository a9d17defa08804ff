"""Loads the compiled modules with OpenMP's idle threads asleep rather than spinning.

OpenMP reads its settings once, when it is loaded. By default a thread that has nothing to do spins
for a while, and where a neighbour holds a core it keeps from running what everybody waits for. The
environment is put back at once; where OpenMP was loaded before, or the user has a wish, all stays
as it is.
"""

import os

_ours = "OMP_WAIT_POLICY" not in os.environ
if _ours:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
try:
    from fastdl import _epoch, _kernels  # noqa: F401
finally:
    if _ours:
        del os.environ["OMP_WAIT_POLICY"]
