/* SPDX-License-Identifier: MIT
 *
 * standby.h: --standby N: a monitor that is started ahead of its VM. It makes what every VM needs
 * (KVM's objects), says so on descriptor N, a SOCK_SEQPACKET socket, and waits there for one
 * message: the configuration as JSON, with the VM's open files. docs/pool.md has the protocol. Main
 * thread; the other side is trusted like a command line is: what it says is judged the same way.
 */
#ifndef MONITOR_STANDBY_H
#define MONITOR_STANDBY_H

#include "monitor/config.h"

/* The k-th descriptor of the message gets the number STANDBY_FD + k. */
#define STANDBY_FD	64
#define STANDBY_FDS_MAX 16
#define STANDBY_MAX	(64u << 10) /* bytes of the JSON */

/*
 * Say "ready" and wait. What comes is added to cfg, checked as a whole. 1: go on; 0: the other side
 * has closed, and nothing is wanted of us; -errno with err filled in, which the other side has been
 * told.
 */
int standby_wait(int fd, struct vm_config *cfg, struct errtext *err);
/* The VM is made ("ok") or why it is not; then fd is closed. */
void standby_tell(int fd, const char *problem);

#endif
