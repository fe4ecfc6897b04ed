/* SPDX-License-Identifier: MIT
 *
 * io_thread.c: IDLE_HLT mode. Doorbells are ioeventfds, interrupts are irqfds routed as MSIs, and
 * one I/O thread serves all devices under the VM lock while the vCPU sleeps in HLT or runs. Signals
 * are blocked here: the vCPU thread takes them. Source: KVM
 * Documentation/virt/kvm/api.rst 4.52, 4.59, 4.75.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/semwait.h"
#include "lib/vec.h"
#include "monitor/confine.h"
#include "monitor/virtio/dev.h"
#include "monitor/vm.h"

#define QUEUE_NOTIFY 0x50u
#define IO_POLLFDS   96

static void drain(int fd)
{
	uint64_t n;

	(void)vec_get(fd, &n, sizeof n, VEC_STREAM); /* somebody may have been faster */
}

void vm_io_kick(struct vm *vm)
{
	uint64_t one = 1;

	(void)vec_put(vm->io_wake, &one, sizeof one); /* at its limit it is awake */
}

/* Poll set: [0] wake, then per device its doorbells, then its host fds. */
struct io_set {
	struct pollfd pfd[IO_POLLFDS];
	unsigned n;
	uint64_t until; /* a device wants to be woken then */
	unsigned doorbells[UK_MAX_DEVS], events[UK_MAX_DEVS + 1];
};

static void collect(struct vm *vm, struct io_set *set)
{
	set->pfd[0] = (struct pollfd){.fd = vm->io_wake, .events = POLLIN};
	set->n = 1;
	set->until = UINT64_MAX;
	for (unsigned i = 0; i < vm->nslots; i++) {
		struct virtio_dev *dev = vm->slot[i].dev;

		if (dev->wake_at < set->until)
			set->until = dev->wake_at;

		set->doorbells[i] = set->n;
		for (unsigned q = 0; q < dev->nqueues; q++)
			set->pfd[set->n++] =
				(struct pollfd){.fd = vm->ioeventfd[i][q], .events = POLLIN};
		set->events[i] = set->n;
		set->n += dev->ops->pollfds(dev, set->pfd + set->n, 2);
	}
	set->events[vm->nslots] = set->n;
}

/* 0 on a timeout, too. */
static int wait_for(struct io_set *set)
{
	uint64_t now = set->until == UINT64_MAX ? 0 : vm_now();
	uint64_t ns = set->until > now ? set->until - now : 0;
	struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000),
			      .tv_nsec = (long)(ns % 1000000000)};

	return ppoll(set->pfd, set->n, set->until == UINT64_MAX ? NULL : &ts, NULL);
}

static void serve(struct vm *vm, struct io_set *set)
{
	uint64_t now = set->until == UINT64_MAX ? 0 : vm_now();

	/* The vCPU thread has written to a device's registers: it may have been started. */
	if (set->pfd[0].revents) {
		drain(vm->io_wake);
		vm_devices_serve(vm);
	}
	for (unsigned i = 0; i < vm->nslots; i++) {
		struct virtio_dev *dev = vm->slot[i].dev;
		unsigned k = set->doorbells[i];

		virtio_dev_wake(dev, now);

		for (unsigned q = 0; q < dev->nqueues; q++, k++) {
			if (!set->pfd[k].revents)
				continue;
			drain(set->pfd[k].fd);
			vm->m.ioeventfd_kicks++;
			dev->notifications++;
			dev->ops->serve(dev, q);
		}
		unsigned end = i + 1 < vm->nslots ? set->doorbells[i + 1] : set->n;
		for (; k < end; k++)
			if (set->pfd[k].revents)
				dev->ops->on_event(dev, &set->pfd[k]);
	}
}

static void *io_main(void *arg)
{
	struct vm *vm = arg;
	struct io_set set;

	bool runs = confine_enter(CONFINE_IO);

	while (runs && __atomic_load_n(&vm->io_running, __ATOMIC_ACQUIRE)) {
		pthread_mutex_lock(&vm->lock);
		collect(vm, &set);
		pthread_mutex_unlock(&vm->lock);
		if (wait_for(&set) < 0)
			continue;
		pthread_mutex_lock(&vm->lock);
		serve(vm, &set);
		pthread_mutex_unlock(&vm->lock);
	}
	sem_post(&vm->io_ended);
	return NULL;
}

