# Every target that needs Python first makes .venv from Pipfile.lock (bin/setup): `deps` with
# what trains and serves, `test-deps` with what tests and checks need as well.

.DEFAULT_GOAL := help
.PHONY: help deps venv test-deps new import remove model retrain serve serve_docker deploy_model deploy_infra check check-data ingest query score airflow airflow-test rehearse run test test-all lint lock lock-check bench bench-quick bulk runtimes machines tables first systems stress growth overload swaps races drain ingest-kills log-kills log-figures signals audit siege pictures lighthouse chaos contract fuzz clients languages docs docs-check notebooks site clean upgrade

python := .venv/bin/python

chosen := $(if $(model),export DEFAULT_MODEL="$$model";)

# What make puts into the environment is not for the tests, and they start much sooner when
# Python may keep what it compiles.
tested := unset MAKEFLAGS MAKELEVEL MFLAGS PYTHONDONTWRITEBYTECODE

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z_-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' makefile

run: deps  ## Serve on this machine, training first where no version is: make run model=credit
	@$(chosen) $(python) build_model.py --if-absent && exec $(python) app.py

test: test-deps  ## Run the everyday tests, in a few minutes: make test args="-k schema"
	@$(tested); exec $(python) -m pytest -m "not slow" $(args)

test-all: test-deps  ## Run every test, with more made-up inputs, in half an hour: make test-all args=-x
	@$(tested); CI=true exec $(python) -m pytest $(args)

model: deps  ## Train and store a version: make model name=credit data=FILE promote=if-better
	@exec $(python) build_model.py $(if $(name),"$$name") $(if $(data),--data="$$data") \
		$(if $(promote),--promote="$$promote") $(if $(importances),--importances="$$importances") \
		$(if $(version),--version="$$version")

new: deps  ## Write a model file from a table, and train it: make new name=churn from=FILE target=Churn
	@exec $(python) build_model.py "$$name" --from="$$from" $(if $(target),--target="$$target") \
		$(if $(table),--table="$$table") $(if $(filter-out no,$(overwrite)),--overwrite) $(if $(seed),--seed="$$seed") \
		$(if $(estimator),--estimator="$$estimator") $(if $(minutes),--minutes="$$minutes")

remove: deps  ## Remove a model's file, sample and tests; git keeps them: make remove name=credit
	@exec $(python) bin/remove.py "$$name" $(if $(filter-out no,$(yes)),--yes) \
		$(if $(filter-out no,$(versions)),--versions)

import: deps  ## Make a version of a fitted model: make import name=churn file=FILE data=TABLE target=Churn
	@exec $(python) build_model.py "$$name" --import="$$file" $(if $(data),--data="$$data") \
		$(if $(target),--target="$$target") $(if $(filter-out no,$(trust)),--trust="$$trust") \
		$(if $(promote),--promote="$$promote") $(if $(importances),--importances="$$importances") \
		$(if $(version),--version="$$version")

retrain: deps  ## Train on fresh data, promote what is better: make retrain model=beers version=v3 data=FILE
	@exec $(python) build_model.py $(if $(model),"$$model") --promote="$${promote:-if-better}" \
		$(if $(version),--version="$$version") $(if $(data),--data="$$data")

serve: deps  ## Serve a version here, promoted or not: make serve model=beers version=v3
	@$(python) -m flask models deploy "$$model" "$$version" .served && \
		MODEL_STORE=.served DEFAULT_MODEL="$$model" exec $(python) app.py

serve_docker:  ## Serve in a container of Docker or podman, read only, in 256 MB: make serve_docker port=8090
	@PORT="$${port:-8090}" exec deploy/docker/run_docker.sh

deploy_model: deps  ## Put a version into service: make deploy_model model=beers version=v3 to=heroku
	@exec bin/deploy_model "$$model" "$$version" "$$to"

deploy_infra:  ## Make what AWS needs, with Terraform: make deploy_infra stage=prd args=-destroy
	@exec bin/deploy_infra "$${stage:-dev}" $(args)

check: deps  ## Check your model files in seconds, all or one of them: make check name=credit
	@exec $(python) test_model.py $(if $(name),"$$name")

score: deps  ## Answer a table of any size, on all cores: make score model=credit from=FILE to=FILE
	@exec $(python) -m jobs.score "$$model" "$$from" "$$to" $(if $(version),--version="$$version") \
		$(if $(rejected),--rejected="$$rejected") $(if $(workers),--workers="$$workers") \
		$(if $(scheduler),--scheduler="$$scheduler") $(if $(filter-out no,$(restart)),--restart)

