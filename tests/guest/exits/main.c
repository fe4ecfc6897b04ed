/* SPDX-License-Identifier: MIT
 *
 * Ends in the way that the argument names; the cases know the status.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "../check.h"

static void at_exit(void)
{
	puts("atexit ran");
}

__attribute__((destructor)) static void destructor(void)
{
	puts("destructor ran");
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "return";
	int status = argc > 2 ? atoi(argv[2]) : 0;

	atexit(at_exit);
	printf("%s without newline", how);
	if (!strcmp(how, "exit"))
		exit(status);
	if (!strcmp(how, "_exit"))
		_exit(status);
	if (!strcmp(how, "abort"))
		abort();
	if (!strcmp(how, "term"))
		raise(SIGTERM);
	if (!strcmp(how, "kill"))
		kill(getpid(), SIGKILL);
	return status;
}
