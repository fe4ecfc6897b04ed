/* SPDX-License-Identifier: MIT
 *
 * vm.c: making and unmaking a VM, and its run loop. Main thread = vCPU thread. Exits carry
 * guest-chosen values: they are dispatched, never trusted.
 */
#include "monitor/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "monitor/confine.h"
#include "monitor/control.h"
#include "monitor/keeper.h"
#include "monitor/serve/serve.h"
#include "monitor/signals.h"
#include "monitor/snapshot/dirty.h"
#include "monitor/snapshot/lazy.h"
#include "monitor/snapshot/restore.h"
#include "monitor/snapshot/wset.h"
#include "monitor/snapshot/rewind.h"
#include "monitor/virtio/blk.h"
#include "monitor/virtio/dev.h"

uint64_t vm_now(void)
{
	return clock_mono_ns();
}

/* --- making
 * -----------------------------------------------------------------------------------------------
 */

static int open_kvm(struct vm *vm, char *err, size_t errlen)
{
	vm->kvm = openat(AT_FDCWD, "/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm >= 0)
		return 0;
	int e = errno;
	const char *fix = e == EACCES || e == EPERM ? "join the group that owns it: sudo usermod "
						      "-aG kvm $USER, then log in again"
			  : e == ENOENT || e == ENODEV || e == ENXIO
				  ? "load kvm_intel or kvm_amd (sudo modprobe kvm_amd), switch "
				    "virtualisation on in the "
				    "firmware, or, in a VM, let its host allow nesting"
				  : "check the device node";
	snprintf(err, errlen, "/dev/kvm: %s: %s", strerror(e), fix);
	return -e;
}

int vm_error(char *err, size_t errlen, const char *what)
{
	int e = errno;

	snprintf(err, errlen, "%s: %s", what, strerror(e));
	return -e;
}

static int create_kvm_vm(struct vm *vm, char *err, size_t errlen)
{
	struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = 24};

	if (ioctl(vm->kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		snprintf(err, errlen, "/dev/kvm speaks another API version than %d",
			 KVM_API_VERSION);
		return -EPROTO;
	}
	do
		vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	while (vm->fd < 0 && errno == EINTR);
	if (vm->fd < 0)
		return vm_error(err, errlen, "KVM_CREATE_VM");
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &split))
		return vm_error(err, errlen, "KVM_CAP_SPLIT_IRQCHIP");
	return 0;
}

/* Where the host hands out huge pages unasked, one touched page would cost (and clear) 2 MiB, or
 * not, as the address falls: they are for a guest with a disk in O_DIRECT alone, since its
 * transfers are cut up by the host's device where memory is in small pieces. Kernels without THP
 * refuse: small pages then. */
static int page_advice(const struct vm_config *cfg)
{
	for (unsigned i = 0; i < cfg->nblk; i++)
		if (cfg->blk[i].direct)
			return MADV_HUGEPAGE;
	return MADV_NOHUGEPAGE;
}

static int create_memory(struct vm *vm, char *err, size_t errlen)
{
	uint64_t size = vm->cfg->mem, room = image_room(&vm->image);
	uint8_t *p = mmap(NULL, size + room, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return vm_error(err, errlen, "--mem: cannot reserve guest memory");
	vm->gm = (struct gmem){.base = p, .size = size};
	vm->image.room = room ? p + size : NULL;
	(void)madvise(p, size, page_advice(vm->cfg));
	return 0;
}

static int give_memory(struct vm *vm, char *err, size_t errlen)
{
	struct kvm_userspace_memory_region region = {
		.slot = 0, .memory_size = vm->gm.size, .userspace_addr = (uint64_t)vm->gm.base};

	if (vm->cfg->track_dirty) {
		int r = dirty_start(vm, err, errlen);

		if (r)
			return r;
		region.flags = KVM_MEM_LOG_DIRTY_PAGES;
	}
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
		return vm_error(err, errlen, "KVM_SET_USER_MEMORY_REGION");
	return 0;
}

static int create_vcpu(struct vm *vm, char *err, size_t errlen)
{
	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	if (vm->vcpu < 0)
		return vm_error(err, errlen, "KVM_CREATE_VCPU");
	int size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run))
		return vm_error(err, errlen, "KVM_GET_VCPU_MMAP_SIZE");
	void *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (run == MAP_FAILED)
		return vm_error(err, errlen, "mmap of the vCPU");
	vm->run = run;
	vm->run_size = (size_t)size;
	return 0;
}

