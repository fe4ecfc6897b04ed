/* SPDX-License-Identifier: MIT
 *
 * check.h: the smallest harness that a guest needs: a failed check names its line and is counted.
 */
#ifndef TESTS_GUEST_NET_LOOPBACK_CHECK_H
#define TESTS_GUEST_NET_LOOPBACK_CHECK_H

#include <errno.h>
#include <stdio.h>

extern int failures;

#define CHECK(cond)                                                                              \
	do {                                                                                     \
		errno = 0;                                                                       \
		if (!(cond)) {                                                                   \
			printf("FAIL %s:%d: %s (errno %d)\n", __FILE__, __LINE__, #cond, errno); \
			failures++;                                                              \
		}                                                                                \
	} while (0)
/* The call fails, and with this errno. */
#define CHECK_ERR(call, want)                                                                 \
	do {                                                                                  \
		long check_r;                                                                 \
		errno = 0;                                                                    \
		check_r = (long)(call);                                                       \
		if (check_r != -1 || errno != (want)) {                                       \
			printf("FAIL %s:%d: %s: %ld, errno %d, not %s\n", __FILE__, __LINE__, \
			       #call, check_r, errno, #want);                                 \
			failures++;                                                           \
		}                                                                             \
	} while (0)

/* One file each. */
void test_tcp(void);
void test_tcp_errors(void);
void test_tcp_bulk(void);
void test_udp(void);
void test_unix(void);

/* A connected pair of the family over loopback, [0] accepted; and a listener on a free port. */
void tcp_pair(int family, int ret_fds[2]);
int tcp_listener(int family, unsigned short *ret_port);
int tcp_connect(int family, unsigned short port, int flags);
/* poll() for one descriptor: the events that hold within ms. */
int wait_for(int fd, int events, int ms);

#endif
