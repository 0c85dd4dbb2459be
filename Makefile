PYTHON ?= python3

.PHONY: demo lab test test-long lint build-js
demo lab test test-long lint build-js:
	@$(PYTHON) dev.py $@