static int open_image(struct vm *vm, char *err, size_t errlen)
{
	const char *why = NULL;

	if (vm->cfg->snap)
		return 0; /* it is in the memory file */
	int r = image_open(&vm->image, vm->cfg->kernel, SIGNAL_LEASE, &why);

	if (r)
		snprintf(err, errlen, "--kernel %s: %s", vm->cfg->kernel, why ? why : strerror(-r));
	return r;
}

/* Doorbells and interrupts of before the snapshot are in no eventfd of ours. */
static void catch_up(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	for (unsigned i = 0; i < vm->nslots; i++) {
		virtio_dev_serve_all(vm->slot[i].dev);
		if (virtio_dev_live(vm->slot[i].dev))
			vm->slot[i].dev->irq(vm->slot[i].dev->irq_arg);
	}
	pthread_mutex_unlock(&vm->lock);
	vm_io_kick(vm);
}

/* Contents and state are in place. */
static int start(struct vm *vm, char *err, size_t errlen)
{
	int r = vm_devices_ready(vm, err, errlen);

	if (!r && !vm->idle_exit)
		r = vm_io_start(vm, err, errlen);
	if (!r && vm->cfg->rebind && vm->io_running)
		catch_up(vm);
	if (!r)
		signals_bind(vm->run);
	return r;
}

static void blank(struct vm *vm)
{
	*vm = (struct vm){.kvm = -1,
			  .fd = -1,
			  .vcpu = -1,
			  .exit_code = -1,
			  .io_wake = -1,
			  .control = vm->control,
			  .events = vm->events,
			  .copy_main = vm->copy_main};
	vm->image.fd = -1;
	vm->console.fd = -1;
	vm->report.fd = vm->report.rollup = -1;
}

static int prepare(struct vm *vm, char *err, size_t errlen)
{
	int r = create_kvm_vm(vm, err, errlen);

	return r ? r : create_vcpu(vm, err, errlen);
}

int vm_prepare(struct vm *vm, char *err, size_t errlen)
{
	blank(vm);
	int r = open_kvm(vm, err, errlen);
	r = r ? r : prepare(vm, err, errlen);
	r = r ? r : vcpu_prepare(vm, err, errlen);
	vm->prepared = r == 0;
	return r;
}

/* What is the VM's own whatever it is made from: its shape, and where its output goes. */
static int begin(struct vm *vm, const struct vm_config *cfg, char *err, size_t errlen)
{
	vm->cfg = cfg;
	vm->nslots = cfg->nblk + cfg->nnet;
	vm->idle_exit = cfg->idle != IDLE_HLT;
	pthread_mutex_init(&vm->lock, NULL);
	int r = console_open(&vm->console, cfg->console ? cfg->console : "-");

	if (r) {
		snprintf(err, errlen, "--console %s: %s", cfg->console, strerror(-r));
		return r;
	}
	return report_open(vm, err, errlen);
}

int vm_create(struct vm *vm, const struct vm_config *cfg, char *err, size_t errlen)
{
	int r;

	if (!vm->prepared)
		blank(vm);
	r = begin(vm, cfg, err, errlen);
	r = r ? r : open_image(vm, err, errlen);
	r = r ? r : serve_open(vm, cfg, err, errlen);
	r = r || vm->prepared ? r : open_kvm(vm, err, errlen);
	r = r ? r : create_memory(vm, err, errlen);
	if (!r && cfg->snap)
		r = restore_memory(vm, err, errlen);
	r = r ? r : vm_devices_create(vm, err, errlen);
	/* Memory first: once KVM watches it, every mapping in it costs KVM a look at its tables. */
	if (!r && !cfg->snap)
		r = vm_boot_build(vm, err, errlen);
	vm->m.t_image = vm_now();
	r = r || vm->prepared ? r : prepare(vm, err, errlen);
	vm->m.t_kvm = vm_now();
	r = r ? r : give_memory(vm, err, errlen);
	if (!r)
		r = cfg->snap ? restore_state(vm, err, errlen) : vcpu_setup(vm, err, errlen);
	r = r ? r : start(vm, err, errlen);
	r = r ? r : keeper_start(vm, err, errlen);
	if (!r && cfg->snap && vm->freeze_gpa && vm->serve)
		serve_ready(vm);
	return r;
}

