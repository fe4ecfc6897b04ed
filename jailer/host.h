/* SPDX-License-Identifier: MIT
 *
 * host.h: what the plan needs to know of this host, read and never changed. Main thread. Tests make
 * their own hosts: the plan sees nothing else.
 */
#ifndef JAILER_HOST_H
#define JAILER_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/errtext.h"

#define HOST_MOUNTS 24

enum host_dev { DEV_KVM, DEV_TUN, DEV_URANDOM, DEV_UFFD, HOST_DEVS };

struct cgroup_mount {
	char dir[128];
	char controllers[160]; /* " cpu cpuacct ", a space on either side of each */
	bool v2;
	bool writable; /* groups can be made at its root */
};

struct jail_host {
	uid_t euid;
	gid_t egid;
	struct cgroup_mount mounts[HOST_MOUNTS];
	unsigned nmounts;
	struct {
		bool present;
		bool open_to_us, open_to_all; /* for reading and writing */
		unsigned major, minor;
	} devs[HOST_DEVS];
	uint64_t max_files; /* hard limit of descriptors */
	int landlock_abi;   /* 0: none */
};

/* Path of a device on the host, "/dev/kvm". */
const char *host_dev_path(enum host_dev dev);
int host_read(struct jail_host *ret_host, struct errtext *err);
/* One line of /proc/self/mountinfo into *ret: 1, or 0 when it is no cgroup mount that can be used.
 */
int host_parse_mount(char *line, struct cgroup_mount *ret);

#endif
