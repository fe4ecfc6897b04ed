/* SPDX-License-Identifier: MIT
 *
 * escape_kernel.c: ways out through what only an administrator may ask the kernel for.
 */
#include "tests/jail/escape.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/reboot.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/io.h>
#include <sys/klog.h>
#include <sys/prctl.h>
#include <sys/quota.h>
#include <sys/reboot.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/personality.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

TRY(load_module, syscall(SYS_init_module, "x", 1, ""))
TRY(load_module_fd, syscall(SYS_finit_module, 0, "", 0))
TRY(remove_module, syscall(SYS_delete_module, "tun", O_NONBLOCK))
TRY(load_kernel, syscall(SYS_kexec_load, 0, 0, NULL, 0))
TRY(load_kernel_fd, syscall(SYS_kexec_file_load, 0, -1, 0, "", 0))
TRY(restart,
    syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_RESTART, 0))
TRY(fault_kernel, syscall(SYS_userfaultfd, O_CLOEXEC))
TRY(all_ports, iopl(3))
TRY(some_ports, ioperm(0x80, 1, 1))
TRY(set_time, settimeofday(&(struct timeval){1, 0}, NULL))
TRY(set_clock, clock_settime(CLOCK_REALTIME, &(struct timespec){1, 0}))
TRY(tune_clock, adjtimex(&(struct timex){.modes = ADJ_OFFSET}))
TRY(host_name, sethostname("x", 1))
TRY(clear_log, klogctl(5, NULL, 0))
TRY(read_log, klogctl(3, (char[64]){0}, 64))
TRY(secret, syscall(SYS_memfd_secret, 0))
TRY(layout, personality(ADDR_NO_RANDOMIZE))
TRY(segments, syscall(SYS_modify_ldt, 0, (char[64]){0}, 64))
TRY(key, syscall(SYS_add_key, "user", "x", "y", 1, -3))
TRY(swap_on, swapon("/ro", 0))
TRY(swap_off, swapoff("/ro"))
TRY(accounting, acct("/ro"))
TRY(quotas, quotactl(QCMD(Q_QUOTAON, USRQUOTA), "/dev/vda", 0, NULL))
TRY(watch_all, fanotify_init(FAN_CLASS_CONTENT, O_RDONLY))
TRY(watch_opens, fanotify_mark(fanotify_init(FAN_CLASS_NOTIF, O_RDONLY),
			       FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN, AT_FDCWD, "/rw"))
TRY(hang_up, vhangup())
TRY(move_map, prctl(PR_SET_MM, PR_SET_MM_BRK, 0x10000, 0, 0))

static int load_bpf(void)
{
	struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K},
				  {.code = BPF_JMP | BPF_EXIT}};
	union bpf_attr a = {.prog_type = BPF_PROG_TYPE_KPROBE, .insn_cnt = 2};

	a.insns = (uintptr_t)code;
	a.license = (uintptr_t) "GPL";
	return syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof a) < 0 ? -errno : 0;
}

static int count_cpu(void)
{
	struct perf_event_attr a = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof a, .config = PERF_COUNT_SW_CPU_CLOCK};

	return syscall(SYS_perf_event_open, &a, -1, 0, -1, 0) < 0 ? -errno : 0;
}

const struct escape kernel_escapes[] = {
	{"load a module", load_module, {EPERM, ENOSYS}},
	{"load a module by descriptor", load_module_fd, {EPERM, ENOSYS}},
	{"remove a module", remove_module, {EPERM, ENOSYS}},
	{"load a kernel", load_kernel, {EPERM, ENOSYS}},
	{"load a kernel by descriptor", load_kernel_fd, {EPERM, ENOSYS}},
	{"reboot", restart, {EPERM}},
	{"load a BPF program", load_bpf, {EPERM, ENOSYS}},
	{"count a processor's events", count_cpu, {EACCES, EPERM, ENOSYS}},
	{"userfaultfd for the kernel's faults", fault_kernel, {EPERM, ENOSYS}},
	{"all I/O ports", all_ports, {EPERM, ENOSYS}},
	{"one I/O port", some_ports, {EPERM, ENOSYS}},
	{"set the time", set_time, {EPERM}},
	{"set the clock", set_clock, {EPERM}},
	{"tune the clock", tune_clock, {EPERM}},
	{"set the host name", host_name, {EPERM}},
	{"clear the kernel's log", clear_log, {EPERM, ENOSYS}},
	{"read the kernel's log", read_log, {EPERM}},
	{"memory that the host cannot see", secret, {EPERM}},
	{"an old memory layout", layout, {EPERM}},
	{"descriptors of segments", segments, {EPERM}},
	{"a key", key, {EPERM}},
	{"swap on", swap_on, {EPERM, ENOSYS}},
	{"swap off", swap_off, {EPERM, ENOSYS}},
	{"process accounting", accounting, {EPERM, ENOSYS}},
	{"quotas", quotas, {EPERM, ENOSYS, ENOENT}},
	{"decide about opens", watch_all, {EPERM, ENOSYS}},
	{"watch a mount's opens", watch_opens, {EPERM, ENOSYS, EBADF}},
	{"hang up the terminal", hang_up, {EPERM}},
	{"move the own memory map", move_map, {EPERM, EINVAL}},
	{0},
};