check-data: deps  ## Check a table by a model's rules: make check-data name=credit data=FILE report=check.html
	@exec $(python) -m jobs.check "$$name" $(if $(data),--data="$$data") \
		$(if $(report),--report="$$report") $(if $(rejected),--rejected="$$rejected")

ingest: deps  ## Bring a source into the lake: make ingest model=beers since=2026-01-01 until=2026-02-01
	@exec $(python) -m jobs.ingest "$$model" $(if $(since),--since="$$since") \
		$(if $(until),--until="$$until") $(if $(sources),--sources="$$sources")

query: deps  ## Ask the lake in SQL: make query sql="select count(*) from beers"
	@exec $(python) -m jobs.query "$$sql" $(if $(filter-out no,$(csv)),--csv)

airflow: deps  ## Run the DAGs of all models, with pages at port 8080; installs Airflow first
	@exec deploy/airflow/run standalone

airflow-test: test-deps  ## Let a scheduler run every DAG once, and two dates of a backfill
	@exec $(python) -m tests.deploy.scheduler

rehearse: test-deps  ## Deploy to stand-ins of each platform, and count what is lost: make rehearse only=image
	@exec $(python) -m tests.deploy.rehearsals $(if $(only),"$$only") $(args)

deps:  ## Install what trains and serves into .venv, as locked: PYTHON=python3.12 make deps
	@bin/setup

venv: deps  ## The same as deps

test-deps:  ## Install what tests, checks and benchmarks need as well
	@bin/setup tests

lint: test-deps  ## Check style, traps and types (ruff, mypy)
	@exec $(python) -m nox -s lint types

lock:  ## Lock the newest versions that Pipfile allows, and export the requirements files
	@bin/setup pipenv
	@.setup/pipenv/bin/python bin/lock.py

lock-check:  ## Check that Pipfile, Pipfile.lock and the requirements files agree
	@bin/setup pipenv
	@.setup/pipenv/bin/python bin/lock.py --check

bench: test-deps  ## Compare with other servers, in an hour; write the page: make bench args="--rounds 3"
	@$(python) -m benchmarks.compare $(args)

bench-quick: test-deps  ## Compare with FastAPI + ONNX and the in-process floor; only print
	@$(python) -m benchmarks.compare --quick $(args)

bulk: test-deps  ## Tell what a row costs in each form of many records: make bulk args="--rows 100000"
	@$(python) -m benchmarks.bulk $(args)

runtimes: test-deps  ## Compare exact, onnxruntime and scikit-learn on one core: make runtimes args="--rounds 3"
	@$(python) -m benchmarks.runtimes $(args)

machines: test-deps  ## Compare the bits that gcc, zig and an emulated arm64 answer: make machines records=5000
	@MACHINE_RECORDS=$(or $(records),20000) $(python) -m pytest -n 0 --no-skips tests/runtime/test_exact_machines.py

tables: test-deps  ## Compare the first models of many tables with a tuned reference; write the page
	@$(python) -m benchmarks.first_models $(args)

first: test-deps  ## Count the lines of a first API with each tool, and run it: make first args="--only mlflow"
	@$(python) -m benchmarks.first $(args)

systems: test-deps  ## Train, serve, ask, score and retrain the five models: make systems args=--samples
	@$(python) -m benchmarks.systems $(args)

stress: test-deps  ## Ask the service 50,000 times in 45 seconds, twice: make stress model=delay args=--write
	@$(python) -m benchmarks.stress $(if $(model),--model="$$model") $(args)

growth: test-deps  ## Measure how a prediction's cost grows: make growth args=--write
	@$(python) -m benchmarks.growth $(args)

overload: test-deps  ## Ask four times what the service can answer: make overload args="--seconds 20"
	@$(python) -m benchmarks.overload $(args)

swaps: test-deps  ## Promote versions under load; none may lose a request: make swaps args="--swaps 100"
	@$(python) -m benchmarks.swaps $(args)

drain: test-deps  ## Stop 1,000 services under load; no request may be lost: make drain rounds=100
	@DRAIN_ROUNDS=$(or $(rounds),1000) $(python) -m pytest -n 0 tests/whole/test_drain.py

ingest-kills: test-deps  ## Kill ingestion at 50 random moments; nothing may be lost: make ingest-kills rounds=10
	@INGEST_KILLS=$(or $(rounds),50) $(python) -m pytest -n 0 -s tests/jobs/test_ingest_kills.py

