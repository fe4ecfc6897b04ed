/* SPDX-License-Identifier: MIT
 *
 * control.c: see control.h. A caller puts its work into a list and kicks the vCPU thread with
 * SIGNAL_CONTROL, whose handler ends KVM_RUN and every sleep (signals.h), so no kick is lost. The
 * vCPU thread waits for a caller only in vm_hold(). Only the list, `closed` and what is in a work
 * are shared, under `lock`.
 */
#include "monitor/control.h"

#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "monitor/signals.h"
#include "monitor/snapshot/clock.h"
#include "monitor/vm.h"

struct work {
	struct work *next;
	int (*fn)(struct vm *vm, void *arg);
	void *arg;
	int ret;
	bool hold; /* the caller does it itself ... */
	bool held; /* ... from now on */
	bool done;
};

struct control {
	pthread_mutex_t lock;
	pthread_cond_t done;
	struct work *first, **last;
	bool closed;
	unsigned released; /* how many holds are over */
	bool holding;	   /* vm->lock, by the vCPU thread */
	pthread_t vcpu_thread;
};

static void set_phase(struct vm *vm, enum vm_phase phase)
{
	__atomic_store_n(&vm->phase, phase, __ATOMIC_RELAXED);
}

int control_init(struct vm *vm)
{
	struct control *c = calloc(1, sizeof *c);

	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->done, NULL);
	c->last = &c->first;
	c->vcpu_thread = pthread_self();
	vm->control = c;
	signals_control();
	return 0;
}

/* Refuse what waits and what comes. */
static void refuse(struct control *c)
{
	pthread_mutex_lock(&c->lock);
	c->closed = true;
	for (struct work *w = c->first; w; w = w->next) {
		w->ret = -ESHUTDOWN;
		w->done = true;
	}
	c->first = NULL;
	c->last = &c->first;
	pthread_cond_broadcast(&c->done);
	pthread_mutex_unlock(&c->lock);
}

