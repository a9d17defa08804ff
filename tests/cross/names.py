"""Writes the C of a library that has the names of Python's limited API, and nothing in them.

python tests/cross/names.py 3.11 > python3.c
"""

import sys

from abi3info import DATAS, FUNCTIONS


def names(held, version):
    """Those of this version that every system has."""
    return sorted(
        symbol.name
        for symbol, what in held.items()
        if what.ifdef is None and (what.added.major, what.added.minor) <= version
    )


version = tuple(map(int, sys.argv[1].split(".")))
print("#ifdef _WIN32\n#define OUT __declspec(dllexport)\n#else\n#define OUT\n#endif")
for name in names(FUNCTIONS, version):
    print(f"OUT void {name}(void) {{}}")
for name in names(DATAS, version):
    print(f"OUT int {name};")
