"""What the documentation shows runs, its links lead somewhere, every public name has a page."""

import ast
import doctest
import importlib
import inspect
import os
import re
import runpy
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import fastdl as fd

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
pytestmark = [
    pytest.mark.skipif(not DOCS.is_dir(), reason="reads the repository"),
    pytest.mark.filterwarnings("ignore:Stochastic Optimizer"),  # scikit-learn could go on
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # of Keras
]

BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]\d+)?")
PAGES = sorted(
    path
    for path in (ROOT / "README.md", *DOCS.glob("*.md"))
    if "```python" in path.read_text(encoding="utf-8")
)
LINKED = sorted((*ROOT.glob("*.md"), *DOCS.glob("*.md"), *ROOT.glob("bench/*.md")))


def modules():
    """The library's modules, the experiments and commands left out."""
    for path in sorted(Path(fd.__file__).parent.rglob("*.py")):
        parts = path.relative_to(Path(fd.__file__).parent).with_suffix("").parts
        if parts[0] == "experiments" or parts[-1] == "__main__":
            continue
        if parts[0] == "sklearn" and find_spec("sklearn") is None:
            continue
        yield ".".join(("fastdl", *(part for part in parts if part != "__init__")))


class Finder(doctest.DocTestFinder):
    """One that knows a method through what tells wrong keywords (``_keywords.py``)."""

    def _from_module(self, module, value):
        value = value if inspect.isclass(value) else inspect.unwrap(value)
        return super()._from_module(module, value)


def examples():
    """The examples of every docstring of the library."""
    finder = Finder(exclude_empty=True)
    for name in modules():
        module = importlib.import_module(name)
        for test in finder.find(module, name, extraglobs={"fd": fd, "np": np}):
            if test.examples:
                yield test


EXAMPLES = {test.name: test for test in examples()} if DOCS.is_dir() else {}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_gives_what_it_shows(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    assert runner.run(EXAMPLES[name], clear_globs=False).failed == 0


@pytest.fixture(scope="module")
def site():
    """What docs/conf.py defines."""
    return runpy.run_path(str(DOCS / "conf.py"))


def test_every_public_name_has_a_page(site):
    shown = (DOCS / "api.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^   (\w+)$", shown, re.MULTILINE))
    wanted = {name for name in fd.__all__ if not isinstance(getattr(fd, name), ModuleType)}
    assert listed == wanted
    pages = {f"fastdl.{name}" for name in fd.__all__ if isinstance(getattr(fd, name), ModuleType)}
    pages |= {"fastdl.losses"} | ({"fastdl.sklearn"} if find_spec("fastdl.sklearn") else set())
    assert pages <= set(site["MODULES"])


def test_every_public_class_and_function_has_an_example(site):
    lacking = []
    for module in ("fastdl", *site["MODULES"]):
        if find_spec(module) is None or (module == "fastdl.sklearn" and not find_spec("sklearn")):
            continue
        module = importlib.import_module(module)
        for name in site["public_names"](module):
            value = getattr(module, name)
            if callable(value) and "\n>>> " not in (inspect.getdoc(value) or ""):
                lacking.append(f"{module.__name__}.{name}")
    assert not lacking


def absent(code):
    """The packages that a piece of code imports and that are not installed."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
    return {name for name in found if find_spec(name.partition(".")[0]) is None} | (
        {name for name in found if name == "fastdl.sklearn" and find_spec(name) is None}
    )


def agree(printed, shown):
    """Whether two texts are alike, numbers to the few digits in which machines may differ."""
    if NUMBER.sub("0", printed).split() != NUMBER.sub("0", shown).split():
        return False
    pairs = zip(NUMBER.findall(printed), NUMBER.findall(shown), strict=True)
    return all(abs(float(a) - float(b)) <= 0.03 * max(abs(float(b)), 0.1) for a, b in pairs)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_code_of_a_page_runs_and_prints_what_it_shows(page, tmp_path, monkeypatch, capsys):
    """A page is one session; a block of text behind code is what that code prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTDL_DATA_DIR", str(tmp_path / "none"))
    namespace, printed = {"__name__": "__main__"}, None
    for language, code in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "python":
            printed = None
            if absent(code):
                continue
            exec(compile(code, page.name, "exec"), namespace)
            printed = capsys.readouterr().out
        elif language == "text" and printed is not None:
            assert agree(printed, code), printed
            printed = None


def anchors(path):
    """The anchors of a page's headings, as GitHub and the site make them."""
    text = BLOCK.sub("", path.read_text(encoding="utf-8"))
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        yield re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")


@pytest.mark.parametrize("page", LINKED, ids=lambda path: path.name)
def test_links_within_the_repository_lead_somewhere(page):
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for link in LINK.findall(text):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page if not path else Path(os.path.normpath(page.parent / path))
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), link
