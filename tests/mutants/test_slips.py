"""slips.toml fits the sources and the tests as they are; that its tests see the slips takes
minutes: `make mutants`."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.mutants import slips
from tests.mutants.__main__ import verdict

ROOT = Path(__file__).parents[2]
LIST = slips.read()


def test_every_slip_has_a_name_of_its_own():
    assert max(Counter(slip.id for slip in LIST).values()) == 1
    assert len(LIST) >= 60


@pytest.mark.parametrize("slip", LIST, ids=lambda slip: slip.id)
def test_a_slip_fits_the_source_and_names_a_test(slip):
    source = (ROOT / slip.file).read_text("utf-8")
    changed = slips.patched(source, slip)
    assert changed != source
    if slip.file.endswith(".py"):
        ast.parse(changed)
    file, _, node = slip.test.partition("::")
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    names = {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
    assert not node or node.partition("[")[0] in names


@pytest.mark.parametrize("file", sorted({slip.file for slip in LIST if slip.is_compiled}))
def test_slips_of_one_source_do_not_overlap(file):
    source = (ROOT / file).read_text("utf-8")
    own = [slip for slip in LIST if slip.file == file]
    whole = slips.instrumented(source, own)
    assert all(f"fastdl_slip == {slip.number}" in whole for slip in own)


def test_statements_and_expressions_are_chosen_at_run_time():
    def slip(number, file, text, other):
        return slips.Slip(number, f"{number}", file, text, other, "", "")

    code = "if a:\n    f(a + b)\n    g()\n"
    chosen = [slip(1, "x.pyx", "a + b", "a"), slip(2, "x.pyx", "    g()\n", "")]
    expected = (
        "if a:\n    f(((a) if fastdl_slip == 1 else (a + b)))\n"
        "    if fastdl_slip == 2:\n        pass\n    else:\n        g()\n"
    )
    assert slips.instrumented(code, chosen) == expected + slips.EXTERN
    chosen = [slip(1, "x.c", "  g();\n", ""), slip(2, "x.c", "  g();\n", "  h();\n")]
    assert "if (fastdl_slip == 1) {" in slips.instrumented("  g();\n", chosen)
    assert "} else if (fastdl_slip == 2) {\n      h();" in slips.instrumented("  g();\n", chosen)
    for text in ("nowhere", "a"):
        with pytest.raises(ValueError, match=r"the text of 1 must stand once in x\.pyx; found it"):
            slips.find(code, slip(1, "x.pyx", text, ""))


@pytest.mark.parametrize(
    ("status", "output", "word"),
    [
        (0, "3 passed", "LIVES"),
        (1, "E  assert 1 == 2\nFAILED", "killed"),
        (1, "FAILED test_it - Failed: Timeout (>300.0s)", "HANGS"),
        (2, "ERROR collecting", "BROKEN (2)"),
        (4, "not found", "BROKEN (4)"),
        (-11, "Fatal Python error: Segmentation fault", "BROKEN (-11)"),
    ],
)
def test_only_a_test_that_fails_has_seen_a_slip(status, output, word):
    assert verdict(status, output) == word
