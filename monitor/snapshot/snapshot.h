/* SPDX-License-Identifier: MIT
 *
 * snapshot.h: a VM to files and back: what the API, the freeze point and the start of a restored VM
 * call. The files are described in format.h, docs/snapshots.md is the manual. vCPU thread between
 * two KVM_RUNs with the VM lock held (vm_control), unless a function says otherwise.
 */
#ifndef MONITOR_SNAPSHOT_SNAPSHOT_H
#define MONITOR_SNAPSHOT_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "monitor/config.h"
#include "uk_abi.h"

struct vm;

/*
 * Write a snapshot of the stopped VM; it can go on afterwards. mem NULL: state with ".mem"
 * appended. Both names hold the old files or the new ones, whole, whenever the process dies. diff:
 * only the pages written since the last snapshot of this VM (or since it was restored); needs
 * cfg->track_dirty. 0, or -errno with a message that names the file.
 */
int snapshot_create(struct vm *vm, const char *state, const char *mem, bool diff, char *err,
		    size_t errlen);

/*
 * Take what the snapshot in cfg->restore (path and how to check it) says its VM is made of as the
 * configuration: memory, devices, command line. What is set in cfg afterwards, through the same
 * judges as on the command line, is re-bound: the disks' path, the interfaces' backend, mac and
 * addresses, id, console, hostname, environment. Devices are found by id (blk_config_of,
 * net_config_of, field_rebind); more or fewer are not possible. vm_create() restores a VM whose
 * cfg->snapshot is set. Any thread, before vm_create. 0 or -EINVAL with a message.
 */
int snapshot_config(struct vm_config *cfg, struct errtext *err);
void snapshot_close(struct snapshot *snap); /* accepts NULL */

/*
 * The guest has just frozen itself (VM lock not held): write what --snapshot asks for. What its
 * page is to say: UK_WHY_ORIGINAL, or UK_WHY_NOTHING when nobody asked. vm->exit_code is set when
 * this was all that was wanted, or when it failed.
 */
enum uk_why snapshot_at_freeze(struct vm *vm);

/*
 * Live fork: n copies of the stopped VM, each a process of its own that shares memory copy-on-write
 * with this one; nothing is written to disk. cfg[i] says who copy i is: config_inherit of vm->cfg,
 * then re-bound and checked like a restored VM's. Returns 0 as soon as the memory is safe, so that
 * this VM can go on, with *ret_fd for vm_fork_wait; or -errno with a message, and there are no
 * copies. A copy never returns from here: it lives in vm->copy_main. What it needs is opened by it,
 * but for the descriptors that its configuration names; all others of this process are closed in
 * it.
 */
int vm_fork(struct vm *vm, struct vm_config *const *cfg, unsigned n, int *ret_fd, char *err,
	    size_t errlen);
/*
 * Wait until each copy runs or has failed; ret_pids[i] is its process, or -errno. Any thread;
 * closes fd. 0 when all run, else the first failure, with its message in err.
 */
int vm_fork_wait(int fd, unsigned n, pid_t *ret_pids, char *err, size_t errlen);
#define VM_FORK_MAX 1024u

#endif
