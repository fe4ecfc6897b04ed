# Host helpers have no build of their own: programs name the sources they use. `make lint` has this check too.
.PHONY: format-check
format-check: ## clang-format would change nothing
	$(Q)clang-format --dry-run -Werror $(C_FILES)
