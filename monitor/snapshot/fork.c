/* SPDX-License-Identifier: MIT
 *
 * fork.c: vm_fork of snapshot.h. fork(2) is what makes memory copy-on-write without a byte of it
 * being written anywhere. The VM stands still for one fork only: that child makes the copies and is
 * gone; each copy then builds KVM objects of its own over the memory it has inherited. vCPU thread
 * of either process.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"
#include "monitor/confine.h"
#include "monitor/signals.h"
#include "monitor/snapshot/cpu.h"
#include "monitor/snapshot/lazy.h"
#include "monitor/snapshot/snapshot.h"
#include "monitor/snapshot/state.h"
#include "monitor/vm.h"

/* From a copy to vm_fork_wait, in one write. */
struct report {
	unsigned index;
	pid_t pid;
	int error; /* 0, or errno */
	char text[256];
};

/* --- the copies --- */

static void tell(int fd, unsigned index, int error, const char *text)
{
	struct report rep = {.index = index, .pid = getpid(), .error = error};

	snprintf(rep.text, sizeof rep.text, "%s", text);
	if (write(fd, &rep, sizeof rep) < 0)
		return; /* nobody waits */
}

static int cmp_fd(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* close_range(2), for which musl has no wrapper. */
static void close_from_to(unsigned first, unsigned last)
{
	syscall(SYS_close_range, first, last, 0);
}

/* What is ours is not theirs: only the descriptors that cfg names stay, /dev/kvm, and `fd`. */
static void close_others(const struct vm *vm, const struct vm_config *cfg, int fd)
{
	int keep[CONFIG_MAX_NET + 3], n = 0, from = STDERR_FILENO + 1;

	keep[n++] = vm->kvm;
	keep[n++] = fd;
	if (vm->image.fd >= 0)
		keep[n++] = vm->image.fd; /* image_leave closes it */
	for (unsigned i = 0; i < cfg->nnet; i++)
		if (cfg->net[i].backend == NET_FD)
			keep[n++] = cfg->net[i].fd;
	qsort(keep, (size_t)n, sizeof *keep, cmp_fd);
	for (int i = 0; i < n; i++) {
		if (keep[i] > from)
			close_from_to((unsigned)from, (unsigned)keep[i] - 1);
		if (keep[i] >= from)
			from = keep[i] + 1;
	}
	close_from_to((unsigned)from, ~0u);
}

static void be_copy(struct vm *vm, const struct vm_config *cfg, struct vm_state *st,
		    const struct snap_cpu *cpu, unsigned index, int fd)
{
	char err[256];

	sigset_t none;

	sigemptyset(&none); /* the thread that forked leaves them to another */
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	setsid(); /* the terminal's signals are for the one that was started there */
	(void)signals_take();
	close_others(vm, cfg, fd);
	int r = vm_create_copy(vm, cfg, st, cpu, err, sizeof err);

	tell(fd, index, -r, r ? err : "");
	close(fd);
	if (r) {
		log_err("%s", err);
		_exit(2);
	}
	vm->copy_main(vm);
	_exit(2);
}

/* In the child: as many processes as copies. */
static void make_copies(struct vm *vm, struct vm_config *const *cfg, unsigned n,
			struct vm_state *st, const struct snap_cpu *cpu, int fd)
{
	for (unsigned i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid == 0)
			be_copy(vm, cfg[i], st, cpu, i, fd);
		if (pid < 0)
			tell(fd, i, errno, "no process for a copy");
	}
	_exit(0);
}

/* --- the original --- */

