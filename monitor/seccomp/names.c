/* SPDX-License-Identifier: MIT
 *
 * names.c: the constants that policies may name. Pure.
 */
#include "monitor/seccomp/policy.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/kvm.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>

#define N(c)                      \
	{                         \
#c, (uint64_t)(c) \
	}

static const struct {
	const char *name;
	uint64_t value;
} names[] = {
	/* memory */
	N(PROT_READ),
	N(PROT_WRITE),
	N(PROT_EXEC),
	N(MAP_SHARED),
	N(MAP_PRIVATE),
	N(MAP_FIXED),
	N(MAP_ANONYMOUS),
	N(MAP_NORESERVE),
	N(MAP_POPULATE),
	N(MAP_STACK),
	N(MREMAP_MAYMOVE),
	N(MREMAP_FIXED),
	N(MADV_DONTNEED),
	N(MADV_FREE),
	N(MADV_DONTFORK),
	N(MADV_DOFORK),
	N(MADV_WILLNEED),
	N(MADV_NOHUGEPAGE),
	N(MADV_POPULATE_READ),
	N(MADV_POPULATE_WRITE),
	/* files */
	N(O_RDONLY),
	N(O_WRONLY),
	N(O_RDWR),
	N(O_CREAT),
	N(O_EXCL),
	N(O_NOCTTY),
	N(O_TRUNC),
	N(O_APPEND),
	N(O_NONBLOCK),
	N(O_CLOEXEC),
	N(O_DIRECT),
	N(O_LARGEFILE),
	N(AT_FDCWD),
	N(F_GETFD),
	N(F_SETFD),
	N(F_GETFL),
	N(F_SETFL),
	N(F_SETSIG),
	N(F_SETLEASE),
	N(F_GETLEASE),
	N(F_UNLCK),
	N(F_OFD_SETLK),
	N(F_GET_SEALS),
	N(F_ADD_SEALS),
	N(F_DUPFD_CLOEXEC),
	N(FALLOC_FL_KEEP_SIZE),
	N(FALLOC_FL_PUNCH_HOLE),
	N(FALLOC_FL_ZERO_RANGE),
	N(RWF_DSYNC),
	N(SEEK_SET),
	/* sockets */
	N(AF_UNIX),
	N(SOCK_STREAM),
	N(SOCK_SEQPACKET),
	N(SOCK_CLOEXEC),
	N(SOCK_NONBLOCK),
	N(SOL_SOCKET),
	N(SO_TYPE),
	N(SHUT_RDWR),
	/* processes and threads */
	N(CLONE_VM),
	N(CLONE_VFORK),
	N(CLONE_THREAD),
	N(SECCOMP_SET_MODE_FILTER),
	N(PR_SET_NO_NEW_PRIVS),
	N(PR_SET_NAME),
	N(PR_SET_PDEATHSIG),
	N(PR_SET_DUMPABLE),
	N(FUTEX_WAIT),
	N(FUTEX_WAKE),
	N(FUTEX_PRIVATE_FLAG),
	N(FUTEX_CLOCK_REALTIME),
	N(FUTEX_WAIT_BITSET),
	N(ITIMER_REAL),
	N(IORING_ENTER_GETEVENTS),
};

static const struct {
	const char *name;
	uint64_t value;
} ioctls[] = {
	N(KVM_GET_API_VERSION),
	N(KVM_CREATE_VM),
	N(KVM_CHECK_EXTENSION),
	N(KVM_GET_VCPU_MMAP_SIZE),
	N(KVM_GET_SUPPORTED_CPUID),
	N(KVM_GET_MSR_INDEX_LIST),
	N(KVM_CREATE_VCPU),
	N(KVM_ENABLE_CAP),
	N(KVM_SET_USER_MEMORY_REGION),
	N(KVM_GET_DIRTY_LOG),
	N(KVM_CLEAR_DIRTY_LOG),
	N(KVM_X86_SET_MSR_FILTER),
	N(KVM_SET_GSI_ROUTING),
	N(KVM_IRQFD),
	N(KVM_IOEVENTFD),
	N(KVM_SIGNAL_MSI),
	N(KVM_RUN),
	N(KVM_GET_REGS),
	N(KVM_SET_REGS),
	N(KVM_GET_SREGS),
	N(KVM_SET_SREGS),
	N(KVM_GET_SREGS2),
	N(KVM_SET_SREGS2),
	N(KVM_GET_FPU),
	N(KVM_SET_FPU),
	N(KVM_GET_XSAVE),
	N(KVM_GET_XSAVE2),
	N(KVM_SET_XSAVE),
	N(KVM_GET_XCRS),
	N(KVM_SET_XCRS),
	N(KVM_GET_MSRS),
	N(KVM_SET_MSRS),
	N(KVM_GET_LAPIC),
	N(KVM_SET_LAPIC),
	N(KVM_GET_CPUID2),
	N(KVM_SET_CPUID2),
	N(KVM_GET_TSC_KHZ),
	N(KVM_SET_TSC_KHZ),
	N(KVM_GET_DEBUGREGS),
	N(KVM_SET_DEBUGREGS),
	N(KVM_GET_VCPU_EVENTS),
	N(KVM_SET_VCPU_EVENTS),
	N(KVM_GET_MP_STATE),
	N(KVM_SET_MP_STATE),
	N(KVM_SET_DEVICE_ATTR),
	N(KVM_GET_DEVICE_ATTR),
	N(KVM_HAS_DEVICE_ATTR),
	N(KVM_KVMCLOCK_CTRL),
	N(TUNSETIFF),
	N(TUNGETIFF),
	N(TUNSETVNETHDRSZ),
	N(TUNSETOFFLOAD),
	N(BLKGETSIZE64),
	N(BLKSSZGET),
	N(FICLONE),
	N(UFFDIO_API),
	N(UFFDIO_REGISTER),
	N(UFFDIO_COPY),
	N(UFFDIO_ZEROPAGE),
	N(USERFAULTFD_IOC_NEW),
	N(FIONBIO),
	N(FIONREAD),
	N(TIOCGWINSZ),
};

#undef N

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static bool same(const char *name, const char *s, size_t len)
{
	return strncmp(name, s, len) == 0 && name[len] == '\0';
}

bool name_value(const char *name, size_t len, uint64_t *ret_value)
{
	for (size_t i = 0; i < COUNT(names); i++)
		if (same(names[i].name, name, len)) {
			*ret_value = names[i].value;
			return true;
		}
	for (size_t i = 0; i < COUNT(ioctls); i++)
		if (same(ioctls[i].name, name, len)) {
			*ret_value = (uint32_t)ioctls[i].value;
			return true;
		}
	return false;
}

const char *name_of_ioctl(uint32_t cmd)
{
	for (size_t i = 0; i < COUNT(ioctls); i++)
		if ((uint32_t)ioctls[i].value == cmd)
			return ioctls[i].name;
	return NULL;
}
