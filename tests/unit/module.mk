# Unit tests, one program per source or seam. Each entry: UNIT_TESTS += name, then name_SRCS and name_LIBS.

UNIT_TESTS += test_virtq
test_virtq_SRCS = tests/unit/test_virtq.c tests/unit/guest.c $(VIRTQ_SRCS) lib/log.c

UNIT_TESTS += test_mmio
test_mmio_SRCS = tests/unit/test_mmio.c tests/unit/guest.c $(VIRTQ_SRCS) lib/log.c
