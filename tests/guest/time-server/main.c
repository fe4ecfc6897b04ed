/* SPDX-License-Identifier: MIT
 *
 * time-server: answers each datagram, a number of nanoseconds, after a sleep that long, with its
 * clocks when the sleep was to end (monotonic) and now (monotonic, wall). host.py compares them
 * with the host's. "quit" ends it.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "../check.h"

#define PORT 7000
#define NS   1000000000LL

static long long now(clockid_t id)
{
	struct timespec ts;

	CHECK(!clock_gettime(id, &ts));
	return ts.tv_sec * NS + ts.tv_nsec;
}

static long long sleep_ns(long long ns)
{
	long long until = now(CLOCK_MONOTONIC) + ns;
	struct timespec ts = {.tv_sec = until / NS, .tv_nsec = until % NS};

	if (ns)
		CHECK(!clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL));
	return until;
}

int main(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof addr;
	char text[100];
	ssize_t n;

	CHECK(s >= 0 && !bind(s, (struct sockaddr *)&addr, sizeof addr));
	puts("listening");
	fflush(stdout);
	while ((n = recvfrom(s, text, sizeof text - 1, 0, (struct sockaddr *)&addr, &len)) > 0) {
		text[n] = '\0';
		if (!strcmp(text, "quit"))
			return pass();
		long long until = sleep_ns(atoll(text));
		n = sprintf(text, "%lld %lld %lld", until, now(CLOCK_MONOTONIC),
			    now(CLOCK_REALTIME));
		CHECK(sendto(s, text, (size_t)n, 0, (struct sockaddr *)&addr, len) == n);
	}
	return 1;
}
