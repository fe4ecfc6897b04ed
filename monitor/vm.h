/* SPDX-License-Identifier: MIT
 *
 * vm.h: one virtual machine: its KVM objects, memory, image and devices. Made and destroyed by the
 * main thread, which is also the vCPU thread. In IDLE_HLT mode an I/O thread serves the devices
 * too, under `lock`.
 */
#ifndef MONITOR_VM_H
#define MONITOR_VM_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "monitor/config.h"
#include "monitor/console.h"
#include "monitor/control.h"
#include "monitor/gmem.h"
#include "monitor/image.h"
#include "monitor/metrics.h"
#include "monitor/metrics_json.h"
#include "uk_abi.h"

struct control;
struct events;
struct keeper;
struct kvm_run;
struct dirty;
struct lazy;
struct wset;
struct rewind;
struct serve;
struct snap_cpu;
struct virtio_dev;
struct vm_identity;
struct vm_state;
struct vm;

/* One virtio-mmio slot. The first nblk slots are block devices, the next nnet are NICs, in the
 * order given. */
struct vm_slot {
	struct vm *vm;
	unsigned index;
	struct virtio_dev *dev;
	int irqfd; /* IDLE_HLT only, else -1 */
};

struct vm {
	const struct vm_config *cfg;
	struct gmem gm;
	struct image image;
	struct uk_boot layout; /* our copy of what we told the guest; the guest cannot change it */
	struct uk_shared *shared; /* in guest memory: read a field once, judge the copy */
	uint64_t image_bias;	  /* virtual address minus link address */

	int kvm, fd, vcpu;
	bool prepared; /* by vm_prepare(): the three are there */
	struct kvm_run *run;
	size_t run_size;
	uint64_t sync_regs; /* KVM_SYNC_X86_* that kvm_run can carry; 0 until asked (snapshot/) */
	bool idle_exit;	    /* the mode that was decided */
	bool news;	    /* IDLE_EXIT: a device raised its interrupt since the guest last ran */

	struct vm_slot slot[UK_MAX_DEVS];
	unsigned nslots;
	struct console console;

	/* IDLE_HLT only */
	pthread_mutex_t lock;
	pthread_t io_thread;
	bool io_running;
	sem_t io_ended;
	int io_wake; /* eventfd: look at the poll set again */
	int ioeventfd[UK_MAX_DEVS][8];

	enum vm_phase phase;	 /* written by the vCPU thread; others ask vm_phase() */
	struct events *events;	 /* who wants to know what happens; NULL = nobody */
	struct control *control; /* NULL: nobody but signals acts on this VM */
	struct keeper *keeper;	 /* NULL: none is needed */
	bool held;		 /* another thread acts, the vCPU's waits and has settled it */
	uint64_t paused_mono;	 /* VM_PAUSED: what its monotonic clock stands at */
	uint64_t mono_delta;	 /* host CLOCK_MONOTONIC less the guest's, ns, modulo 2^64 */
	struct vm_seed {
		bool there;
		uint8_t seed[64], generation[16];
	} next_seed; /* drawn by the thread that saved or copied the guest: this one cannot */
	uint8_t generation[16]; /* random; which run from a snapshot this is */
	gpa_t freeze_gpa;  /* of the struct uk_restore at which the guest stands; 0 = it does not,
			      or not any more */
	bool froze_itself; /* at some time */
	bool frozen;	   /* --snapshot and --fork have had their freeze point */
	void (*copy_main)(struct vm *vm); /* the life of a copy (vm_fork); ends the process */
	struct wset *wset;		  /* the working set is being recorded; NULL = no */
	struct lazy *lazy; /* serves memory that was not touched yet; NULL = all is there */
	struct vm_identity *identity; /* of a VM that is restored or copied, else NULL */
	struct dirty *dirty;	      /* cfg->track_dirty only */
	struct rewind *rewind;	      /* what it is put back to; NULL = nothing */
	struct serve *serve;	      /* --serve; NULL = no */
	unsigned crash_reports;	      /* printed so far */

	int exit_code;	 /* -1 while running */
	int stop_signal; /* what the guest was asked to stop for, 0 = nothing */
	struct {
		uint64_t asked;	   /* CLOCK_MONOTONIC, ns */
		uint64_t requests; /* of all disks, at the last look */
		bool told; /* IDLE_EXIT: the guest was woken from an idle that it began without
			      having looked */
	} stop;
	bool boot_reported;
	struct metrics_out report; /* what reports need is opened before the guest runs */
	struct vm_metrics m;
};

/* CLOCK_MONOTONIC, ns. */
uint64_t vm_now(void);
/* "WHAT: what errno means" in err; -errno. */
int vm_error(char *err, size_t errlen, const char *what);

