/* SPDX-License-Identifier: MIT
 *
 * test_control.c: work from other threads runs on the vCPU thread in every phase, and nobody waits
 * for a VM that has ended. No KVM: the run loop is the one below.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>

#include "monitor/signals.h"
#include "monitor/snapshot/clock.h"
#include "monitor/vm.h"

static struct vm vm;
static pthread_t vcpu;

void vm_on_exit(struct vm *v)
{
	(void)v;
}

static uint64_t clock_now = 1000, rebased;

uint64_t vm_guest_mono(const struct vm *v)
{
	(void)v;
	return clock_now++;
}

void vm_clock_rebase(struct vm *v, uint64_t mono_ns)
{
	(void)v;
	rebased = mono_ns;
}

static int on_vcpu(struct vm *v, void *arg)
{
	cr_expect_eq(v, &vm);
	cr_expect(pthread_equal(pthread_self(), vcpu));
	return *(int *)arg;
}

static int start(struct vm *v, void *arg)
{
	vm_started(v, *(bool *)arg);
	return 0;
}

static int pause_vm(struct vm *v, void *arg)
{
	(void)arg;
	vm_pause(v);
	return 0;
}

static int resume(struct vm *v, void *arg)
{
	(void)arg;
	vm_resume(v);
	return 0;
}

static int stop(struct vm *v, void *arg)
{
	v->exit_code = *(int *)arg;
	return 0;
}

/* vm_run() with a guest that does nothing. */
static void run(void)
{
	while (vm.exit_code < 0)
		if (signals_pending() && signals_take().control)
			control_serve(&vm);
		else
			control_sleep();
	control_ended(&vm);
}

static void spawn(pthread_t *t, void *(*fn)(void *))
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	cr_assert_eq(pthread_create(t, NULL, fn, NULL), 0);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void init(void)
{
	vm = (struct vm){.exit_code = -1};
	vcpu = pthread_self();
	signals_init();
	cr_assert_eq(control_init(&vm), 0);
}

static void *life(void *arg)
{
	bool paused = true;
	int n = 7;

	(void)arg;
	cr_expect_eq(vm_phase(&vm), VM_NOT_STARTED);
	cr_expect_eq(vm_control(&vm, on_vcpu, &n), 7);
	cr_expect_eq(vm_control(&vm, pause_vm, NULL), 0);
	cr_expect_eq(vm_phase(&vm), VM_NOT_STARTED, "what has not started cannot pause");
	cr_expect_eq(vm_control(&vm, start, &paused), 0);
	cr_expect_eq(vm_phase(&vm), VM_PAUSED);
	cr_expect_eq(vm_control(&vm, resume, NULL), 0);
	cr_expect_eq(vm_phase(&vm), VM_RUNNING);
	cr_expect_eq(rebased, 0, "it has not run yet");
	for (n = 0; n < 2000; n++)
		cr_assert_eq(vm_control(&vm, on_vcpu, &n), n);
	cr_expect_eq(vm_control(&vm, pause_vm, NULL), 0);
	cr_expect_eq(vm_phase(&vm), VM_PAUSED);
	clock_now += 5000;
	cr_expect_eq(vm_control(&vm, resume, NULL), 0);
	cr_expect_eq(rebased, 1000, "the guest's clock goes on from where it was paused");
	cr_expect_eq(vm_control(&vm, pause_vm, NULL), 0);
	n = 42;
	cr_expect_eq(vm_control(&vm, on_vcpu, &n), 42);
	n = 3;
	cr_expect_eq(vm_control(&vm, stop, &n), 0);
	/* What comes while the run loop is still on its way out may be served yet. */
	int r;
	n = 1;
	while ((r = vm_control(&vm, on_vcpu, &n)) == n)
		;
	cr_expect_eq(r, -ESHUTDOWN);
	return NULL;
}

