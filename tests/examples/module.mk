# Tests of the example programs as Linux processes: parsers by Criterion and libFuzzer, the servers by real clients.
UNIT_TESTS += test_http_parse test_kv_store
test_http_parse_SRCS := tests/examples/test_http_parse.c examples/httpd/http_parse.c examples/httpd/http_path.c \
	examples/httpd/http_date.c
test_kv_store_SRCS := tests/examples/test_kv_store.c examples/kv/store.c examples/kv/index.c

FUZZERS += fuzz_http
fuzz_http_SRCS := tests/examples/fuzz_http.c examples/httpd/http_parse.c examples/httpd/http_path.c \
	examples/httpd/http_date.c

CHECKS += check-examples
.PHONY: check-examples
.SECONDEXPANSION:
check-examples: $$(EXAMPLES_NATIVE) ## the examples as Linux processes, against curl and wrk
	$(Q)python3 tests/examples/check.py $(O)/examples/native
