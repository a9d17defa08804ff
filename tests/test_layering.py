"""Imports run one way, only the reference's readers know it, and what is private stays so."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "fastdl"
# Every module imports only from those before it.
# fmt: off
ORDER = (
    "_matrix", "_blas", "_kernels", "_loops.net", "_loops.input", "_loops.call",
    "_loops.offset", "_loops.norms", "_loops.parts", "_loops.layers", "_loops.rows",
    "_loops.weights", "_loops.batches", "_loops.evaluation", "_loops.pace", "_system", "_memory",
    "_epoch", "_hints",
    "_needed", "_warnings",
    "_intake", "_check", "_settings", "_pools", "_threads", "_html",
    "activations", "losses", "init", "schedules", "scaling", "inputs", "history", "files", "ops",
    "layers",
    "summary", "optim", "config", "progress", "parameters", "core", "data", "evaluation", "saved",
    "export", "network", "interop", "gradcheck", "_calling", "_diagnosis", "audit", "advice",
    "state", "rates", "records", "resume", "batch", "room", "fit", "arrays", "stepper", "stream",
    "run", "loop", "callbacks", "trainer", "river", "datasets", "_openmp", "_keywords", "__init__",
)
EXPERIMENTS = (
    "calling", "meant", "places", "spec", "coding", "assignments", "store", "data", "trial",
    "results", "storage", "search", "tables", "noise", "spread", "reported", "sources", "check",
    "verdicts", "compare", "claims", "plots", "page", "findings", "folder", "report", "screen",
    "runner", "doing", "new", "commands", "__main__",
)
# fmt: on
EXACTLY = {
    "_matrix": set(),
    "_blas": {"_matrix"},
    "_kernels": {"_blas", "_matrix"},
    "_memory": set(),
    "_loops.pace": set(),
    "_reference": set(),
}
# The only function that reaches into an object: users see a Network, the library its Core.
DOOR = ("network", "core_of")
PUBLIC = {"_asdict", "_fields", "_replace"}  # of named tuples, which want no names of their own
AT_MOST = {"ops": {"_check", "_kernels", "_threads", "activations", "losses"}}
MOST_ARGUMENTS = 8
# All others are keywords that a user writes by name, of an algorithm whose paper, or of a library
# whose class, names as many.
MAY_HAVE_MORE = {
    "_reference.py adam_update",
    "_reference.py adam_hat_update",
    "_reference.py adamw_update",
    "ops.py adam_update",
    "ops.py adam_hat_update",
    "ops.py adamw_update",
    "classifier.py __init__",
    "network.py __init__",
    "regressor.py __init__",
    "trainer.py __init__",
    "trainer.py fit",
}
pytestmark = pytest.mark.skipif(not SOURCE.is_dir(), reason="reads the source tree")


def imports(path):
    """The modules of fastdl that a file imports, when it runs or for types alone."""
    if path.suffix != ".py":
        text = "".join(p.read_text() for p in path.parent.glob(f"{path.stem}.p[xy]*"))
        found = re.findall(r"^from fastdl(?:\.([\w.]+) c?import| import (\w+))", text, re.MULTILINE)
        return {"".join(names) for names in found} - {path.stem}
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in found if name.startswith("fastdl.")}


MODULES = {path.stem: path for kind in ("*.pxd", "*.pyx", "*.py") for path in SOURCE.glob(kind)}
MODULES |= {
    f"_loops.{path.stem}": path
    for path in (SOURCE / "_loops").glob("*.pxd")
    if path.stem != "__init__"
}


def arguments(path):
    """(name, number of arguments but self) of every function of a file."""
    text = path.read_text()
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                given = node.args
                names = [each.arg for each in given.posonlyargs + given.args + given.kwonlyargs]
                yield node.name, len([name for name in names if name not in {"self", "cls"}])
        return
    text = re.sub(r"#.*", "", text)
    for name, given in re.findall(
        r"^ *(?:cp?def|def) [^\n(=]*?(\w+)\(([^()]*(?:\([^()]*\)[^()]*)*)\)", text, re.MULTILINE
    ):
        each = re.sub(r"\[[^]]*\]", "", given).split(",")
        yield name, len([word for word in map(str.strip, each) if word not in {"", "self", "*"}])


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_stands_before_it(module):
    found = imports(MODULES[module])
    assert "_reference" not in found
    assert found == EXACTLY.get(module, found)
    assert found <= AT_MOST.get(module, found)
    if module != "_reference":
        assert found <= set(ORDER[: ORDER.index(module)])


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def own_names(kind):
    """The private names that a class, or one inside it, has."""
    found = {each.name for each in ast.walk(kind) if isinstance(each, ast.FunctionDef)}
    for node in ast.walk(kind):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found |= {node.attr} if node.value.id in ("self", "cls") else set()
        if isinstance(node, ast.Constant) and isinstance(node.value, str):  # of __slots__
            found.add(node.value)
    return found


def reaches(node, own=frozenset()):
    """Where a private name is read of what is neither oneself nor of one's own class."""
    if isinstance(node, ast.ClassDef):
        own |= own_names(node)
    if isinstance(node, ast.Attribute) and is_private(node.attr):
        of = node.value.id if isinstance(node.value, ast.Name) else ""
        if of not in {"self", "cls"} and node.attr not in own:
            yield f"{node.lineno}: {ast.unparse(node)}"
    for child in ast.iter_child_nodes(node):
        yield from reaches(child, own)


