/* SPDX-License-Identifier: MIT
 *
 * state.h: everything of a VM that is not its memory: vCPU, LAPIC, virtio transport and device
 * state. Plain data, no pointers: what is captured can be kept (rewind), written to a file
 * (store.c) or given to another process (fork). Captured and applied by the vCPU thread between two
 * KVM_RUNs, devices drained. Fields read from a file are hostile until vm_state_check() has passed
 * them.
 */
#ifndef MONITOR_SNAPSHOT_STATE_H
#define MONITOR_SNAPSHOT_STATE_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "monitor/virtio/dev.h"
#include "uk_abi.h"

struct vm;

#define VM_STATE_MSRS 24

struct vcpu_state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	uint32_t xsave[1024]; /* struct kvm_xsave without its extra part: 4 KiB: x87 to AVX-512; no
				 AMX (XCR0 is limited to 0xe7) */
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debug;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp;
	struct kvm_lapic_state lapic; /* IDLE_HLT, and rewinding */
	uint32_t nmsrs;
	uint32_t pad;
	struct kvm_msr_entry msr[VM_STATE_MSRS];
};

/* One virtqueue: what the driver programmed and the free-running indices. */
struct virtq_state {
	uint64_t desc_gpa, avail_gpa, used_gpa;
	uint16_t size, last_avail, used_idx, used_pub, used_signalled;
	uint8_t ready, started, no_kick, pad;
};

struct dev_state {
	uint32_t device_id; /* 1 net, 2 block */
	uint32_t nqueues;
	uint64_t offered, features, drv_features;
	uint32_t status, isr, generation, dev_feat_sel, drv_feat_sel, queue_sel;
	uint8_t activated;
	uint8_t wce, wce_set; /* block */
	uint8_t mac[6];	      /* net */
	uint8_t pad[7];
	uint16_t mtu; /* net */
	uint16_t pad2[3];
	uint64_t blk_size; /* block: bytes */
	/* Block, with an overlay in memory that is not empty: where in a snapshot's memory file its
	 * clusters are, their hash, and which image they lie over. */
	uint64_t ov_off, ov_len;
	int64_t ov_base_mtime_ns;
	uint8_t ov_hash[32];
	char id[32]; /* NUL-terminated */
	struct virtq_state q[VIRTIO_MAX_QUEUES];
};

struct vm_state {
	struct vcpu_state vcpu;
	uint32_t ndevs, idle_exit;
	uint64_t mem_size;
	uint64_t image_bias, tsc_hz;
	uint64_t freeze_gpa;   /* of the guest's struct uk_restore when it froze itself, else 0 */
	uint64_t mono_ns;      /* the guest's CLOCK_MONOTONIC at capture */
	uint64_t wall_ns, tsc; /* the host's */
	struct dev_state dev[UK_MAX_DEVS];
	struct uk_boot layout;
};

/* An exit that KVM has not finished (an MMIO read, a port) is finished, without running the guest:
 * by the vCPU thread, before another captures the state. 0, or -errno with a message in err. */
int vm_settle(struct vm *vm, char *err, size_t errlen);
/* Capture st from a stopped VM: devices are drained first. 0, or -errno with a message in err. */
int vm_state_save(struct vm *vm, struct vm_state *st, char *err, size_t errlen);
/*
 * Put a VM of the same shape (same devices, same memory size) into state st; its memory is the
 * caller's business and must be in place before, since rings are looked up in it. st has been
 * checked or was captured by this process. 0, or -errno with a message.
 */
int vm_state_load(struct vm *vm, const struct vm_state *st, char *err, size_t errlen);
/* The same for a VM that is running this very image and only goes back in time: no CPUID, no TSC.
 */
int vm_state_rewind(struct vm *vm, const struct vm_state *st, char *err, size_t errlen);
/*
 * Judge a state from outside: every enum, count, index, ring address and register that the monitor
 * or KVM relies on. 0 or -EINVAL with the field's name in err.
 */
int vm_state_check(const struct vm_state *st, char *err, size_t errlen);
/* Bytes of all disks' clusters in the memory file. */
uint64_t vm_state_disks(const struct vm_state *st);

#endif
