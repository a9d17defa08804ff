# `make help` lists what there is to make. What needs nothing but Python, a C compiler and make:
# `make experiments` and `make test`; each makes the virtual environment that it needs, from the
# interpreter that PYTHON names.

PYTHON ?= python3
JOBS ?= $(shell nproc)
SEEDS ?= 5
VENV ?= .venv
BIN = $(VENV)/bin
RECORDS = .benchmarks
UNDER = tests/sanitize/under
# What `make test PART=...` runs: the tests of some files, mirrored here by the tests' names.
tests = $(wildcard $(patsubst %,tests/test_%.py,$(1)))
PART_kernels = $(call tests,kernels lists ops losses reference promises memory golden)
PART_loops = $(call tests,epoch pace threads pairs processes changing_arrays golden)
PART_network = $(call tests,network layers init parameters summary evaluation gradcheck audit files bad_files)
PART_fit = $(call tests,trainer optim schedules callbacks resume history progress advice read_only golden)
PART_data = $(call tests,data inputs intake scaling bad_input) tests/datasets
PART_experiments = tests/experiments
PART_house = $(call tests,layering packaging setup import config hints refusals every_refusal bad_settings) tests/mutants
PARTS = kernels loops network fit data experiments house
# Not changing_arrays.py, whose other threads write to what is read: a race of the tests, on purpose.
THREADED = $(addprefix tests/test_,threads.py kernels.py epoch.py ops.py)
# Of memory first: two hours. What goes by the clock runs alone, afterwards.
ALONE = tests/test_processes.py tests/test_threads.py
FIRST = tests/test_memory.py
LONG = $(filter-out $(FIRST) $(ALONE),$(shell grep -rl 'nightly\.' tests --include='test_*.py'))
# What goes by the clock (the marker "alone") says nothing beside other tests; that or the size of a
# process, nothing where it is watched.
WATCHED = $(BIN)/python -m pytest -q -o timeout=3600 -m 'not alone' \
  -k 'not be_started and not stays_flat and not little_memory'
# Of what another build of the extensions can break; all that is in Python is the same in every build.
# Bounds are of arrays, other threads of whatever takes several: one build, with both, shows either.
COMPILED_checked = $(addprefix tests/test_,balance.py changing_arrays.py config.py epoch.py evaluation.py \
  golden.py kernels.py memory.py ops.py pace.py processes.py step.py stream.py threads.py trainer.py)
# What reads or writes memory that a caller handed over, in whichever extension.
COMPILED_address = $(sort $(COMPILED_checked) tests/datasets tests/test_losses.py $(addprefix tests/test_,bad_files.py \
  bad_input.py data.py files.py inputs.py intake.py own_loss.py promises.py read_only.py resume.py scaling.py))
COMPILED_clang = $(addprefix tests/test_,config.py golden.py kernels.py memory.py processes.py threads.py)
# Other builds of the package, in build/KIND/lib, which the tests take instead of the installed one.
BUILD_own = CC="$(CURDIR)/tests/cc_without_openmp" CFLAGS=-DFASTDL_NO_FUTEX
BUILD_checked = FASTDL_DEBUG=1 $(BUILD_own)
BUILD_clang = CC=clang
BUILD_gcc = CC=gcc
BUILD_address = FASTDL_SANITIZE=address,undefined
BUILD_thread = FASTDL_SANITIZE=thread
BUILD_thread_own = $(BUILD_thread) $(BUILD_own)
BUILD_emulated = CC=aarch64-linux-gnu-gcc
BUILD_avx512 = CC=gcc CFLAGS="-I$(CURDIR)/tests/emulated/avx512 -Wno-psabi"
TAKE = PYTHONPATH="$(CURDIR)/build/$(1)/lib"
# Environments in which a wheel is tried (tests/wheel.py): versions of Python, and the oldest packages.
OTHERS = oldest 3.12 3.13 3.13t
HERE = $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
SOURCES = pyproject.toml setup.py $(shell find src -name '*.py' -o -name '*.pyx' -o -name '*.p*[di]' -o -name '*.h' -o -name '*.c')

# The libraries beside which the pages are run by `make beside`.
BESIDE = torch keras river

