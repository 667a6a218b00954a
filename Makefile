# Everything that is more than a line lies in tests/tools and tests/testbed.
PYTHON ?= python3
GUESTS ?= debian
SESSION ?= default
KEEP ?=
TARGETS ?=
ARGS ?=
TOOLS = $(PYTHON) tests/tools
TESTBED = $(PYTHON) tests/testbed/testbed.py --session $(SESSION)

.DEFAULT_GOAL := help
.PHONY: help run test lint units kernel xenstore libvirt sanity integration docs bench build clean distclean \
        guest-build guest-start guest-list guest-enter guest-console guest-inventory guest-stop

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' Makefile

run: ## show it at work: quickstart.yml on a real guest, quickstart_lab.yml here, each twice (KEEP=1 leaves both)
	@$(TOOLS) run $(if $(KEEP),--keep) $(GUESTS)

test: ## all checks, those in the guest beside the others; the last line counts them
	@$(TOOLS) test

lint: ## ruff, mypy, yamllint, ansible-lint, antsibull
	@$(TOOLS) lint

units: ## pytest of tests/unit: nothing but Python
	@$(TOOLS) units

kernel: ## pytest of tests/kernel: this machine's kernel, and beside it the guest's
	@$(TOOLS) kernel

xenstore: ## pytest of tests/xenstore: the stock XenStore daemons, and dom0 of a real Xen
	@$(TOOLS) xenstore

libvirt: ## pytest of tests/libvirt: libvirt's test driver, and a libvirtd with QEMU
	@$(TOOLS) libvirt

sanity: ## ansible-test sanity, every test, every interpreter found
	@$(TOOLS) sanity

integration: ## targets in a namespace here and on the guest (TARGETS="a b" for some)
	@$(TOOLS) integration $(TARGETS)

docs: ## the collection's documentation as HTML
	@$(TOOLS) docs

bench: ## compare speed and memory with other tools (ARGS="--help" for its options)
	@$(TOOLS) bench $(if $(ARGS),-- $(ARGS))

build: ## the collection as an archive in dist/
	@$(TOOLS) build

guest-build: ## build the guests' images that are not built yet
	@$(TOOLS) prepare
	@$(TESTBED) build $(GUESTS)

guest-start: ## start guests and wait until they can be used (GUESTS=debian, SESSION=default)
	@$(TOOLS) prepare
	@$(TESTBED) start $(GUESTS)

guest-list: ## list the running guests
	@$(TESTBED) list

guest-enter: ## log in to a guest
	@$(TESTBED) enter $(firstword $(GUESTS))

guest-console: ## print a guest's console
	@$(TESTBED) console $(firstword $(GUESTS))

guest-inventory: ## print the running guests as an Ansible inventory
	@$(TESTBED) inventory

guest-stop: ## stop the session's guests
	@$(TESTBED) stop

clean: ## stop all guests; remove logs, copies and archives, keep what is slow to make
	@$(TESTBED) stop --all
	@rm -rf dist .cache/logs .cache/tree .cache/docs

distclean: clean ## also remove the virtual environment and the images
	@rm -rf .cache
