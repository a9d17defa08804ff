"""What `import fastdl` does and does not do."""

import importlib.metadata
import inspect
import subprocess
import sys
import threading

import numpy as np
import pytest

import fastdl as fd

BASE = "import numpy, scipy.linalg"


def run_python(code, *options):
    done = subprocess.run(
        [sys.executable, *options, "-c", code], capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_is_heavy_or_optional_is_imported_only_when_it_is_needed():
    found = run_python(f"import sys; {BASE}; before = set(sys.modules); import fastdl; "
                       "print(*(set(sys.modules) - before))").split()  # fmt: skip
    tops = {name.partition(".")[0] for name in found}
    assert "fastdl" in tops
    assert not tops & {
        "matplotlib",
        "tqdm",
        "pandas",
        "safetensors",
        "IPython",
        "pytest",
        "sklearn",
    }
    assert not {"scipy.optimize", "scipy.stats", "fastdl._reference", "http.client", "ssl"} & set(
        found
    )


BLAS = """
import importlib.machinery, sys
import numpy as np
find = importlib.machinery.PathFinder.find_spec
importlib.machinery.PathFinder.find_spec = classmethod(
    lambda cls, name, *rest: None if name == {hidden!r} else find(name, *rest))
import fastdl
assert ("scipy.linalg" in sys.modules) == ({hidden!r} == "cython_blas")
before = fastdl.Network([4, 300, 3], dtype="float64").logits(np.ones((64, 4)))
import scipy.linalg.cython_blas
assert "dgemm" in scipy.linalg.cython_blas.__pyx_capi__
assert np.allclose(scipy.linalg.inv(2 * np.eye(3)), np.eye(3) / 2)
after = fastdl.Network([4, 300, 3], dtype="float64").logits(np.ones((64, 4)))
assert before.tobytes() == after.tobytes()
"""


def test_blas_is_loaded_without_its_package_which_can_be_imported_later():
    run_python(BLAS.format(hidden=""))


def test_where_blas_is_not_found_by_itself_its_package_is_imported():
    run_python(BLAS.format(hidden="cython_blas"))


THREADS = """
import os, threading
def count():
    return threading.active_count(), len(os.listdir("/proc/self/task"))
import numpy, scipy.linalg
before = count()
import fastdl
fastdl.Network([3, 2])
assert count() == before, (before, count())
"""


@pytest.mark.needs("proc")
def test_no_threads_are_started():
    run_python(THREADS)


FILES = """
import os, sys
import numpy, scipy.linalg
opened = []
def audit(event, arguments):
    if event in ("open", "socket.connect", "subprocess.Popen", "os.mkdir"):
        opened.append((event, str(arguments[0])))
sys.addaudithook(audit)
import fastdl
ends = (".py", ".pyc", ".so", ".pyi", ".pth")
print([what for what in opened if not what[1].endswith(ends) and "__pycache__" not in what[1]])
"""


def test_no_files_but_its_modules_are_read():
    assert run_python(FILES) == "[]"


def test_the_estimators_say_what_they_need():
    run_python(
        "import sys; sys.modules['sklearn'] = None\n"
        "try: import fastdl.sklearn\n"
        "except ImportError as error: assert 'pip install' in str(error)\n"
        "else: raise AssertionError"
    )


TIMED = "import time; began = time.thread_time(); {}; print(time.thread_time() - began)"


@pytest.mark.alone
def test_the_import_takes_little_longer_than_that_of_numpy_and_scipy(tmp_path, monkeypatch):
    """In time of the thread, which busy neighbours do not lengthen; the first runs fill caches."""
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    codes = BASE, f"{BASE}; import fastdl"
    times = np.array([[float(run_python(TIMED.format(code))) for code in codes] for _ in range(3)])
    base, both = times.min(axis=0)
    assert both - base < 0.15


def test_no_warnings_at_import():
    run_python("import fastdl", "-W", "error")


def test_the_import_leaves_no_state_behind():
    """NumPy's errors and Ctrl-C are the user's own."""
    run_python(
        f"import signal; {BASE}; "
        "before = numpy.geterr(), signal.getsignal(signal.SIGINT), numpy.random.get_state()[1][0]; "
        "import fastdl; assert before == "
        "(numpy.geterr(), signal.getsignal(signal.SIGINT), numpy.random.get_state()[1][0])"
    )


def test_every_public_name_is_there_and_documented():
    assert len(fd.__all__) == len(set(fd.__all__))
    for name in fd.__all__:
        assert inspect.getdoc(getattr(fd, name)), name


@pytest.mark.parametrize("name", [n for n in fd.__all__ if inspect.isclass(getattr(fd, n))])
def test_every_public_method_is_documented(name):
    for attribute, value in vars(getattr(fd, name)).items():
        if not attribute.startswith("_") and (callable(value) or isinstance(value, property)):
            assert inspect.getdoc(getattr(getattr(fd, name), attribute)), attribute


@pytest.mark.parametrize("module", [fd.ops, fd.init, fd.schedules, fd.datasets])
def test_every_function_of_a_public_module_is_documented(module):
    names = getattr(module, "__all__", [n for n in vars(module) if not n.startswith("_")])
    for name in names:
        value = getattr(module, name)
        if inspect.isfunction(value) or inspect.isclass(value):
            assert inspect.getdoc(value), name


def test_the_version_is_that_of_the_package():
    assert fd.__version__ == importlib.metadata.version("fastdl")


def quarter_of_the_least():
    return float("2.2e-308") / 4


def test_denormal_numbers_still_exist_in_every_thread():
    """Code that was built with -ffast-math would flush them to zero for the whole process."""
    found = [quarter_of_the_least()]
    thread = threading.Thread(target=lambda: found.append(quarter_of_the_least()))
    thread.start()
    thread.join()
    assert found == [5.5e-309, 5.5e-309]