# Systems for which the sources are compiled, by clang's names, and those whose tests an emulator runs.
CROSS = aarch64-macos x86_64-macos x86_64-windows-gnu x86_64-linux-musl
WRITTEN = $(addprefix build/release/src/fastdl/,_kernels.c _epoch.c)
# AVX-512 is emulated on a processor with AVX2 that has none.
AVX512 = $(if $(shell grep avx2 /proc/cpuinfo 2>/dev/null),$(if $(shell grep avx512bw /proc/cpuinfo),,emulated/avx512))
EMULATED = $(addprefix tests/test_,epoch.py network.py kernels.py ops.py losses.py)

.PHONY: help experiments reproduce test lint types suite variants cross linked emulated emulated/avx512 pythons beside wheels sanitize mutants nightly bench docs develop clean
.DEFAULT_GOAL := experiments

# The durations are of two cores, once the environment is there: a target's line after ##.
help: ## what there is to make; at once
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "parts: $(PARTS)"

experiments: $(VENV)/.experiments ## a quick look at every assignment, with a report; 4 to 6 minutes
	$(BIN)/python -m experiments run --all --quick --jobs $(JOBS)

# All of it on the real data, a mean and a deviation for every number; goes on where it was stopped.
reproduce: $(VENV)/.experiments ## all of it on the real data, five seeds; hours
	$(BIN)/python -m experiments run --all --seeds $(SEEDS) --jobs $(JOBS) --resume

ifndef PART
test: lint types suite ## what has to pass, 6 to 8 minutes; PART=kernels: some tests alone, on what `make develop` has
else ifeq ($(PART_$(PART)),)
$(error PART must be one of $(PARTS); got $(PART))
else
test: develop
	.venv-dev/bin/python -m pytest -q --numprocesses $(JOBS) --dist worksteal $(PART_$(PART))
endif

lint: $(VENV)/.dev ## ruff, cython-lint, codespell; 10 seconds
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cython-lint src
	$(BIN)/codespell src experiments tests bench docs README.md ARCHITECTURE.md CONTRIBUTING.md CHANGELOG.md

types: $(VENV)/.dev ## mypy, stubtest; half a minute
	$(BIN)/mypy
	$(BIN)/mypy --strict experiments
	$(BIN)/python -m mypy.stubtest --allowlist tests/stubtest_allow.txt fastdl._kernels fastdl._epoch

# As many at once as there are cores; then, with nothing beside it, what goes by the clock.
suite: $(VENV)/.dev ## the whole suite alone; 6 to 7 minutes
	$(BIN)/python -m pytest -q -m 'not alone' --numprocesses $(JOBS) --dist worksteal
	$(BIN)/python -m pytest -q -m alone

# The tests of the extensions again, on a build with bounds checks of a compiler without OpenMP (whose
# threads are our own) for a system without futexes, on one of clang where there is one, and those of
# AVX-512 under emulation where there is none, as many at once as there are cores.
variants: $(VENV)/.dev ## the extensions' tests with bounds checks and our own threads, of clang, of AVX-512; 4 to 6 minutes
	$(MAKE) --no-print-directory -O -j $(JOBS) variant/checked $(if $(shell command -v clang),variant/clang) \
	  $(AVX512)

variant/checked: TOLD = _kernels.DEBUG and not _kernels.OPENMP
variant/clang: TOLD = 'GCC' not in _kernels.OPENMP
variant/%: build/%/lib
	$(call TAKE,$*) $(BIN)/python -c "from fastdl import _kernels; assert $(TOLD)"
	$(call TAKE,$*) $(BIN)/python -m pytest -q -m 'not alone' -k 'not stays_flat' $(COMPILED_$*)

.PRECIOUS: build/%/lib
build/%/lib: $(SOURCES) | $(VENV)/.dev
	@echo "compiling into $@: about a minute"
	$(BUILD_$*) $(BIN)/python setup.py -q build --build-base build/$* --build-lib $@
	@touch $@

# That the C, and what Cython writes, compile without a warning for systems that are not here: all for each,
# without optimisation. Nothing runs.
cross: build/cross/.made $(VENV)/.dev ## the sources compiled for macOS, Windows and musl; half a minute
	$(BIN)/python setup.py -q --name > build/cross/setup.log # has Cython write what is old
	for system in $(CROSS); do printf "$$system %s\n" $(WRITTEN) $(shell find src/fastdl/c -name '*.c'); done \
	  | xargs -P $(JOBS) -L 1 tests/cross/compile build/cross/env/bin/python

# What `make cross` compiles, as modules of Python. The first time zig compiles a C library for Windows.
linked: cross ## the same linked as well; 3 minutes, then seconds
	printf '%s\n' $(CROSS) | xargs -P $(JOBS) -n 1 tests/cross/link build/cross/env/bin/python