/*
 * Build the whole machine up to the first instruction. 0, or -errno with a one-line message in err
 * that says what to do about it. vm_destroy() undoes any part; safe on a zeroed struct.
 * vm->control is kept.
 */
int vm_create(struct vm *vm, const struct vm_config *cfg, char *err, size_t errlen);
/* Ahead of vm_create(): the KVM objects that are the same whatever the configuration. The same
 * rules. */
int vm_prepare(struct vm *vm, char *err, size_t errlen);
void vm_destroy(struct vm *vm);
/*
 * In a forked process: vm goes on as the copy that cfg describes, from state st, in the memory that
 * it has. Of what the other process had nothing but /dev/kvm is used; its descriptors are closed. 0
 * or -errno; vm_destroy() undoes it.
 */
int vm_create_copy(struct vm *vm, const struct vm_config *cfg, struct vm_state *st,
		   const struct snap_cpu *cpu, char *err, size_t errlen);

/* Run until the guest exits, crashes or is stopped; devices are synced on return. Exit code of the
 * process. */
int vm_run(struct vm *vm);
/* Act on what one KVM_RUN returned with. */
void vm_on_exit(struct vm *vm);

/* --- pieces, each in the file named
 * ------------------------------------------------------------------------ */

/* boot.c: lay out guest memory, build tables and struct uk_boot, map the image. */
int vm_boot_build(struct vm *vm, char *err, size_t errlen);
/* Guest virtual address (ring 3 view) to GPA for [va, va + len); false when not plain RAM. */
bool vm_va_to_gpa(const struct vm *vm, uint64_t va, uint64_t len, gpa_t *ret_gpa);

/* vcpu.c: CPUID, registers, MSRs for direct entry into ring 3; the run loop. */
/* CPUID, which takes as long as all the rest: by vcpu_setup(), unless the VM was prepared. */
int vcpu_prepare(struct vm *vm, char *err, size_t errlen);
int vcpu_setup(struct vm *vm, char *err, size_t errlen);
/* CPUID and TSC only, for a vCPU whose state is loaded next; refused unless this CPU can do all
 * that saved could. */
int vcpu_setup_restored(struct vm *vm, const struct snap_cpu *saved, char *err, size_t errlen);
/* What the vCPU was shown of the CPU. */
int vcpu_features(struct vm *vm, struct snap_cpu *ret_cpu, char *err, size_t errlen);

/* stop.c: the orderly end. A signal asked for it; the time that the guest had is over. */
struct signals_seen;
void vm_stop_ask(struct vm *vm, const struct signals_seen *s);
void vm_stop_grace_over(struct vm *vm);

/* ctl.c: the control page. */
void vm_ctl_write(struct vm *vm, uint64_t off, uint64_t val, unsigned len);

/* devices.c: create, interrupt and serve the virtio devices. */
int vm_devices_create(struct vm *vm, char *err, size_t errlen);
/* User-mode network helpers were started early; wait until they are ready. What would be set up on
 * first need is set up now, where a filter would refuse it then. */
int vm_devices_ready(struct vm *vm, char *err, size_t errlen);
void vm_devices_destroy(struct vm *vm);
void vm_devices_serve(struct vm *vm);
/* Wait for and serve host events until news, a signal, or CLOCK_MONOTONIC deadline_ns; 0: serve
 * those that are there, do not wait. */
void vm_devices_wait(struct vm *vm, uint64_t deadline_ns);
/* The end, when nothing is in flight: what others have to know. Is followed by
 * vm_devices_destroy(), but for where a filter allows no more. */
void vm_devices_leave(struct vm *vm);
/* Finish in-flight I/O and flush the disks. */
int vm_devices_sync(struct vm *vm);

/* io_thread.c: ioeventfd, irqfd and the I/O thread of IDLE_HLT. */
int vm_io_start(struct vm *vm, char *err, size_t errlen);
void vm_io_stop(struct vm *vm);
/* The poll set may have changed: let the I/O thread look again. */
void vm_io_kick(struct vm *vm);

/* crash.c: reports on stderr. */
void crash_report_fault(struct vm *vm, gpa_t fault_gpa);
void crash_report_kvm(struct vm *vm, const char *what);

/* report.c: --boot-timer line and --metrics file. */
int report_open(struct vm *vm, char *err, size_t errlen);
void report_close(struct vm *vm);
void report_boot(struct vm *vm, bool at_exit);
void report_metrics(struct vm *vm);
/* When the guest passed a mark, host CLOCK_MONOTONIC ns; 0 = it has not, or says nonsense. */
uint64_t report_mark_ns(const struct vm *vm, enum uk_mark mark);
/* The counters as they are, for whoever prints them; any thread. devs: UK_MAX_DEVS entries. */
struct metrics_report;
struct metrics_dev;
void report_fill(const struct vm *vm, struct metrics_report *rep, struct metrics_dev *devs);

#endif
