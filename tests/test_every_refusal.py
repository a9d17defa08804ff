"""Every sentence by which the library refuses something is met by a row of the tables of refusals.

The tables are ROWS of test_bad_settings.py, REFUSED and SHAPES of test_bad_input.py, ROWS, INSTEAD
and NOTHING_TO_TELL of test_refusals.py. What is wrong in a file is left out, for no other argument
mends it: test_bad_files.py, test_files.py, test_resume.py. So are the estimators, which refuse in
the words of scikit-learn: test_sklearn_own.py, test_sklearn_checks.py, test_sklearn_more.py.
"""

import ast
import traceback
from functools import cache, partial
from pathlib import Path

import pytest

import fastdl as fd
from tests import test_bad_input as arrays
from tests import test_bad_settings as settings
from tests import test_refusals as refusals

make, run = arrays.make, arrays.run  # fixtures

SOURCE = Path(fd.__file__).parent
KINDS = (
    *("TypeError", "ValueError", "OverflowError", "KeyError", "IndexError", "AttributeError"),
    *("RuntimeError", "ModuleNotFoundError"),
)
OF_FILES = ("files.py", "resume.py")
MET_ELSEWHERE = {  # words of the sentence: where, and why no row meets it
    "columns must be the names of": "a damaged file: test_files.py",
    "a layer must have the keys": "a damaged file: test_files.py",
    "loss must be given where": "a file, where it is no ValueError: test_own_loss.py",
    "loss must be left out where": "a file, where it is no ValueError: test_own_loss.py",
    "batches must": "it needs what comes batch by batch: test_stream.py",
    "where batches come one by one": "likewise: test_stream.py",
    "a batch must be": "it needs what comes batch by batch: test_stream.py",
    "epochs must be 1 with an iterator": "likewise: test_stream.py",
    "must go with arrays x and y": "likewise: test_stream.py",
    "must be of a fit of arrays": "likewise: test_stream.py",
    "y must be given with an array": "likewise: test_stream.py",
    "module must": "it needs another library: test_interop.py",
    "{self.name} must": "it needs another library: test_interop.py",
    "PyTorch has modules of": "it needs another library: test_interop.py",
    "model must": "it needs another library, or is of fastdl.river: test_interop.py, test_river.py",
    "optimiser must go with layers": "fastdl.river: test_river.py",
    "X must be a data frame": "likewise: test_river.py",
    "must be a dictionary of features": "likewise: test_river.py",
    "must have features that the network": "likewise: test_river.py",
    "x must have numbers as features": "likewise: test_river.py",
    "y must be one of the": "likewise: test_river.py",
    "y must be a number; got": "likewise: test_river.py",
    "model must be without BatchNorm": "fastdl.river: test_river.py",
    "fastdl has no": "a name of the module: test_hints.py",
    "must be called on the class": "it needs an object: test_hints.py",
    "must override what fd.Callback has": "it needs a class: test_hints.py",
    "y must be a class": "likewise: test_river.py",
    "x must be finite in": "likewise: test_river.py",
    "X must be finite": "likewise: test_river.py",
    "TypeError(why)": "a keyword that is not there: test_keywords.py",
    "which is not installed": "it needs a machine without a package: test_history.py",
}


@cache
def sentences():
    """Where each refusal is raised, file and lines, and its code."""
    return list(raised())


def raised():
    for path in sorted(SOURCE.rglob("*.py")):
        if path.name in OF_FILES or {"experiments", "sklearn"} & {*path.relative_to(SOURCE).parts}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            kind = getattr(getattr(getattr(node, "exc", None), "func", None), "id", None)
            if isinstance(node, ast.Raise) and kind in KINDS:
                yield path, range(node.lineno, node.end_lineno + 1), ast.unparse(node)


def calls(make, run):
    """Each row of the tables as a call that is refused."""
    for row in settings.ROWS:
        call, _, several = row.values
        yield from (partial(call, **given) for given in several)
    for call, _, given in refusals.ROWS.values():
        yield lambda call=call, given=given: call(**given)
    yield from (call for call, _ in refusals.INSTEAD.values())
    yield from refusals.NOTHING_TO_TELL.values()
    for name, argument in arrays.ARRAYS:
        refused = arrays.REFUSED[arrays.KINDS[name][argument]]
        for change in (*refused.values(), *arrays.SHAPES.values()):
            given = make(name)
            given[argument] = change(given[argument])
            yield lambda name=name, given=given: run(name, given)


def place(error):
    """The file and the line of the library where an error was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [(Path(each.filename), each.lineno) for each in frames]
    return next((path, line) for path, line in reversed(places) if SOURCE in path.parents)


def test_every_refusal_is_met_by_a_row(make, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    met = set()
    for call in calls(make, run):
        try:
            call()
        except Exception as error:  # whatever it is, it tells its place
            met.add(place(error))
    unmet = [
        text
        for path, lines, text in sentences()
        if not any((path, line) in met for line in lines)
        and not any(words in text for words in MET_ELSEWHERE)
    ]
    assert unmet == []


@pytest.mark.parametrize("words", MET_ELSEWHERE)
def test_what_is_met_elsewhere_is_there(words):
    assert any(words in text for _, _, text in sentences())