log-kills: test-deps  ## Kill what logs predictions 1,000 times on each database: make log-kills rounds=100
	@LOG_KILLS=$(or $(rounds),1000) $(python) -m pytest -n 0 -s tests/monitoring/test_drain.py -k killed

log-figures: test-deps  ## Measure the prediction log, at so many rows: make log-figures rows=10000000
	@$(python) -m benchmarks.log_figures $(if $(rows),--rows $(rows)) $(args)

signals: test-deps  ## Reload, stop, kill and upgrade under load, 100 times each: make signals rounds=25
	@SIGNAL_ROUNDS=$(or $(rounds),100) $(python) -m pytest -n 0 tests/whole/test_signals.py \
		tests/whole/test_gunicorn_upgrades.py tests/whole/test_kills.py

chaos: test-deps  ## Let faults happen at random under load; none may show: make chaos minutes=30 seed=7
	@$(python) -m tests.chaos $(if $(minutes),--minutes $(minutes)) $(if $(seed),--seed $(seed)) $(args)

audit: test-deps  ## Compare the service with independent pipelines, in half an hour: make audit args="--every 10"
	@$(python) -m tests.audit $(args)

pictures: test-deps  ## Look at every page in all widths, themes and languages; pictures in .bench/pages
	@ALL_PICTURES=yes $(python) -m pytest -n 0 --no-skips tests/pages/test_every_page.py

lighthouse: test-deps  ## Let Lighthouse judge every page; needs Node, whose npm fetches it
	@$(python) -m tests.pages.lighthouse

siege: test-deps  ## Attack a service of 512 MB beside a good client: make siege args="--only JSON"
	@$(python) -m tests.siege $(args)

races: test-deps  ## Let two trainers publish at once 1,000 times, in a folder and a bucket: make races rounds=100
	@RACE_ROUNDS=$(or $(rounds),1000) $(python) -m pytest -n 0 tests/attacks/test_store_races.py

contract: test-deps  ## Ask the whole API by its description, 17,000 times: make contract examples=100
	@$(python) -m tests.attacks.contract $(or $(examples),30)

fuzz: test-deps  ## Send 20,000 made-up requests, damage 1,000,000 model files: make fuzz requests=1000
	@FUZZ_REQUESTS=$(or $(requests),20000) FUZZ_MUTATIONS=$(or $(mutations),1000000) \
		$(python) -m pytest -n 0 -s tests/attacks/test_fuzz.py tests/runtime/test_exact_fuzz.py

clients: test-deps  ## Ask the service through the clients of other servers: make clients args=triton
	@$(python) build_model.py credit --if-absent && exec $(python) -m benchmarks.clients.run_all $(args)

languages: test-deps  ## Add new texts to engine/languages, drop old ones, compile: make languages args=--check
	@$(python) bin/catalogue.py $(args)

docs: deps  ## Write the generated pages of docs/
	@$(python) docs/generate.py

docs-check: deps  ## Check that the generated pages of docs/ are up to date
	@$(python) docs/generate.py --check

notebooks: test-deps  ## Run the notebooks on samples or on real tables, into pages: make notebooks data=FOLDER
	@cd docs/notebooks && for script in *.py; do \
		NOTEBOOK_DATA="$(data)" ../../$(python) -m jupytext --to ipynb -o - $$script | \
		../../$(python) -m nbconvert --stdin --to markdown --execute --output $${script%.py} || exit; done

site: test-deps  ## Build the documentation as a site with a search, in .site
	@NO_MKDOCS_2_WARNING=1 exec $(python) -m mkdocs build --quiet --strict

clean:  ## Remove .venv, .setup, .bench, .served, .site, .fixtures and caches; artifacts/ stays
	@rm -rf .venv .setup .bench .served .site .ruff_cache .mypy_cache .pytest_cache .hypothesis .fixtures
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

upgrade:  ## Bring a newer release of the template: make upgrade from=FOLDER version=0.7.0
	@python=$$(bin/setup python) || exit 1; exec "$${python#*: }" bin/upgrade.py \
		$(if $(from),--from="$$from") $(if $(version),--version="$$version") \
		$(if $(contract),--contract="$$contract") $(if $(look),--look) $(if $(continue),--continue) \
		$(if $(undo),--undo) $(if $(filter no,$(checks)),--no-checks)