@pytest.mark.parametrize("path", list(SOURCE.rglob("*.py")), ids=lambda path: path.stem)
def test_no_object_reads_what_is_private_to_another(path):
    tree = ast.parse(path.read_text())
    if path.stem == DOOR[0]:
        tree.body.remove(next(each for each in tree.body if getattr(each, "name", "") == DOOR[1]))
    assert not list(reaches(tree))


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("self._x", []),
        ("module._x", ["module._x"]),
        ("other._fields", []),
        ("other.__class__", []),
        ("other._x", ["other._x"]),
        ("self.other._x = 1", ["self.other._x"]),
        ("f()._x", ["f()._x"]),
        ("class A:\n def f(self, other): return self._x + other._x", []),
        ("class A:\n __slots__ = ('_x',)\n def f(self, other): return other._x", []),
        ("class A:\n def f(self, other): return other._x", ["other._x"]),
        ("class A:\n def f(self): return self._x\ndef g(a): return a._x", ["a._x"]),
    ],
)
def test_a_reach_is_found(code, found):
    assert [line.partition(": ")[2] for line in reaches(ast.parse(code))] == found


@pytest.mark.parametrize(
    "path", sorted(p for p in SOURCE.rglob("*.p[yx]*") if p.suffix[-1] not in "ic")
)
def test_functions_have_few_arguments(path):
    many = {f"{path.name} {name}" for name, n in arguments(path) if n > MOST_ARGUMENTS}
    assert many <= MAY_HAVE_MORE


ESTIMATORS = (
    "_parameters", "_onnx", "_optimizer", "_engine", "_training", "_scale", "_lbfgs", "_base",
    "classifier", "regressor", "networks", "__init__",
)  # fmt: skip


def test_a_module_of_the_estimators_imports_only_what_stands_before_it():
    for i, module in enumerate(ESTIMATORS):
        text = (SOURCE / "sklearn" / f"{module}.py").read_text()
        found = set(re.findall(r"^from fastdl\.sklearn\.(\w+) import", text, re.MULTILINE))
        found |= set(re.findall(r"^from fastdl\.sklearn import (_\w+)", text, re.MULTILINE))
        assert found <= set(ESTIMATORS[:i])
    assert {path.stem for path in (SOURCE / "sklearn").glob("*.py")} == set(ESTIMATORS)


def test_scikit_learn_is_imported_by_its_estimators_alone():
    for path in SOURCE.rglob("*.py"):
        if path.parent.name != "sklearn":
            assert "sklearn" not in {*re.findall(r"(?:from|import) (\w+)", path.read_text())}
            assert "sklearn" not in imports(path)


def test_data_sets_do_not_know_how_networks_are_trained():
    for path in (SOURCE / "datasets").glob("*.py"):
        assert imports(path) <= {"_check", "_system", "datasets"}


def test_the_reference_is_numpy_alone():
    names = re.findall(
        r"^(?:from|import) ([\w.]+)", MODULES["_reference"].read_text(), re.MULTILINE
    )
    assert {name.partition(".")[0] for name in names} == {"numpy"}


def test_only_one_file_names_the_blas_products():
    kinds = {".py", ".pyx", ".pxd", ".h", ".c"}
    files = [path for path in SOURCE.rglob("*") if path.suffix in kinds]
    assert [p.name for p in files if re.search("[sd]gemm", p.read_text())] == ["_blas.pxd"]


def test_only_one_file_knows_whose_line_a_warning_names():
    files = [path for path in SOURCE.rglob("*.py*") if path.suffix in {".py", ".pyx", ".pxd"}]
    found = [p.name for p in files if re.search("stacklevel|[^_]warnings.warn", p.read_text())]
    assert found == ["_warnings.py"]


EXPERIMENTS_FILES = sorted((ROOT / "experiments").rglob("*.py"))


def taken(path):
    """What a file of the experiments imports: what is outside, and the modules at their top level.

    Their package has two names, that of the clone and ``fastdl.experiments``, so that its own
    modules import each other by relative imports.
    """
    package = ("experiments", *path.parent.relative_to(ROOT / "experiments").parts)
    outside, own = set(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            outside |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            outside |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            parts = [*filter(None, base)]
            own |= {parts[1]} if parts[1:] else {alias.name for alias in node.names}
    return outside, own


@pytest.mark.parametrize("path", EXPERIMENTS_FILES, ids=lambda path: path.stem)
def test_experiments_use_the_public_library_alone(path):
    outside, _ = taken(path)
    private = re.compile(r"(fastdl\.)?experiments\b|fastdl\._")
    assert not {name for name in outside if private.match(name)}
    assert not re.search(r"\b(fd|fastdl)\._(?!_version)", path.read_text())


def test_a_module_of_the_experiments_imports_only_what_stands_before_it():
    folder = ROOT / "experiments"
    before = {"__init__"}
    for module in EXPERIMENTS:
        files = [folder / f"{module}.py", *(folder / module).glob("*.py")]
        found = set().union(*(taken(path)[1] for path in files if path.exists()))
        assert found <= {*before, module}, module
        before.add(module)
    assert before >= {path.stem for path in folder.glob("*.py")}