build/cross/.made:
	$(PYTHON) -m venv build/cross/env
	build/cross/env/bin/pip install -q abi3info ziglang
	@touch $@

# The kernels and the loops on 64-bit ARM: built by Debian's cross compiler (gcc-aarch64-linux-gnu) and run by
# an emulator (qemu-user-static), in a Python of such a machine. An emulator shows results, not speed. Of the tests
# those that go through each instruction set, and of these NEON's: what NEON alone can break; and of a network all.
emulated: $(AVX512) build/emulated/lib build/emulated/.made ## the tests of kernels and loops on emulated ARM and AVX-512; some 15 minutes
	tests/emulated/run -c "from fastdl import _kernels; assert _kernels.ISA == 'neon'"
	printf '%s\n' $(EMULATED) | xargs -P $(JOBS) -n 1 \
	  tests/emulated/run -m pytest -q -p no:cacheprovider -o timeout=3600 -m 'not alone' -k 'neon or test_network'

# The same of AVX-512, whose instructions are put together from those of AVX2: see CONTRIBUTING.md.
emulated/avx512: build/avx512/lib
	$(call TAKE,avx512) $(BIN)/python -m pytest -q -p no:cacheprovider --numprocesses $(JOBS) --dist worksteal \
	  -m 'not alone' -k avx512 tests/test_golden.py $(EMULATED)

build/emulated/.made: tests/emulated/make | $(VENV)/.dev
	tests/emulated/make $(BIN)/pip > build/emulated.log
	@touch $@