/* What belongs to the process that was forked goes without a word: freeing would reach what it
 * still uses. Its KVM objects are of no use here: they are bound to its address space. */
static int leave_behind(struct vm *vm)
{
	signals_bind(NULL);
	vm_rewind_free(vm);
	dirty_free(vm);
	wset_free(vm);
	lazy_leave(vm->lazy);
	munmap(vm->run, vm->run_size);
	return image_leave(&vm->image);
}

int vm_create_copy(struct vm *vm, const struct vm_config *cfg, struct vm_state *st,
		   const struct snap_cpu *cpu, char *err, size_t errlen)
{
	confine_copy();
	int r = leave_behind(vm);
	const struct vm old = *vm;

	if (r) {
		snprintf(err, errlen, "--kernel %s: cannot be copied: %s", cfg->kernel,
			 strerror(-r));
		return r;
	}
	blank(vm);
	vm->control = NULL; /* other threads stayed behind */
	vm->events = NULL;
	vm->kvm = old.kvm;
	vm->gm = old.gm;
	vm->gm.dirty = NULL;
	vm->image = old.image;
	r = begin(vm, cfg, err, errlen);
	vm->idle_exit = old.idle_exit;
	r = r ? r : vm_devices_create(vm, err, errlen);
	for (unsigned i = 0; !r && i < cfg->nblk; i++)
		vblk_inherit(vm->slot[i].dev, old.slot[i].dev);
	r = r ? r : prepare(vm, err, errlen);
	r = r ? r : give_memory(vm, err, errlen);
	r = r ? r : restore_from(vm, st, cpu, err, errlen);
	return r ? r : start(vm, err, errlen);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void vm_destroy(struct vm *vm)
{
	signals_bind(NULL);
	confine_abandon();
	keeper_stop(vm);
	vm_io_stop(vm);
	vm_devices_destroy(vm);
	if (vm->run)
		munmap(vm->run, vm->run_size);
	vm->run = NULL;
	serve_close(vm);
	vm_rewind_free(vm);
	dirty_free(vm);
	wset_free(vm);
	vm->identity = NULL;
	close_fd(&vm->vcpu);
	close_fd(&vm->fd);
	close_fd(&vm->kvm);
	if (vm->image.fd >= 0)
		image_close(&vm->image);
	if (vm->gm.base)
		munmap(vm->gm.base, vm->gm.size + image_room(&vm->image));
	vm->gm.base = NULL;
	lazy_stop(vm->lazy);
	vm->lazy = NULL;
	console_close(&vm->console);
	report_close(vm);
	pthread_mutex_destroy(&vm->lock);
}

/* --- running
 * ---------------------------------------------------------------------------------------------- */

static void on_signals(struct vm *vm)
{
	struct signals_seen s = signals_take();

	if (s.lease) {
		int r = image_privatize(&vm->image);

		if (r) {
			log_err("%s is being changed and cannot be copied: %s", vm->cfg->kernel,
				strerror(-r));
			vm->exit_code = 1;
		}
	}
	if (s.metrics)
		report_metrics(vm);
	if (s.stop)
		vm_stop_ask(vm, &s);
	if (s.grace_over && !vm->stop_signal) {
		if (vm->serve)
			serve_alarm(vm);
	} else if (s.grace_over && vm->exit_code < 0) {
		vm_stop_grace_over(vm);
	}
	if (s.control || s.stop)
		control_serve(vm);
}

static void on_mmio(struct vm *vm)
{
	uint64_t addr = vm->run->mmio.phys_addr, val = 0;
	unsigned len = vm->run->mmio.len;
	bool write = vm->run->mmio.is_write;

	vm->m.exits_mmio++;
	if (len > sizeof val || addr < UK_GPA_MMIO) {
		memset(vm->run->mmio.data, 0, sizeof vm->run->mmio.data);
		return;
	}
	uint64_t page = (addr - UK_GPA_MMIO) / UK_PAGE, off = (addr - UK_GPA_MMIO) % UK_PAGE;
	if (write)
		memcpy(&val, vm->run->mmio.data, len);
	if (!page) {
		if (write)
			vm_ctl_write(vm, off, val, len);
	} else if (page <= vm->nslots) {
		struct virtio_dev *dev = vm->slot[page - 1].dev;

		vm->m.virtio_mmio++;
		pthread_mutex_lock(&vm->lock);
		if (!write)
			val = virtio_mmio_read(dev, off, len);
		else if (virtio_mmio_write(dev, off, val, len))
			vm->m.doorbells++;
		pthread_mutex_unlock(&vm->lock);
		if (write && vm->io_running)
			vm_io_kick(vm);
	}
	if (!write)
		memcpy(vm->run->mmio.data, &val, len);
}

void vm_on_exit(struct vm *vm)
{
	switch (vm->run->exit_reason) {
	case KVM_EXIT_MMIO:
		on_mmio(vm);
		break;
	case KVM_EXIT_IO: /* no port is ours: writes vanish, reads give what KVM left there */
		vm->m.exits_io++;
		break;
	case KVM_EXIT_HLT:
		vm->m.exits_hlt++;
		break;
	case KVM_EXIT_INTR:
		vm->m.exits_intr++;
		break;
	case KVM_EXIT_SHUTDOWN:
		vm->m.exits_shutdown++;
		crash_report_kvm(vm, "triple fault");
		vm->exit_code = 134;
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		vm->m.exits_other++;
		crash_report_kvm(vm, vm->run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION
					     ? "KVM cannot emulate an instruction"
					     : "KVM internal error");
		vm->exit_code = 134;
		break;
	case KVM_EXIT_FAIL_ENTRY:
		vm->m.exits_other++;
		crash_report_kvm(vm, "the CPU refused to enter the guest");
		vm->exit_code = 134;
		break;
	default:
		vm->m.exits_other++;
		log_err("unexpected KVM exit reason %u", vm->run->exit_reason);
		vm->exit_code = 134;
	}
}

/* The last moment: everything is open, nothing of the guest has run. */
static bool confined(struct vm *vm)
{
	struct errtext err = {""};

	if (confine_vcpu(vm, &err) == 0)
		return true;
	log_err("%s", err.text);
	return false;
}

int vm_run(struct vm *vm)
{
	if (!confined(vm))
		return 2;
	vm->m.t_enter = vm_now();
	if (vm->phase == VM_NOT_STARTED)
		vm_started(vm, false);
	while (vm->exit_code < 0) {
		vm->run->immediate_exit = 0;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		if (signals_pending()) {
			on_signals(vm);
			continue;
		}
		if (vm->phase == VM_PAUSED) {
			control_sleep();
			continue;
		}
		if (serve_waiting(vm)) {
			if (vm->stop_signal)
				vm->exit_code = 128 + vm->stop_signal;
			else
				serve_wait(vm);
			continue;
		}
		vm->news = false;
		vm->freeze_gpa = 0; /* it goes on; a rewind brings it back */
		int r = ioctl(vm->vcpu, KVM_RUN, 0);
		vm->m.exits++;
		if (!r) {
			vm_on_exit(vm);
		} else if (errno == EINTR || errno == EAGAIN) {
			vm->m.exits_intr++;
		} else {
			int e = errno;

			crash_report_kvm(vm, strerror(e));
			vm->exit_code = e == EFAULT ? 134 : 1;
		}
		if (vm->exit_code >= 0)
			serve_failed(vm, 500); /* one request's end need not be ours */
	}
	vm->m.t_exit = vm_now();
	wset_done(vm);
	control_ended(vm);
	console_drain(&vm->console, &vm->gm, vm->shared);
	vm_io_stop(vm);
	int r = vm_devices_sync(vm);
	if (r) {
		log_err("a disk could not be flushed: %s", strerror(-r));
		vm->exit_code = vm->exit_code ? vm->exit_code : 1;
	}
	return vm->exit_code;
}
