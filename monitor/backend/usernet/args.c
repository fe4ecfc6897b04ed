/* SPDX-License-Identifier: MIT
 *
 * args.c: see args.h.
 */
#include "monitor/backend/usernet/args.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"usage: mayfly-usernet [--fd=N] [--id=NAME] "
	"[--fwd=tcp|udp:HOST_ADDR:HOST_PORT:GUEST_PORT]... [--run COMMAND...]\n"
	"\n"
	"User-mode network for one VM: NAT without privileges, started by mayfly-monitor (--net "
	"id=eth0,user).\n"
	"Speaks Ethernet over a SOCK_SEQPACKET socket, one frame a message; ends when the socket "
	"closes.\n"
	"\n"
	"  --fd=N           the socket (default 3)\n"
	"  --id=NAME        name of the NIC in messages (default eth0)\n"
	"  --fwd=...        forward a host port to the guest at 10.0.2.15; up to 16 of them\n"
	"  --host-loopback  let the guest reach the host's 127.0.0.1 as 10.0.2.2 (off: it holds "
	"private services)\n"
	"  --run COMMAND... once the ports are bound become this command, the network staying "
	"beside it and the\n"
	"                   other end of the socket being its descriptor N: for a jailed monitor, "
	"which starts\n"
	"                   nothing itself (mayfly-jailer --fd eth0=3 ... -- --net id=eth0,fd=3)\n"
	"  --help           this text\n"
	"  --version        the version\n"
	"\n"
	"Guest side: 10.0.2.0/24 and fec0::/64; gateway 10.0.2.2, DNS 10.0.2.3, DHCP gives "
	"10.0.2.15; MTU 1500.\n"
	"First message on the socket: \"ok\", or \"ERRNO TEXT\" when a port cannot be bound.\n";

/* A decimal number from 0 to max up to `end`; -1 when it is none. */
static long number(const char *s, char end, long max)
{
	char *stop;
	long n;

	if (*s < '0' || *s > '9')
		return -1;
	errno = 0;
	n = strtol(s, &stop, 10);
	return errno || *stop != end || n > max ? -1 : n;
}

static int parse_fwd(struct usernet_fwd *ret_fwd, const char *s)
{
	struct usernet_fwd f = {.udp = !strncmp(s, "udp:", 4)};
	char addr[INET_ADDRSTRLEN];
	const char *colon;
	long host, guest;

	if (!f.udp && strncmp(s, "tcp:", 4) != 0)
		return -EINVAL;
	s += 4;
	colon = strchr(s, ':');
	if (!colon || (size_t)(colon - s) >= sizeof addr)
		return -EINVAL;
	memcpy(addr, s, (size_t)(colon - s));
	addr[colon - s] = 0;
	s = colon + 1;
	colon = strchr(s, ':');
	if (inet_pton(AF_INET, addr, &f.host) != 1 || !colon)
		return -EINVAL;
	host = number(s, ':', 65535);
	guest = number(colon + 1, 0, 65535);
	if (host <= 0 || guest <= 0)
		return -EINVAL;
	f.host_port = (uint16_t)host;
	f.guest_port = (uint16_t)guest;
	*ret_fwd = f;
	return 0;
}

static int parse_one(struct usernet_args *a, const char *arg)
{
	long n;

	if (!strncmp(arg, "--fd=", 5)) {
		n = number(arg + 5, 0, 1 << 20);
		a->fd = (int)n;
		return n < 0 ? -EINVAL : 0;
	}
	if (!strncmp(arg, "--id=", 5)) {
		a->id = arg + 5;
		return 0;
	}
	if (!strcmp(arg, "--host-loopback")) {
		a->host_loopback = true;
		return 0;
	}
	if (!strncmp(arg, "--fwd=", 6) && a->nfwd < ARGS_MAX_FWD)
		return parse_fwd(&a->fwd[a->nfwd++], arg + 6);
	return -EINVAL;
}

int usernet_args_parse(struct usernet_args *ret_args, int argc, char **argv, char *err,
		       size_t errlen)
{
	struct usernet_args a = {.fd = 3, .id = "eth0"};

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "--version")) {
			printf("%s",
			       argv[i][2] == 'h' ? help : "mayfly-usernet " MAYFLY_VERSION "\n");
			return 1;
		}
		if (!strcmp(argv[i], "--run") && i + 1 < argc) {
			a.run = argv + i + 1;
			break;
		}
		if (parse_one(&a, argv[i])) {
			snprintf(err, errlen, "mayfly-usernet: bad argument '%s': see --help",
				 argv[i]);
			return -EINVAL;
		}
	}
	*ret_args = a;
	return 0;
}