# One wheel serves every Python from 3.11 on; what `make test` installs is that wheel. Here it is tried on
# the others, and with the oldest packages that pyproject.toml allows. A Python that is not there is told.
pythons: build/pythons/.made build/wheel/.made ## the wheel on other Pythons and on the oldest packages; 2 minutes
	$(BIN)/python tests/wheel.py try build/pythons build/wheel/*.whl $(OTHERS)

build/pythons/.made: pyproject.toml tests/wheel.py
	mkdir -p build/pythons
	$(PYTHON) tests/wheel.py make build/pythons $(OTHERS)
	@touch $@

# What goes between fastdl and others that are large: the code of the pages, networks from and to them, all in
# one process. BESIDE is what pip is asked for; PyPI's PyTorch for Linux brings gigabytes for GPUs.
beside: build/wheel/.made build/beside/.made ## pages and networks beside PyTorch, Keras and River; 3 to 5 minutes, and once a download
	build/beside/bin/pip install -q --no-deps --force-reinstall build/wheel/*.whl
	KERAS_BACKEND=torch build/beside/bin/python -m pytest -q $(call tests,docs interop river beside)

build/beside/.made: | build/wheel/.made
	$(PYTHON) -m venv build/beside
	build/beside/bin/pip install -q "$$(echo build/wheel/*.whl)[bench,onnx,sklearn]" onnxruntime pandas pytest-timeout \
	  hypothesis $(BESIDE)
	@touch $@

# What would be published: tested from the unpacked sdist, where there is no compiler. FASTDL_BESIDE names
# a folder of packages (PyTorch, say) beside which it is tried in one process.
wheels: $(VENV)/.dev ## an sdist and a wheel as they would be published, in build/dist; 5 minutes
	rm -rf build/dist && mkdir -p build/dist/sdist
	$(BIN)/python -m build -q --outdir build/dist/built
	PATH="$(abspath $(BIN)):$$PATH" auditwheel repair --strip --wheel-dir build/dist build/dist/built/*.whl
	test -z "$$(find build/dist/*.whl -size +4M)"
	tar xzf build/dist/built/*.tar.gz --strip-components=1 -C build/dist/sdist
	$(BIN)/python build/dist/sdist/tests/wheel.py make build/dist/env $(HERE)
	$(BIN)/python build/dist/sdist/tests/wheel.py try build/dist/env build/dist/*.whl $(HERE)

# The library's tests where AddressSanitizer and UndefinedBehaviorSanitizer watch the extensions, those
# of threads where ThreadSanitizer does, with OpenMP's threads and with our own, those of the kernels under valgrind: see CONTRIBUTING.md.
sanitize: build/address/lib build/thread/lib build/thread_own/lib ## the same where every access is watched; an hour
	$(call TAKE,address) $(UNDER) address $(WATCHED) $(COMPILED_address)
	$(call TAKE,thread) $(UNDER) thread $(WATCHED) $(THREADED)
	$(call TAKE,thread_own) $(UNDER) thread $(WATCHED) $(THREADED)
	if command -v valgrind > /dev/null; \
	then $(UNDER) valgrind $(WATCHED) tests/test_kernels.py; \
	else echo "no valgrind: the kernels' tests are not run under it"; fi

# Slips that a developer could make, planted one at a time in a copy of the repository in build/mutants:
# the test that is named beside each in tests/mutants/slips.toml has to fail. A quarter of an hour.
mutants: $(VENV)/.dev ## planted slips, each seen by its test; 15 minutes
	$(BIN)/python -m tests.mutants --jobs $(JOBS)

# The tests with their long counts, hours of them, JOBS files at once; what they tried becomes
# docs/reliability.md. The files of CIFAR-10 and MNIST are among them where FASTDL_DATA_DIR tells.
nightly: $(VENV)/.dev ## the tests with their long counts; hours
	mkdir -p build && rm -f build/nightly.jsonl
	$(MAKE) --no-print-directory -k -j $(JOBS) $(addprefix nightly/,$(FIRST) $(LONG))
	$(MAKE) --no-print-directory $(addprefix nightly/,$(ALONE))
	$(MAKE) --no-print-directory linked
	$(if $(wildcard build/beside/.made),$(MAKE) --no-print-directory beside)
	$(if $(AVX512),$(MAKE) --no-print-directory $(AVX512))
	$(if $(shell command -v qemu-aarch64-static),$(MAKE) --no-print-directory emulated)
	$(BIN)/python tests/reliability.py build/nightly.jsonl docs/reliability.md

nightly/%:
	FASTDL_NIGHTLY=1 FASTDL_NIGHTLY_REPORT="$(CURDIR)/build/nightly.jsonl" $(BIN)/python -m pytest -q $*

# Every kernel and every epoch beside NumPy: times, ratios, shares of sgemm's rate; fails where a ratio
# fell by more than a fifth since the last record.
bench: $(VENV)/.dev ## kernels and epochs beside NumPy; 5 minutes
	$(BIN)/python -m pytest bench -q --benchmark-enable --benchmark-only --benchmark-autosave \
	  --benchmark-storage=file://./$(RECORDS) --benchmark-columns=median,iqr,rounds
	$(BIN)/python bench/compare.py

# The site, in build/site, with notebooks that are run meanwhile; a warning is an error.
docs: $(VENV)/.docs ## the documentation as a site in build/site; 2 minutes
	$(BIN)/sphinx-build -q -W --keep-going -b html docs build/site

# An editable installation of its own; after a change of a .pyx, .pxd, .h or .c run it again.
develop: .venv-dev/.installed ## an editable installation, or what has changed of it; 2 minutes, then seconds
	.venv-dev/bin/python setup.py -q build_ext --inplace

.venv-dev/.installed: pyproject.toml
	test -x .venv-dev/bin/python || $(PYTHON) -m venv .venv-dev
	.venv-dev/bin/pip install -q --upgrade pip 'setuptools>=77' 'Cython>=3.2.2' 'scipy>=1.13'
	.venv-dev/bin/pip install -q --no-build-isolation -e '.[dev]'
	@touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade pip

$(VENV)/.experiments: $(SOURCES) | $(BIN)/python
	@echo "compiling and installing into $(VENV): about a minute"
	$(BIN)/pip install -q '.[experiments]'
	@touch $@

$(VENV)/.dev: build/wheel/.made
	@echo "installing into $(VENV): about a minute"
	$(BIN)/pip install -q "$$(echo build/wheel/*.whl)[dev]"
	$(BIN)/pip install -q --no-deps --force-reinstall build/wheel/*.whl
	@touch $@ $(VENV)/.experiments

$(VENV)/.docs: build/wheel/.made
	@echo "installing into $(VENV): about a minute"
	$(BIN)/pip install -q "$$(echo build/wheel/*.whl)[docs]"
	$(BIN)/pip install -q --no-deps --force-reinstall build/wheel/*.whl
	@touch $@

build/wheel/.made: $(SOURCES) | $(BIN)/python
	@echo "compiling a wheel: about a minute"
	rm -rf build/wheel build/lib.*
	$(BIN)/pip wheel -q --no-deps --wheel-dir build/wheel .
	@touch $@

clean: ## remove all that was made
	rm -rf .venv .venv-dev build results docs/api src/*.egg-info src/fastdl/*.so
