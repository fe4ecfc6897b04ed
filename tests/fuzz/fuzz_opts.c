/* SPDX-License-Identifier: MIT
 *
 * fuzz_opts.c: any lines as the words of a command line. Configuration files are not opened: a word
 * that names one would make the result depend on the machine.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/opts.h"

#define WORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_printable(const char *text)
{
	if (text[0] == '\0')
		abort();
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			abort();
}

/* The kernel of OPTS_WAIT and OPTS_STANDBY is still to come, a restored VM (rebind) has none, and
 * OPTS_CHECK_HOST looks at no configuration. */
static void is_runnable(const struct vm_config *cfg, int action)
{
	if ((action == OPTS_RUN || action == OPTS_ANSWER) && !cfg->kernel && !cfg->rebind)
		abort();
	if (cfg->mem % 4096 || cfg->mem < CONFIG_MEM_MIN || cfg->mem > CONFIG_MEM_MAX)
		abort();
}

static void run(int argc, char *const argv[])
{
	static struct vm_config cfg;
	struct errtext err = {.text = ""};
	struct opts opts;
	int r = opts_parse(argc, argv, &cfg, &opts, &err);

	if (r < 0)
		is_printable(err.text);
	else if (!opts.help && !opts.version)
		is_runnable(&cfg, r);
	config_fini(&cfg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *save = NULL;
	char *argv[WORDS_MAX + 1] = {(char[]){"mayfly-monitor"}};
	int argc = 1;

	memcpy(text, data, size);
	text[size] = '\0';
	for (char *w = strtok_r(text, "\n", &save); w && argc < WORDS_MAX;
	     w = strtok_r(NULL, "\n", &save)) {
		if (strncmp(w, "--config-file", 13) == 0)
			continue;
		argv[argc++] = w;
	}
	run(argc, argv);
	free(text);
	return 0;
}
