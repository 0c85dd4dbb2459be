PYTHON ?= python3

.PHONY: demo lab test test-long lint build-js docs
demo lab test test-long lint build-js docs:
	@$(PYTHON) dev.py $@
