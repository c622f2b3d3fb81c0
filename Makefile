# Verbs only; what they do, and why, is written in scripts/.
.DEFAULT_GOAL := help
.PHONY: help setup setup-tests install installcheck demo demo-stop page docs test test-majors lint unit regress isolation examples cluster bench soak deb image dist test-packages clean

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1	\2/p' Makefile | expand -t 22

setup: ## install what is missing to build and test (Debian, Ubuntu)
	scripts/setup

setup-tests: ## the same, and what the tests need
	scripts/setup tests

install: setup ## build with optimisations and install into PostgreSQL (PG_CONFIG chooses which)
	scripts/install

installcheck: ## regress tests against the running server of PGHOST and PGPORT
	scripts/sql-tests --running regress

demo: install ## play through a whole product in psql, on a private server
	scripts/demo

demo-stop: ## stop the demo's server and remove it
	scripts/server stop demo

page: install ## the settings page in a browser, on a private server
	scripts/page

test: ## set up, then every check and test
	scripts/test

test-majors: ## the same, and every test on each of PostgreSQL 15 to 18
	scripts/test --all

docs: ## write docs/reference, comments and grants from the descriptions of the functions
	scripts/reference

lint: ## format, clippy, shellcheck
	scripts/lint

unit: ## tests of pure logic, without a server
	scripts/rust-tests unit

regress: install ## SQL tests
	scripts/sql-tests regress

isolation: install ## tests with concurrent sessions
	scripts/sql-tests isolation

examples: install ## the example systems, each from empty database to refused token
	scripts/sql-tests examples

cluster: setup-tests install ## tests with real servers: crashes, standbys, poolers, clients, dumps
	scripts/rust-tests cluster

bench: install ## measure, and write the numbers to bench/RESULTS.md
	scripts/bench-usage
	scripts/bench-hours
	scripts/bench-bytes
	scripts/bench-policy
	scripts/bench-churn
	scripts/bench-cold
	scripts/bench-first-call
	scripts/bench-derived
	scripts/bench-enforce
	scripts/bench-long-transaction
	scripts/bench-pages
	scripts/bench-reports
	scripts/bench-logs
	scripts/bench-readers
	scripts/bench-growth
	scripts/bench

soak: setup-tests install ## the long forms of the stress tests; fuzzing, random queries, instruction counts
	TOKENAUTH_SOAK=1 scripts/rust-tests cluster
	scripts/fuzz
	scripts/sqlsmith
	scripts/memcheck
	scripts/side-channels >/dev/null

deb: setup ## Debian packages in target/dist, for each PostgreSQL here or that of PG_CONFIG
	scripts/deb

image: ## images of these packages: a demo server, and the extension for CloudNativePG
	scripts/image

dist: ## the archive for PGXN, the list of materials and the sums, beside the packages
	scripts/dist

test-packages: ## try packages and images of every major in systems that have nothing else
	scripts/test-packages

clean: ## remove everything built, and the demo's server
	scripts/clean
