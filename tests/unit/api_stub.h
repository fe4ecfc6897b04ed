/* SPDX-License-Identifier: MIT
 *
 * api_stub.h: a VM that is only a phase and a list of what was asked of it, for tests and fuzzers
 * of the API.
 */
#ifndef TESTS_UNIT_API_STUB_H
#define TESTS_UNIT_API_STUB_H

#include <stddef.h>

#include "monitor/api/vmm.h"

struct api_stub {
	enum vm_phase phase;
	int fail;	/* what the next call returns */
	char said[256]; /* the last call and what it was given */
	struct vm_config *cfg;
};

extern const struct api_vmm api_stub_vmm; /* ctx: a struct api_stub */
void api_stub_fini(struct api_stub *s);

#endif
