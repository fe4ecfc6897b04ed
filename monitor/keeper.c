/* SPDX-License-Identifier: MIT
 *
 * keeper.c: see keeper.h. The two threads take turns: one posts, the other waits.
 */
#include "monitor/keeper.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>

#include "lib/semwait.h"
#include "monitor/confine.h"
#include "monitor/vm.h"

struct keeper {
	pthread_t thread;
	sem_t todo, done;
	int (*fn)(struct vm *vm, void *arg); /* NULL: the end */
	void *arg;
	int ret;
};

static struct keeper keeper;

static void *keeper_main(void *arg)
{
	struct vm *vm = arg;

	if (!confine_enter(CONFINE_KEEPER))
		return NULL;
	for (;;) {
		sem_take(&keeper.todo);
		if (!keeper.fn)
			return NULL;
		keeper.ret = keeper.fn(vm, keeper.arg);
		sem_post(&keeper.done);
	}
}

static bool needed(const struct vm *vm)
{
	const struct vm_config *cfg = vm->cfg;

	return ((cfg->save.path || cfg->fork.n) && !vm->frozen) || vm->wset;
}

int keeper_start(struct vm *vm, char *err, size_t errlen)
{
	sigset_t all, old;

	if (!confine_on() || !needed(vm))
		return 0;
	sem_init(&keeper.todo, 0, 0);
	sem_init(&keeper.done, 0, 0);
	confine_expect(CONFINE_KEEPER);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	int r = pthread_create(&keeper.thread, NULL, keeper_main, vm);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = r;
	if (r)
		return vm_error(err, errlen, "keeper thread");
	vm->keeper = &keeper;
	return 0;
}

static void end(struct vm *vm)
{
	keeper.fn = NULL;
	sem_post(&keeper.todo);
	vm->keeper = NULL;
}

int keeper_run(struct vm *vm, int (*fn)(struct vm *vm, void *arg), void *arg)
{
	if (!vm->keeper)
		return fn(vm, arg);
	keeper.fn = fn;
	keeper.arg = arg;
	vm->held = true;
	sem_post(&keeper.todo);
	sem_take(&keeper.done);
	vm->held = false;
	if (!needed(vm))
		end(vm);
	return keeper.ret;
}

void keeper_stop(struct vm *vm)
{
	if (!vm->keeper)
		return;
	end(vm);
	pthread_join(keeper.thread, NULL);
}
