/* SPDX-License-Identifier: MIT
 *
 * args.h: the helper's command line. It comes from mayfly-monitor or from a person; both get a
 * message.
 */
#ifndef MONITOR_BACKEND_USERNET_ARGS_H
#define MONITOR_BACKEND_USERNET_ARGS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARGS_MAX_FWD 16

struct usernet_fwd {
	bool udp;
	struct in_addr host;
	uint16_t host_port, guest_port;
};

struct usernet_args {
	int fd;
	const char *id; /* of the NIC, for messages */
	bool host_loopback;
	char **run; /* command to start beside the network, NULL at its end; NULL: none */
	struct usernet_fwd fwd[ARGS_MAX_FWD];
	unsigned nfwd;
};

/* 0 go on, 1 help or version was printed, -EINVAL with a message in err. */
int usernet_args_parse(struct usernet_args *ret_args, int argc, char **argv, char *err,
		       size_t errlen);

#endif
