# Everything below needs only python3, make and pip; .venv is made when it is missing. The
# demonstration needs less than the tests, and gets it in two thirds of the time

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

.PHONY: demo test test-avx2 test-without-numba test-all check check-ptx format bench docs fuzz dist clean

demo: $(VENV)/installed-for-demo
	$(BIN)/python examples/demo.py

test: $(STAMP)
	$(BIN)/python -m pytest -n auto

# The kernels once more, as compiled for processors whose vectors are half as long as here, perhaps
test-avx2: $(STAMP)
	NUMBA_CPU_NAME=haswell NUMBA_CPU_FEATURES= $(BIN)/python -m pytest -n auto \
	    tests/laws tests/reference tests/density tests/direct tests/kernels

# The calculations with kernels as machine code that is loaded without numba: it cannot be imported
test-without-numba: $(STAMP)
	$(BIN)/friedel warmup
	FRIEDEL_TEST_WITHOUT_NUMBA=1 $(BIN)/python -m pytest -n auto tests/density/test_density.py \
	    tests/direct/test_direct.py tests/structure_factors/test_calculator.py \
	    tests/scaling/test_scaling_targets.py tests/fmodel/test_fmodel.py

# In both ways to run kernels; every process compiles what it calls where numba itself runs them
test-all: test test-without-numba
	FRIEDEL_KERNELS=numba $(BIN)/python -m pytest -n auto tests/laws tests/reference tests/density \
	    tests/direct tests/kernels tests/structure_factors tests/scaling tests/fmodel

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The kernels for GPUs, compiled without a GPU; the compiler takes 150 MB in an environment of its own
check-ptx:
	test -x build/ptx/bin/python || $(PYTHON) -m venv build/ptx
	build/ptx/bin/pip install --quiet --editable . \
	    numba-cuda nvidia-cuda-nvcc-cu12 nvidia-cuda-nvrtc-cu12
	build/ptx/bin/python tools/check_ptx.py

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python benchmarks/fcalc.py --plot docs/measured/fcalc.png | tee docs/measured/fcalc.txt
	$(BIN)/python benchmarks/gradients.py | tee docs/measured/gradients.txt
	$(BIN)/python benchmarks/scaling.py | tee docs/measured/scaling.txt
	$(BIN)/python benchmarks/accuracy.py --cases all | tee docs/measured/accuracy.md
	$(BIN)/python benchmarks/smooth_mask.py | tee docs/measured/smooth_mask.txt
	$(BIN)/python examples/structures.py docs/_build/structures
	$(BIN)/friedel fcalc docs/_build/structures/1orc.pdb --dmin 1.5 \
	    --plot-cost docs/measured/cost.png --overwrite

# The examples of the pages are run: they need the structures that examples/structures.py gets by pip
docs: $(STAMP)
	$(BIN)/pip install --quiet --editable ".[docs]"
	$(BIN)/python examples/structures.py docs/_build/structures
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html
	$(BIN)/python -m pytest docs/test_pages.py

# 20,000 damaged files, perturbed fits, wrong arrays and options. The seed of the first can be given,
# as in make fuzz FIRST=20000; FIRST=nightly takes a new one each day
fuzz: $(STAMP)
	$(BIN)/python tests/fuzz.py 20000 $(or $(FIRST),0) $(KINDS)

# A wheel without machine code, an sdist, and on Linux on x86-64 a wheel that contains the machine code
# of all kernels. What is installed from each must work by itself, in an environment of its own
dist: $(STAMP)
	rm -rf dist build/dist-check
	$(BIN)/pip install --quiet build wheel
	$(BIN)/python -m build --quiet --outdir dist
	if [ "`uname -sm`" = "Linux x86_64" ]; then \
	    $(BIN)/python tools/platform_wheel.py dist/*-py3-none-any.whl; \
	fi
	for package in dist/*.whl dist/*.tar.gz; do \
	    $(PYTHON) -m venv --clear build/dist-check && \
	    build/dist-check/bin/pip install --quiet "$$package[plot]" && \
	    (cd build && dist-check/bin/friedel --version && \
	     dist-check/bin/friedel fcalc ../examples/quartz.cif --hkl 1,0,1) || exit 1; \
	    case $$package in *manylinux*) \
	        build/dist-check/bin/python -P tools/check_platform_wheel.py || exit 1;; \
	    esac; \
	done

$(STAMP): EXTRAS = dev
$(VENV)/installed-for-demo: EXTRAS = plot,fft
$(STAMP) $(VENV)/installed-for-demo: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "pip installs friedel and the packages that it needs in $(VENV), once: a minute or two"
	$(BIN)/pip install --quiet --editable ".[$(EXTRAS)]"
	touch $@

clean:
	rm -rf $(VENV) docs/_build docs/api demo-output fuzz-output dist build
