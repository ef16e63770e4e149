# On a fresh machine with python3 (3.11 to 3.14) and npm, `make run` serves and `make test` tests;
# both set up what they need first, and a second run finds it done.

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

# The type declarations of the client and the elements, and of the modules that those refer to; generated from JSDoc.
TYPES := roomcast.d.ts element.d.ts upload-drop.d.ts upload-progress-list.d.ts upload-progress.d.ts \
	bindings/react.d.ts bindings/snapshots.d.ts bindings/vue.d.ts \
	client/aggregate.d.ts client/connection.d.ts client/summary.d.ts client/upload.d.ts \
	sending/direct-upload.d.ts sending/file-sender.d.ts sending/transfer-meter.d.ts \
	protocol/errors.d.ts protocol/messages.d.ts \
	elements/connected-element.d.ts elements/list-options.d.ts elements/upload-element.d.ts \
	elements/upload-progress-list.d.ts elements/upload-progress.d.ts intake/upload-drop.d.ts \
	locale/ar.d.ts locale/create-locale.d.ts locale/de.d.ts locale/en.d.ts locale/es.d.ts locale/format.d.ts \
	locale/fr.d.ts locale/ja.d.ts shared/dom.d.ts
SCRIPTS := $(filter-out static/node_modules/% static/dist/%,$(wildcard static/*.js static/*/*.js static/*/*/*.js))
STYLES := $(wildcard static/*.css static/*/*.css static/*/*/*.css static/*/*.html)
# In a copy without the declarations of before, which tsc would read instead of the sources.
TSC := rm -rf build/types && mkdir -p build/types && tar cf - $(SCRIPTS) static/*.json | tar xf - -C build/types && \
	ln -s $(CURDIR)/tests/node/node_modules build/types/node_modules && \
	tests/node/node_modules/.bin/tsc -p build/types/static

.PHONY: setup run js test test-unit lint types docs docs-settings socketio-oldest bench bench-quick chaos flood fuzz clean constraints audit system corpus buildpacks

setup: .venv/.dev static/dist/manifest.json tests/node/node_modules/.done

run: .venv/.runtime static/dist/manifest.json
	@exec $(BIN)/roomcast serve

# One run of everything: the unit, integration, contract, end-to-end and browser tests; it says what CPU it took. Its two
# processes keep the tests' bytecode, or each would compile and rewrite all of them.
# `make test ARGS="-k cancel"` narrows it.
test: setup system corpus
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)
	$(if $(ARGS),,@$(MAKE) --no-print-directory socketio-oldest ARGS="-q -k roomcast")

# The pure tests alone, in less than ten seconds: no process, no network socket, few examples of each law.
test-unit: .venv/.dev
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest tests/unit -n 2 --hypothesis-profile=quick $(ARGS)

# python-socketio's documented API on the oldest release of it that is supported, which `make test` checks on the newest.
# The wheels lie before those of the environment; the warnings are about that release's client.
OLDEST := python-socketio==5.12.1 python-engineio==4.11.0
socketio-oldest: setup
	@grep -qsx '$(OLDEST)' build/socketio-oldest/.done || { rm -rf build/socketio-oldest && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target build/socketio-oldest $(OLDEST) && \
		echo '$(OLDEST)' > build/socketio-oldest/.done; }
	PYTHONPATH=build/socketio-oldest $(BIN)/python -m pytest tests/integration/socketio_api \
		-W ignore::DeprecationWarning -W ignore::ResourceWarning -W ignore::pytest.PytestUnraisableExceptionWarning $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@if command -v node >/dev/null; then \
		for file in $(SCRIPTS) static/build.mjs $(wildcard tests/node/*.mjs tests/e2e/seeds/*.mjs tests/bench/peer/*.mjs); do node --check $$file || exit 1; done; \
	else echo "Skipped: the syntax check of static/, because node is not installed."; fi
	@if [ -x tests/node/node_modules/.bin/tsc ]; then \
		$(TSC) || exit 1; \
		for file in $(TYPES); do diff -u static/$$file build/types/static/declarations/$$file || { echo "Try: make types"; exit 1; }; done; \
	else echo "Skipped: the types of static/, because npm is not installed."; fi

types: setup
	$(TSC)
	tar cf - -C build/types/static/declarations $(TYPES) | tar xf - -C static

# The pages of docs/ as a site, in docs/site. A link that leads nowhere is an error. Nothing is loaded from elsewhere.
docs: .venv/.dev
	rm -rf docs/site docs/.cache && $(BIN)/zensical build --strict --config-file docs/zensical.toml
	@! grep -rlE '<(script|link|img)[^>]* (src|href)="?https?:' docs/site || { echo "These pages load something from elsewhere."; exit 1; }

docs-settings: setup
	$(BIN)/python -m tests.support.settings_page

# Beside Node's Socket.IO and @tus/server, which npm installs, pyvips, and HandBrakeCLI where that is installed.
# `make bench ARGS="--only fanout"` narrows it.
bench: setup
	$(BIN)/python -m tests.bench $(ARGS)

bench-quick: setup
	$(BIN)/python -m tests.bench --quick $(ARGS)

# A thousand faults in half an hour, counted at the end. `make chaos ARGS="--seed 7"` repeats a run.
chaos: setup system
	$(BIN)/python -m tests.chaos $(ARGS)

# Honest clients beside hostile ones of every kind. `make flood ARGS="--only slow_bodies"` narrows it.
flood: setup
	$(BIN)/python -m tests.chaos.flood $(ARGS)

# Every parser against inputs made of seeds, tokens and random bytes; one that breaks a law is saved as a new seed.
# `make fuzz ARGS="--seconds 60 --only form"` narrows and lengthens it.
fuzz: setup
	$(BIN)/python -m tests.fuzz $(ARGS)

# Builds what is committed as Heroku's buildpacks do, and runs it. Takes a minute and some hundred megabytes.
buildpacks:
	$(PYTHON) deploy/try_buildpacks.py $(ARGS)

# What only the tests want from the system (of Chromium the headless shell, which takes a quarter less CPU). Root on Debian gets it installed; anybody else is told what is skipped.
system:
	@missing=""; PATH="$$PATH:/usr/sbin"; \
	for package in redis-server nginx haproxy caddy; do \
		command -v $$package >/dev/null || missing="$$missing $$package"; \
	done; \
	command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null || \
		missing="$$missing chromium-headless-shell"; \
	command -v bwrap >/dev/null || missing="$$missing bubblewrap"; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing$$missing from Debian."; export DEBIAN_FRONTEND=noninteractive; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing && exit 0; \
		echo "That did not work."; \
	fi; \
	echo "Skipped: the tests that need$$missing, because it is not installed."

# Real pictures and clips out of other packages; without them the tests that want them are skipped, and say so.
corpus: setup
	@$(BIN)/python -m tests.support.corpus || true

# What is installed has one of the hashes that these files name. Then the project itself, by what was installed with it.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Stamps: the newest of a stamp's sources decides whether its work is done again.
.venv/.runtime: pyproject.toml requirements.txt | $(BIN)/python
	$(PIP) --require-hashes -r requirements.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --require-hashes -r constraints.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@ .venv/.runtime

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { \
		echo "Roomcast needs Python 3.11, 3.12, 3.13 or 3.14; $(PYTHON) is not one of them. Try: make $(MAKECMDGOALS) PYTHON=python3.12"; \
		exit 1; }
	$(PYTHON) -m venv .venv

static/node_modules/.done: static/package.json static/package-lock.json
	@if command -v npm >/dev/null; then npm ci --loglevel=error --prefix static && touch $@; \
	else echo "Skipped: static/node_modules, because npm is not installed. The page takes its Socket.IO client from a CDN instead."; fi

# The bundle of the pages and of the client's modules, without which these are served one by one.
static/dist/manifest.json: static/node_modules/.done static/build.mjs $(SCRIPTS) $(STYLES)
	@if [ -d static/node_modules/esbuild ]; then npm run --silent --prefix static build -- pages && touch $@; fi

# The npm package, in build/npm, and the bundle of the pages.
js: static/node_modules/.done
	npm run --silent --prefix static build

# What lint and the tests take from npm.
tests/node/node_modules/.done: tests/node/package.json tests/node/package-lock.json
	@if command -v npm >/dev/null; then npm ci --loglevel=error --prefix tests/node && touch $@; \
	else echo "Skipped: tests/node/node_modules, because npm is not installed."; fi

# Pins what pyproject.toml asks for, with the hashes of all files of each release: everything in constraints.txt, what
# runs and what installs the project in requirements.txt. Versions that still fit stay; `make constraints ARGS=--upgrade`
# resolves everything anew.
COMPILE := UV_CUSTOM_COMPILE_COMMAND='make constraints' build/tools/bin/uv pip compile --quiet --universal \
	--python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links
constraints: build/tools/.uv
	$(COMPILE) $(ARGS) --all-extras --output-file constraints.txt pyproject.toml
	printf 'hatchling\n' | $(COMPILE) -c constraints.txt --output-file requirements.txt pyproject.toml -

# Known vulnerabilities of what is pinned. A registry that cannot be asked is skipped, and named.
audit: build/tools/.pip-audit
	$(PYTHON) deploy/audit.py

build/tools/.%:
	$(PYTHON) -m venv build/tools && build/tools/bin/python -m pip install --quiet --disable-pip-version-check $*
	@touch $@

# Leaves ./data alone: that is people's media.
clean:
	rm -rf .venv build docs/site docs/.cache *.egg-info static/dist static/node_modules tests/node/node_modules tests/bench/peer/node_modules bench.json .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
