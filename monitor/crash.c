/* SPDX-License-Identifier: MIT
 *
 * crash.c: what the user sees when a guest dies: reason, registers, fault address in words,
 * symbolised backtrace. The frame and the stack are the guest's: read once, bounded, never followed
 * outside its memory. vCPU thread.
 */
#include <linux/kvm.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/vec.h"
#include "monitor/vm.h"
#include "uk_tables.h"

#define BACKTRACE_MAX 48
#define REPORTS_MAX   4u

static const char *const vector_names[32] = {
	[0] = "divide error",	      [1] = "debug exception",
	[3] = "breakpoint",	      [4] = "overflow",
	[5] = "bound range",	      [6] = "invalid opcode",
	[7] = "device not available", [8] = "double fault",
	[10] = "invalid TSS",	      [11] = "segment not present",
	[12] = "stack fault",	      [13] = "general protection fault",
	[14] = "page fault",	      [16] = "x87 floating point",
	[17] = "alignment check",     [18] = "machine check",
	[19] = "SIMD floating point"};

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (n > 0)
		(void)vec_put(STDERR_FILENO, line,
			      (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

static void say_address(const struct vm *vm, const char *what, uint64_t va)
{
	char sym[160] = "";

	if (va - vm->layout.image_va < vm->layout.image_size)
		image_symbol(&vm->image, va - vm->image_bias, sym, sizeof sym);
	say("  %s 0x%016lx %s\n", what, va, sym);
}

/* Frame pointers: [rbp] = caller's rbp, [rbp + 8] = return address. Strictly upwards, inside RAM.
 */
static void backtrace(const struct vm *vm, uint64_t rip, uint64_t rbp)
{
	say("backtrace:\n");
	say_address(vm, " #0", rip);
	for (unsigned i = 1; i < BACKTRACE_MAX; i++) {
		uint64_t frame[2];
		gpa_t gpa;
		char nr[16];

		if (rbp % 8 || !vm_va_to_gpa(vm, rbp, sizeof frame, &gpa) ||
		    gmem_read(&vm->gm, gpa, frame, sizeof frame) || !frame[1])
			break;
		snprintf(nr, sizeof nr, " #%u", i);
		say_address(vm, nr, frame[1] - 1);
		if (frame[0] <= rbp)
			break;
		rbp = frame[0];
	}
}

static const char *page_fault_words(const struct vm *vm, const struct uk_fault *f)
{
	const struct uk_boot *l = &vm->layout;
	uint64_t guard = l->stack_low - UK_PAGE;

	if (f->cr2 < UK_PAGE)
		return "NULL pointer";
	if (f->cr2 >= guard && f->cr2 < l->stack_low)
		return "stack overflow: the guard page below the main stack (mayfly-cc "
		       "-Wl,-z,stack-size=BYTES makes it "
		       "larger)";
	if (f->error & 16)
		return "execution of memory that is not executable";
	if ((f->error & 3) == 3)
		return "write to read-only memory";
	return f->error & 1 ? "access denied" : "nothing is mapped there";
}

static void say_registers(const struct uk_fault *f)
{
	say("  rip %016lx  rsp %016lx  rflags %08lx\n  rax %016lx  rbx %016lx  rcx %016lx  rdx "
	    "%016lx\n"
	    "  rsi %016lx  rdi %016lx  rbp %016lx  r8  %016lx\n",
	    f->rip, f->rsp, f->rflags, f->rax, f->rbx, f->rcx, f->rdx, f->rsi, f->rdi, f->rbp,
	    f->r8);
	say("  r9  %016lx  r10 %016lx  r11 %016lx  r12 %016lx\n  r13 %016lx  r14 %016lx  r15 "
	    "%016lx  cr2 %016lx\n",
	    f->r9, f->r10, f->r11, f->r12, f->r13, f->r14, f->r15, f->cr2);
}

/* A VM that is rewound after a crash can crash for every request that it is sent. */
static bool enough(struct vm *vm)
{
	if (!vm->serve || vm->crash_reports < REPORTS_MAX) {
		vm->crash_reports++;
		return false;
	}
	if (vm->crash_reports++ == REPORTS_MAX)
		say("mayfly: further crashes are counted in the metrics and not reported\n");
	return true;
}

void crash_report_fault(struct vm *vm, gpa_t fault_gpa)
{
	struct uk_fault f;

	if (enough(vm))
		return;
	if (gmem_read(&vm->gm, fault_gpa, &f, sizeof f)) {
		say("mayfly: the guest crashed and reported an address outside its memory\n");
		return;
	}
	const char *name = f.vector < 32 ? vector_names[f.vector] : NULL;
	if (f.vector == 14)
		say("mayfly: guest crashed: page fault: %s of 0x%lx: %s\n",
		    f.error & 16  ? "fetch"
		    : f.error & 2 ? "write"
				  : "read",
		    f.cr2, page_fault_words(vm, &f));
	else
		say("mayfly: guest crashed: %s (vector %lu, error 0x%lx)\n",
		    name ? name : "exception", f.vector, f.error);
	say_registers(&f);
	backtrace(vm, f.rip, f.rbp);
}

void crash_report_kvm(struct vm *vm, const char *what)
{
	struct kvm_regs r;
	struct kvm_sregs s;

	if (enough(vm))
		return;
	if (ioctl(vm->vcpu, KVM_GET_REGS, &r) || ioctl(vm->vcpu, KVM_GET_SREGS, &s)) {
		say("mayfly: guest crashed: %s\n", what);
		return;
	}
	struct uk_fault f = {
		.cr2 = s.cr2,
		.r15 = r.r15,
		.r14 = r.r14,
		.r13 = r.r13,
		.r12 = r.r12,
		.r11 = r.r11,
		.r10 = r.r10,
		.r9 = r.r9,
		.r8 = r.r8,
		.rdi = r.rdi,
		.rsi = r.rsi,
		.rbp = r.rbp,
		.rbx = r.rbx,
		.rdx = r.rdx,
		.rcx = r.rcx,
		.rax = r.rax,
		.rip = r.rip,
		.cs = s.cs.selector,
		.rflags = r.rflags,
		.rsp = r.rsp,
	};
	say("mayfly: guest crashed: %s (ring %u)\n", what, (unsigned)s.cs.dpl);
	say_registers(&f);
	backtrace(vm, f.rip, f.rbp);
}