static int add_doorbells(struct vm *vm, unsigned i, char *err, size_t errlen)
{
	for (unsigned q = 0; q < vm->slot[i].dev->nqueues; q++) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		struct kvm_ioeventfd io = {
			.datamatch = q,
			.addr = UK_GPA_MMIO + (1 + (uint64_t)i) * UK_PAGE + QUEUE_NOTIFY,
			.len = 4,
			.fd = fd,
			.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
		};

		vm->ioeventfd[i][q] = fd;
		if (fd < 0)
			return vm_error(err, errlen, "eventfd");
		if (ioctl(vm->fd, KVM_IOEVENTFD, &io))
			return vm_error(err, errlen, "KVM_IOEVENTFD");
	}
	return 0;
}

static int add_irqs(struct vm *vm, char *err, size_t errlen)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry e[UK_MAX_DEVS];
	} routes = {.head.nr = vm->nslots};

	for (unsigned i = 0; i < vm->nslots; i++)
		routes.e[i] = (struct kvm_irq_routing_entry){
			.gsi = i,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi = {.address_lo = 0xfee00000, .data = UK_VEC_DEV0 + i},
		};
	if (vm->nslots && ioctl(vm->fd, KVM_SET_GSI_ROUTING, &routes))
		return vm_error(err, errlen, "KVM_SET_GSI_ROUTING");
	for (unsigned i = 0; i < vm->nslots; i++) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		struct kvm_irqfd irq = {.fd = (uint32_t)fd, .gsi = i};

		vm->slot[i].irqfd = fd;
		if (fd < 0)
			return vm_error(err, errlen, "eventfd");
		if (ioctl(vm->fd, KVM_IRQFD, &irq))
			return vm_error(err, errlen, "KVM_IRQFD");
	}
	return 0;
}

static int start_thread(struct vm *vm, char *err, size_t errlen)
{
	sigset_t all, old;

	sem_init(&vm->io_ended, 0, 0);
	vm->io_running = true;
	confine_expect(CONFINE_IO);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	int r = pthread_create(&vm->io_thread, NULL, io_main, vm);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	vm->io_running = r == 0;
	errno = r;
	return r ? vm_error(err, errlen, "I/O thread") : 0;
}

int vm_io_start(struct vm *vm, char *err, size_t errlen)
{
	int r = add_irqs(vm, err, errlen);

	memset(vm->ioeventfd, -1, sizeof vm->ioeventfd);
	for (unsigned i = 0; i < vm->nslots && !r; i++)
		r = add_doorbells(vm, i, err, errlen);
	if (r || !vm->nslots)
		return r;
	vm->io_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vm->io_wake < 0)
		return vm_error(err, errlen, "eventfd");
	for (unsigned i = 0; i < vm->nslots; i++)
		vm->slot[i].dev->elsewhere = true;
	return start_thread(vm, err, errlen);
}

void vm_io_stop(struct vm *vm)
{
	if (vm->io_running) {
		__atomic_store_n(&vm->io_running, false, __ATOMIC_RELEASE);
		vm_io_kick(vm);
		sem_take(&vm->io_ended);
		if (!confine_narrow()) /* it would give the stack back: munmap() */
			pthread_join(vm->io_thread, NULL);
	}
	if (vm->io_wake < 0 || confine_narrow())
		return; /* descriptors go with the process */
	close(vm->io_wake);
	vm->io_wake = -1;
	for (unsigned i = 0; i < vm->nslots; i++) {
		if (vm->slot[i].irqfd >= 0)
			close(vm->slot[i].irqfd);
		vm->slot[i].irqfd = -1;
		for (unsigned q = 0; q < 8; q++)
			if (vm->ioeventfd[i][q] >= 0)
				close(vm->ioeventfd[i][q]);
	}
}
