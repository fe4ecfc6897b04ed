/* SPDX-License-Identifier: MIT
 *
 * hello.c: the smallest program worth booting. Writes the greeting and its arguments with one
 * system call; no stdio, so that the image shows what the library OS itself costs.
 */
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_WORDS 32

static char greeting[] = "Hello from Mayfly", blank[] = " ", newline[] = "\n";

int main(int argc, char **argv)
{
	struct iovec iov[2 * MAX_WORDS + 2] = {{greeting, sizeof(greeting) - 1}};
	int n = 1;

	for (int i = 1; i < argc && i <= MAX_WORDS; i++) {
		iov[n++] = (struct iovec){blank, 1};
		iov[n++] = (struct iovec){argv[i], strlen(argv[i])};
	}
	iov[n++] = (struct iovec){newline, 1};
	return writev(STDOUT_FILENO, iov, n) < 0;
}