void control_fini(struct vm *vm)
{
	struct control *c = vm->control;

	if (!c)
		return;
	refuse(c);
	vm->control = NULL;
	pthread_cond_destroy(&c->done);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* Until the vCPU thread has done it, or stands still for us. Lock held. */
static int enqueue(struct control *c, struct work *w)
{
	if (c->closed)
		return -ESHUTDOWN;
	*c->last = w;
	c->last = &w->next;
	pthread_kill(c->vcpu_thread, SIGNAL_CONTROL);
	while (!w->done && !w->held)
		pthread_cond_wait(&c->done, &c->lock);
	return w->ret;
}

int vm_control(struct vm *vm, int (*fn)(struct vm *vm, void *arg), void *arg)
{
	struct control *c = vm->control;
	struct work w = {.fn = fn, .arg = arg};

	if (!c || pthread_equal(pthread_self(), c->vcpu_thread))
		return fn(vm, arg);
	pthread_mutex_lock(&c->lock);
	int r = enqueue(c, &w);
	pthread_mutex_unlock(&c->lock);
	return r;
}

int vm_hold(struct vm *vm, int (*fn)(struct vm *vm, void *arg), void *arg)
{
	struct control *c = vm->control;
	struct work w = {.hold = true};

	if (!c || pthread_equal(pthread_self(), c->vcpu_thread))
		return fn(vm, arg);
	pthread_mutex_lock(&c->lock);
	int r = enqueue(c, &w);
	pthread_mutex_unlock(&c->lock);
	if (!w.held)
		return r;
	r = fn(vm, arg);
	pthread_mutex_lock(&c->lock);
	c->released++;
	pthread_cond_broadcast(&c->done);
	pthread_mutex_unlock(&c->lock);
	return r;
}

int control_stop(struct vm *vm)
{
	struct control *c = vm->control;

	pthread_mutex_lock(&c->lock);
	int r = -ESHUTDOWN;
	if (!c->closed) /* the thread is not ended by it: signals.c has a handler */
		/* NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread) */
		r = -pthread_kill(c->vcpu_thread, SIGTERM);
	pthread_mutex_unlock(&c->lock);
	return r;
}

static struct work *take(struct control *c)
{
	pthread_mutex_lock(&c->lock);
	struct work *w = c->first;
	if (w) {
		c->first = w->next;
		if (!c->first)
			c->last = &c->first;
	}
	pthread_mutex_unlock(&c->lock);
	return w;
}

/*
 * An MMIO or port access that KVM handed out is finished by the next KVM_RUN; until then registers
 * are not the guest's. With immediate_exit no instruction runs (api.rst, 5, "NOTE"), but one that
 * is in several pieces may hand out the next piece: at most 1024 of a REP (emulate.c).
 */
static void settle(struct vm *vm)
{
	if (!vm->run)
		return;
	for (int i = 0; i < 2048 && vm->exit_code < 0; i++) {
		vm->run->immediate_exit = 1;
		if (ioctl(vm->vcpu, KVM_RUN, 0))
			return; /* EINTR: settled. What else is wrong, vm_run() finds too */
		vm_on_exit(vm);
	}
}

/* Keeps the I/O thread out for as long as there is work or the VM is paused. There may be no such
 * thread, and fn may start one. */
static void hold_devices(struct vm *vm)
{
	if (vm->io_running && !vm->control->holding) {
		pthread_mutex_lock(&vm->lock);
		vm->control->holding = true;
	}
}

static void release_devices(struct vm *vm)
{
	if (vm->control->holding && vm->phase != VM_PAUSED) {
		vm->control->holding = false;
		pthread_mutex_unlock(&vm->lock);
	}
}

/* w is on its caller's stack, and gone when the caller goes on. */
static void carry_out(struct vm *vm, struct work *w)
{
	struct control *c = vm->control;
	bool hold = w->hold;
	int r = hold ? 0 : w->fn(vm, w->arg);

	pthread_mutex_lock(&c->lock);
	unsigned before = c->released;
	w->ret = r;
	w->held = vm->held = hold;
	w->done = !hold;
	pthread_cond_broadcast(&c->done);
	while (hold && c->released == before)
		pthread_cond_wait(&c->done, &c->lock);
	vm->held = false;
	pthread_mutex_unlock(&c->lock);
}

void control_serve(struct vm *vm)
{
	struct control *c = vm->control;

	if (!c)
		return;
	for (struct work *w; (w = take(c));) {
		hold_devices(vm);
		settle(vm);
		carry_out(vm, w);
		if (vm->phase == VM_PAUSED)
			hold_devices(vm);
	}
	release_devices(vm);
}

void control_sleep(void)
{
	signals_poll(NULL, 0, UINT64_MAX);
}

void control_ended(struct vm *vm)
{
	set_phase(vm, VM_ENDED);
	if (!vm->control)
		return;
	release_devices(vm);
	refuse(vm->control);
}

enum vm_phase vm_phase(const struct vm *vm)
{
	return __atomic_load_n(&vm->phase, __ATOMIC_RELAXED);
}

void vm_pause(struct vm *vm)
{
	if (vm->phase != VM_RUNNING)
		return;
	vm->paused_mono = vm_guest_mono(vm);
	set_phase(vm, VM_PAUSED);
}

void vm_resume(struct vm *vm)
{
	if (vm->phase != VM_PAUSED)
		return;
	/* Not when it was made paused: nothing has run that could have looked at a clock. */
	if (vm->paused_mono)
		vm_clock_rebase(vm, vm->paused_mono);
	set_phase(vm, VM_RUNNING);
}

void vm_started(struct vm *vm, bool paused)
{
	set_phase(vm, paused ? VM_PAUSED : VM_RUNNING);
}

bool vm_wait_start(struct vm *vm)
{
	while (vm->phase == VM_NOT_STARTED) {
		if (!signals_pending()) {
			control_sleep();
			continue;
		}
		struct signals_seen s = signals_take();
		if (s.stop)
			return false;
		if (s.control)
			control_serve(vm);
	}
	return true;
}
