# The REST API against the real monitor; no KVM needed. Starts, pauses and snapshots are guest cases (tests/guest/api).
CHECKS += check-api
.PHONY: check-api
check-api: all ## the REST API: examples, mutations, HTTP, Firecracker's messages
	$(Q)O=$(O) tests/api/check.py
