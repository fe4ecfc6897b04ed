/* SPDX-License-Identifier: MIT
 *
 * fuzz_config.c: any bytes as a configuration file. What is accepted prints as JSON that is
 * accepted and prints the same again.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/config_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int decode(struct vm_config *cfg, const char *text, size_t len)
{
	struct errtext err = {.text = ""};

	config_init(cfg);
	if (config_json_decode(cfg, text, len, &err) == 0 && config_check(cfg, &err) == 0)
		return 1;
	if (err.text[0] == '\0')
		abort();
	for (const char *p = err.text; *p; p++)
		if (*p < ' ' || *p > '~')
			abort();
	return 0;
}

static char *print(const struct vm_config *cfg, size_t *ret_len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_len);

	if (!f || config_json_print(cfg, f) < 0 || fclose(f) != 0)
		abort();
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vm_config cfg;

	if (decode(&cfg, (const char *)data, size)) {
		size_t n1, n2;
		char *first = print(&cfg, &n1), *second;

		config_fini(&cfg);
		if (!decode(&cfg, first, n1))
			abort();
		second = print(&cfg, &n2);
		if (n1 != n2 || memcmp(first, second, n1) != 0)
			abort();
		free(first);
		free(second);
	}
	config_fini(&cfg);
	return 0;
}