Test(control, work_runs_on_the_vcpu_thread_in_every_phase, .timeout = 30)
{
	pthread_t t;

	init();
	spawn(&t, life);
	cr_assert(vm_wait_start(&vm));
	run();
	pthread_join(t, NULL);
	cr_expect_eq(vm.exit_code, 3);
	cr_expect_eq(vm_phase(&vm), VM_ENDED);
	control_fini(&vm);
	control_fini(&vm);
}

static pthread_t holder;
static bool stands; /* the vCPU thread is in control_serve() */

/* On the caller's thread, and the vCPU's does nothing meanwhile. */
static int on_caller(struct vm *v, void *arg)
{
	int n = *(int *)arg;

	cr_expect(pthread_equal(pthread_self(), holder));
	cr_expect(v->held);
	cr_expect(__atomic_load_n(&stands, __ATOMIC_ACQUIRE));
	return n;
}

static void *hold(void *arg)
{
	int n, r, code = 0;

	(void)arg;
	holder = pthread_self();
	for (n = 0; n < 2000; n++)
		cr_assert_eq(vm_hold(&vm, on_caller, &n), n);
	cr_expect_eq(vm_control(&vm, pause_vm, NULL), 0);
	n = 5;
	cr_expect_eq(vm_hold(&vm, on_caller, &n), 5, "paused, too");
	cr_expect_eq(control_stop(&vm), 0);
	cr_expect_eq(vm_control(&vm, stop, &code), 0);
	while ((r = vm_hold(&vm, on_caller, &n)) == n)
		;
	cr_expect_eq(r, -ESHUTDOWN);
	cr_expect_eq(control_stop(&vm), -ESHUTDOWN);
	return NULL;
}

Test(control, a_caller_acts_itself_while_the_vcpu_thread_waits, .timeout = 30)
{
	unsigned stops = 0;
	pthread_t t;

	init();
	vm_started(&vm, false);
	spawn(&t, hold);
	while (vm.exit_code < 0) {
		if (!signals_pending()) {
			control_sleep();
			continue;
		}
		struct signals_seen s = signals_take();

		stops += s.stop == SIGTERM;
		__atomic_store_n(&stands, true, __ATOMIC_RELEASE);
		control_serve(&vm);
		cr_expect_not(vm.held);
		__atomic_store_n(&stands, false, __ATOMIC_RELEASE);
	}
	control_ended(&vm);
	pthread_join(t, NULL);
	stops += signals_take().stop == SIGTERM;
	cr_expect_eq(stops, 1, "control_stop() is a SIGTERM");
	control_fini(&vm);
}

static int done[4];

static void *caller(void *arg)
{
	int n, r;

	(void)arg;
	for (n = 0; (r = vm_control(&vm, on_vcpu, &n)) == n; n++)
		__atomic_fetch_add(&done[0], 1, __ATOMIC_RELAXED);
	cr_expect_eq(r, -ESHUTDOWN);
	return NULL;
}

static void *stopper(void *arg)
{
	int code = 0;

	(void)arg;
	while (__atomic_load_n(&done[0], __ATOMIC_RELAXED) < 500)
		sched_yield();
	cr_expect_eq(vm_control(&vm, stop, &code), 0);
	return NULL;
}

Test(control, callers_take_turns_and_none_is_forgotten_at_the_end, .timeout = 30)
{
	pthread_t t[3], s;

	init();
	vm_started(&vm, false);
	for (int i = 0; i < 3; i++)
		spawn(&t[i], caller);
	spawn(&s, stopper);
	run();
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	pthread_join(s, NULL);
	control_fini(&vm);
}

Test(control, a_signal_ends_the_wait_for_the_start, .timeout = 30)
{
	init();
	raise(SIGTERM);
	cr_expect_not(vm_wait_start(&vm));
	control_fini(&vm);
}

Test(control, the_vcpu_thread_itself_and_a_vm_without_control_run_at_once)
{
	int n = 9;

	init();
	cr_expect_eq(vm_control(&vm, on_vcpu, &n), 9);
	control_fini(&vm);
	cr_expect_eq(vm_control(&vm, on_vcpu, &n), 9);
}
