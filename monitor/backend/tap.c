/* SPDX-License-Identifier: MIT
 *
 * tap.c: see tap.h.
 */
#include "monitor/backend/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define VNET_HDR 12

static int set_hdr_size(int fd)
{
	int size = VNET_HDR;

	return ioctl(fd, TUNSETVNETHDRSZ, &size) ? -errno : 0;
}

static void explain(const char *id, const char *name, int e, char *err, size_t errlen)
{
	if (e == EBUSY)
		snprintf(err, errlen,
			 "--net id=%s: tap '%s' is in use: stop the VM that has it, or give this "
			 "one its own",
			 id, name);
	else if (e == EPERM || e == ENODEV)
		snprintf(err, errlen,
			 "--net id=%s: tap '%s' does not exist or is not yours: as root, 'ip "
			 "tuntap add %s mode tap user "
			 "USER && ip link set %s up', or use ,user",
			 id, name, name, name);
	else if (e == EINVAL)
		snprintf(err, errlen,
			 "--net id=%s: '%s' is not a single-queue tap: create it with 'ip tuntap "
			 "add %s mode tap'",
			 id, name, name);
	else
		snprintf(err, errlen, "--net id=%s: tap '%s': %s", id, name, strerror(e));
}

int tap_open(const char *id, const char *name, char *err, size_t errlen)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int fd, e;

	if (strlen(name) >= sizeof ifr.ifr_name) {
		snprintf(err, errlen, "--net id=%s: tap name '%s' is longer than %zu characters",
			 id, name, sizeof ifr.ifr_name - 1);
		return -EINVAL;
	}
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		e = errno;
		snprintf(err, errlen,
			 "--net id=%s: cannot open /dev/net/tun: %s: 'modprobe tun', give this "
			 "user access, or use ,user",
			 id, strerror(e));
		return -e;
	}
	memcpy(ifr.ifr_name, name, strlen(name));
	e = ioctl(fd, TUNSETIFF, &ifr) ? errno : 0;
	/* For root the call makes a missing interface. One that is not persistent is ours alone: it
	 * goes with fd. */
	if (!e && (ioctl(fd, TUNGETIFF, &ifr) || !(ifr.ifr_flags & IFF_PERSIST)))
		e = ENODEV;
	if (!e)
		e = -set_hdr_size(fd);
	if (!e)
		return fd;
	close(fd);
	explain(id, name, e, err, errlen);
	return -e;
}

int tap_adopt(const char *id, int fd, bool *ret_vnet_hdr, char *err, size_t errlen)
{
	struct ifreq ifr = {0};
	int flags, ret;

	if (ioctl(fd, TUNGETIFF, &ifr))
		return 0;
	if (!(ifr.ifr_flags & IFF_TAP) || !(ifr.ifr_flags & IFF_NO_PI)) {
		snprintf(err, errlen,
			 "--net id=%s: fd %d is a tun, or a tap without IFF_NO_PI: open it with "
			 "IFF_TAP|IFF_NO_PI|IFF_VNET_HDR",
			 id, fd);
		return -EINVAL;
	}
	flags = fcntl(fd, F_GETFL);
	ret = flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC)
		      ? -errno
		      : 0;
	if (!ret && (ifr.ifr_flags & IFF_VNET_HDR))
		ret = set_hdr_size(fd);
	if (ret) {
		snprintf(err, errlen, "--net id=%s: fd %d: %s", id, fd, strerror(-ret));
		return ret;
	}
	*ret_vnet_hdr = ifr.ifr_flags & IFF_VNET_HDR;
	return 1;
}

int tap_offload(int fd, bool csum, bool tso4, bool tso6)
{
	unsigned flags =
		(csum ? TUN_F_CSUM : 0) | (tso4 ? TUN_F_TSO4 : 0) | (tso6 ? TUN_F_TSO6 : 0);

	return ioctl(fd, TUNSETOFFLOAD, (unsigned long)flags) ? -errno : 0;
}
