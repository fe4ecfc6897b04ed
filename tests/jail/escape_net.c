/* SPDX-License-Identifier: MIT
 *
 * escape_net.c: ways out through the network. The host gives port= (a TCP listener on its
 * 127.0.0.1) and name= (an abstract socket that listens).
 */
#include "tests/jail/escape.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

TRY(raw_socket, socket(AF_INET, SOCK_RAW, IPPROTO_ICMP))
TRY(packet_socket, socket(AF_PACKET, SOCK_RAW, 0))
TRY(netlink_socket, socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE))
TRY(alg_socket, socket(AF_ALG, SOCK_SEQPACKET, 0))
TRY(vsock_socket, socket(AF_VSOCK, SOCK_STREAM, 0))
TRY(xdp_socket, socket(AF_XDP, SOCK_RAW, 0))
TRY(tipc_socket, socket(AF_TIPC, SOCK_SEQPACKET, 0))

static int connect_host(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((uint16_t)given_number("port"))};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(fd, (struct sockaddr *)&a, sizeof a) < 0 ? -errno : 0;
}

static int send_out(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(53)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	inet_pton(AF_INET, "192.0.2.1", &a.sin_addr);
	return sendto(fd, "x", 1, 0, (struct sockaddr *)&a, sizeof a) < 0 ? -errno : 0;
}

static int abstract_socket(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const char *name = given("name");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (!name || strlen(name) > 90)
		return -SKIP;
	memcpy(a.sun_path + 1, name, strlen(name));
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
	return connect(fd, (struct sockaddr *)&a, len) < 0 ? -errno : 0;
}

static int loopback_up(void)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	return ioctl(fd, SIOCSIFFLAGS, &ifr) < 0 ? -errno : 0;
}

static int make_tap(void)
{
	struct ifreq ifr = {.ifr_name = "tap9", .ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR);

	if (fd < 0)
		return -errno;
	return ioctl(fd, TUNSETIFF, &ifr) < 0 ? -errno : 0;
}

static int add_link(void)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} m = {.h = {.nlmsg_len = sizeof m,
		     .nlmsg_type = RTM_NEWLINK,
		     .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE}};
	char reply[512];
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	if (send(fd, &m, sizeof m, 0) < 0)
		return -errno;
	ssize_t n = recv(fd, reply, sizeof reply, 0);
	struct nlmsgerr e;
	if (n < (ssize_t)(NLMSG_HDRLEN + sizeof e))
		return 0;
	memcpy(&e, reply + NLMSG_HDRLEN, sizeof e);
	return e.error;
}

static int more_interfaces(void)
{
	struct if_nameindex *all = if_nameindex();
	int n = 0;

	while (all && all[n].if_index)
		n++;
	return n <= 1 ? -HOLDS : 0;
}

static int listen_tcp(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(8080)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (given_number("landlock") < 4)
		return -SKIP;
	return bind(fd, (struct sockaddr *)&a, sizeof a) < 0 ? -errno : 0;
}

const struct escape net_escapes[] = {
	{"see an interface but lo", more_interfaces, {HOLDS}},
	{"connect to a listener of the host", connect_host, {ENETUNREACH, EACCES}},
	{"send a datagram", send_out, {ENETUNREACH}},
	{"connect to an abstract socket of the host", abstract_socket, {ECONNREFUSED, EPERM}},
	{"listen on a TCP port", listen_tcp, {EACCES}},
	{"raw socket", raw_socket, {EPERM}},
	{"packet socket", packet_socket, {EPERM}},
	{"bring up lo", loopback_up, {EPERM}},
	{"make a tap", make_tap, {EPERM, EACCES}},
	{"add a link by netlink", add_link, {EPERM, EBADF}},
	{"a netlink socket", netlink_socket, {EPERM}},
	{"a socket of the kernel's ciphers", alg_socket, {EPERM}},
	{"a socket to the host past all namespaces", vsock_socket, {EPERM}},
	{"an XDP socket", xdp_socket, {EPERM}},
	{"a TIPC socket", tipc_socket, {EPERM}},
	{0},
};