static int check_config(const struct vm *vm, const struct vm_config *cfg, char *err, size_t errlen)
{
	struct errtext why;

	if (cfg->nblk != vm->cfg->nblk || cfg->nnet != vm->cfg->nnet || cfg->mem != vm->cfg->mem) {
		snprintf(err, errlen, "a copy has the devices and the memory of its original");
		return -EINVAL;
	}
	if (config_check(cfg, &why)) {
		snprintf(err, errlen, "%s", why.text);
		return -EINVAL;
	}
	for (unsigned i = 0; i < cfg->nnet; i++) {
		if (cfg->net[i].backend != NET_USER || confine_may_exec())
			continue;
		snprintf(err, errlen,
			 "interface '%s': user-mode network starts a program, which the filter of "
			 "this VM, that has none, does not allow: give the copy a tap or a "
			 "descriptor",
			 cfg->net[i].id);
		return -EPERM;
	}
	for (unsigned i = 0; i < cfg->nblk; i++) {
		const struct blk_config *b = &cfg->blk[i];

		const char *had = vm->cfg->blk[i].overlay;

		if (b->overlay && had && strcmp(b->overlay, "mem") != 0 &&
		    !strcmp(b->overlay, had)) {
			snprintf(err, errlen,
				 "disk '%s' has its overlay in a file: two VMs would damage it; "
				 "give each copy its own overlay",
				 b->id);
			return -EBUSY;
		}
		if (!b->ro && !b->overlay && !strcmp(b->path, vm->cfg->blk[i].path)) {
			snprintf(err, errlen,
				 "disk '%s' is writable: two VMs would damage it; give each copy "
				 "its own path",
				 b->id);
			return -EBUSY;
		}
	}
	return 0;
}

int vm_fork(struct vm *vm, struct vm_config *const *cfg, unsigned n, int *ret_fd, char *err,
	    size_t errlen)
{
	struct vm_state *st;
	struct snap_cpu cpu;
	int fds[2], r = 0;

	if (!n || n > VM_FORK_MAX) {
		snprintf(err, errlen, "%u copies: 1 to %u are possible", n, VM_FORK_MAX);
		return -EINVAL;
	}
	for (unsigned i = 0; i < n && !r; i++)
		r = check_config(vm, cfg[i], err, errlen);
	if (r)
		return r;
	st = malloc(sizeof *st);
	if (!st || pipe2(fds, O_CLOEXEC)) {
		r = st ? -errno : -ENOMEM;
		snprintf(err, errlen, "fork: %s", strerror(-r));
		free(st);
		return r;
	}
	uint64_t start = vm_now();

	signal(SIGCHLD, SIG_IGN); /* the child, and orphans where we are PID 1 of a jail */
	lazy_complete(vm->lazy);
	console_drain(&vm->console, &vm->gm, vm->shared);
	r = vm_state_save(vm, st, err, errlen);
	r = r ? r : vcpu_features(vm, &cpu, err, errlen);
	pid_t pid = r ? 0 : fork();

	if (!r && pid == 0)
		make_copies(vm, cfg, n, st, &cpu, fds[1]);
	if (!r && pid < 0) {
		r = -errno;
		snprintf(err, errlen, "fork: %s", strerror(-r));
	}
	free(st);
	close(fds[1]);
	if (r)
		close(fds[0]);
	else
		*ret_fd = fds[0];
	vm->m.forks += !r;
	vm->m.fork_pause_ns = vm_now() - start;
	return r;
}

int vm_fork_wait(int fd, unsigned n, pid_t *ret_pids, char *err, size_t errlen)
{
	struct report rep;
	int ret = 0;

	for (unsigned i = 0; i < n; i++)
		ret_pids[i] = -ECHILD;
	for (unsigned left = n; left;) {
		ssize_t got = read(fd, &rep, sizeof rep);

		if (got < 0 && errno == EINTR)
			continue;
		if (got != sizeof rep)
			break; /* the rest died without a word */
		left--;
		if (rep.index >= n)
			continue;
		ret_pids[rep.index] = rep.error ? -rep.error : rep.pid;
		if (rep.error && !ret) {
			ret = -rep.error;
			rep.text[sizeof rep.text - 1] = '\0';
			snprintf(err, errlen, "copy %u: %s", rep.index + 1, rep.text);
		}
	}
	close(fd);
	for (unsigned i = 0; i < n && !ret; i++)
		if (ret_pids[i] < 0) {
			ret = ret_pids[i];
			snprintf(err, errlen, "copy %u died before it ran", i + 1);
		}
	return ret;
}
