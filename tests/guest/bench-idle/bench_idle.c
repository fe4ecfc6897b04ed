/* SPDX-License-Identifier: MIT
 *
 * bench_idle.c: hello that stays: what an idle VM costs its host is measured on it.
 */
#include <poll.h>
#include <unistd.h>

int main(void)
{
	static const char greeting[] = "Hello from Mayfly\n";

	if (write(STDOUT_FILENO, greeting, sizeof(greeting) - 1) < 0)
		return 1;
	for (;;)
		poll(NULL, 0, -1);
}
