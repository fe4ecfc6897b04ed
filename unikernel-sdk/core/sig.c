/* SPDX-License-Identifier: MIT
 *
 * sig.c: signals (see sig.h). Pending signals are a bit set: none is queued twice, as POSIX allows
 * for the standard ones. The monitor's stop request becomes the signal that it names.
 */
#include "core/sig.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>

#include "core/area.h"
#include "core/platform.h"
#include "core/sys.h"
#include "core/wait.h"

#define NSIG_MAX    64
#define BIT(sig)    (UINT64_C(1) << ((sig)-1))
#define UNBLOCKABLE (BIT(SIGKILL) | BIT(SIGSTOP))
#define IGNORED_BY_DEFAULT                                                                         \
	(BIT(SIGCHLD) | BIT(SIGCONT) | BIT(SIGURG) | BIT(SIGWINCH) | BIT(SIGSTOP) | BIT(SIGTSTP) | \
	 BIT(SIGTTIN) | BIT(SIGTTOU) | BIT(SIGPIPE))

/* The kernel's struct sigaction, as musl passes it. */
struct ksigaction {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static UK_BSS_LAST(actions) struct ksigaction actions[NSIG_MAX];
static uint64_t blocked, pending;
static uint64_t saved_mask;
static bool mask_saved;
static int stop_seen;
static uint64_t alarm_at = UK_FOREVER, alarm_every;
static stack_t altstack = {.ss_flags = SS_DISABLE};

static bool is_default(int sig)
{
	return (uintptr_t)actions[sig - 1].handler == (uintptr_t)SIG_DFL;
}

static bool ignored(int sig)
{
	if (is_default(sig))
		return IGNORED_BY_DEFAULT & BIT(sig);
	return (uintptr_t)actions[sig - 1].handler == (uintptr_t)SIG_IGN;
}

static void post(int sig)
{
	if (!ignored(sig) || blocked & BIT(sig))
		pending |= BIT(sig);
}

/* What arrives from outside and from the clock. */
static void collect(void)
{
	int stop = uk__stop_requested();

	if (stop != stop_seen) {
		stop_seen = stop;
		if (stop > 0 && stop <= NSIG_MAX)
			post(stop);
	}
	if (alarm_at != UK_FOREVER && uk__mono_ns() >= alarm_at) {
		alarm_at = alarm_every ? uk__mono_ns() + alarm_every : UK_FOREVER;
		post(SIGALRM);
	}
}

bool uk__sig_due(void)
{
	collect();
	return pending & ~blocked;
}

uint64_t uk__sig_deadline(void)
{
	return alarm_at;
}

/* Returns whether an interrupted call restarts after this handler. */
static bool run_handler(int sig)
{
	struct ksigaction act = actions[sig - 1];
	uint64_t old = blocked;
	siginfo_t info;
	ucontext_t context;

	memset(&info, 0, sizeof(info));
	memset(&context, 0, sizeof(context));
	info.si_signo = sig;
	info.si_code = SI_USER;
	info.si_pid = 1;
	memcpy(&context.uc_sigmask, &old, sizeof(old));
	blocked |= act.mask | (act.flags & SA_NODEFER ? 0 : BIT(sig));
	blocked &= ~UNBLOCKABLE;
	if (act.flags & SA_RESETHAND)
		actions[sig - 1] = (struct ksigaction){0};
	act.handler(sig, &info, &context);
	blocked = old;
	return act.flags & SA_RESTART;
}

enum uk_sig_result uk__sig_run(void)
{
	bool restart = true, ran = false;

	while (pending & ~blocked) {
		int sig = __builtin_ctzll(pending & ~blocked) + 1;

		pending &= ~BIT(sig);
		if (ignored(sig))
			continue;
		if (is_default(sig))
			uk__exit(128 + sig);
		ran = true;
		restart &= run_handler(sig);
	}
	if (mask_saved) {
		mask_saved = false;
		blocked = saved_mask;
		restart = false;
	}
	return !ran ? UK_SIG_NONE : restart ? UK_SIG_RESTART : UK_SIG_INTERRUPT;
}

void uk__sig_mask_begin(const uint64_t *mask)
{
	if (!mask)
		return;
	saved_mask = blocked;
	mask_saved = true;
	blocked = *mask & ~UNBLOCKABLE;
}

void uk__sig_mask_end(bool interrupted)
{
	if (!mask_saved || interrupted)
		return;
	mask_saved = false;
	blocked = saved_mask;
}

static long do_sigaction(long sig, const struct ksigaction *act, struct ksigaction *old)
{
	if (sig < 1 || sig > NSIG_MAX || (act && BIT(sig) & UNBLOCKABLE))
		return -EINVAL;
	if (old)
		*old = actions[sig - 1];
	if (act)
		actions[sig - 1] = *act;
	if (act && ignored((int)sig))
		pending &= ~BIT(sig);
	return 0;
}

static long do_sigprocmask(long how, const uint64_t *set, uint64_t *old)
{
	uint64_t was = blocked;

	if (set)
		switch (how) {
		case SIG_BLOCK:
			blocked |= *set;
			break;
		case SIG_UNBLOCK:
			blocked &= ~*set;
			break;
		case SIG_SETMASK:
			blocked = *set;
			break;
		default:
			return -EINVAL;
		}
	blocked &= ~UNBLOCKABLE;
	if (old)
		*old = was;
	return 0;
}

/* There is one process, number 1, and one thread in it. */
static long do_kill(long pid, long sig)
{
	if (pid > 1 || pid < -1)
		return -ESRCH;
	if (sig < 0 || sig > NSIG_MAX)
		return -EINVAL;
	if (sig)
		post((int)sig);
	return 0;
}

static long do_sigsuspend(const uint64_t *mask)
{
	uk__sig_mask_begin(mask);
	int r = uk__wait(NULL, NULL, UK_FOREVER);

	uk__sig_mask_end(r == -EINTR);
	return -EINTR;
}

static bool pending_in(void *set)
{
	collect();
	return pending & *(const uint64_t *)set;
}

static long do_sigtimedwait(uint64_t set, siginfo_t *info, const struct timespec *ts)
{
	uint64_t deadline = UK_FOREVER;

	if (ts)
		deadline =
			uk__mono_ns() + (uint64_t)ts->tv_sec * 1000000000u + (uint64_t)ts->tv_nsec;
	int r = uk__wait(pending_in, &set, deadline);

	if (r)
		return r == -ETIMEDOUT ? -EAGAIN : r;
	int sig = __builtin_ctzll(pending & set) + 1;

	pending &= ~BIT(sig);
	if (info) {
		memset(info, 0, sizeof(*info));
		info->si_signo = sig;
		info->si_code = SI_USER;
		info->si_pid = 1;
	}
	return sig;
}

static uint64_t tv_ns(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000000u + (uint64_t)tv->tv_usec * 1000u;
}

static struct timeval ns_tv(uint64_t ns)
{
	return (struct timeval){.tv_sec = (time_t)(ns / 1000000000u),
				.tv_usec = (suseconds_t)(ns % 1000000000u / 1000u)};
}

static void get_alarm(struct itimerval *it)
{
	uint64_t now = uk__mono_ns(), left = 0;

	if (alarm_at != UK_FOREVER)
		left = alarm_at > now + 1000 ? alarm_at - now : 1000;
	it->it_value = ns_tv(left);
	it->it_interval = ns_tv(alarm_every);
}

static long do_setitimer(long which, const struct itimerval *it, struct itimerval *old)
{
	if (which != ITIMER_REAL)
		return which < 0 || which > ITIMER_PROF ? -EINVAL : -ENOTSUP;
	if (it->it_value.tv_sec < 0 || (uint64_t)it->it_value.tv_usec > 999999 ||
	    it->it_interval.tv_sec < 0 || (uint64_t)it->it_interval.tv_usec > 999999)
		return -EINVAL;
	if (old)
		get_alarm(old);
	alarm_every = tv_ns(&it->it_interval);
	alarm_at = tv_ns(&it->it_value) ? uk__mono_ns() + tv_ns(&it->it_value) : UK_FOREVER;
	return 0;
}

long uk__sig_syscall(long n, const long a[6])
{
	switch (n) {
	case SYS_rt_sigaction:
		return do_sigaction(a[0], (const struct ksigaction *)a[1],
				    (struct ksigaction *)a[2]);
	case SYS_rt_sigprocmask:
		return do_sigprocmask(a[0], (const uint64_t *)a[1], (uint64_t *)a[2]);
	case SYS_rt_sigpending:
		collect();
		*(uint64_t *)a[0] = pending & blocked;
		return 0;
	case SYS_rt_sigsuspend:
		return do_sigsuspend((const uint64_t *)a[0]);
	case SYS_pause:
		return do_sigsuspend(NULL);
	case SYS_rt_sigtimedwait:
		return do_sigtimedwait(*(const uint64_t *)a[0], (siginfo_t *)a[1],
				       (const struct timespec *)a[2]);
	case SYS_kill:
		return do_kill(a[0], a[1]);
	case SYS_tkill:
		return a[0] == 1 ? do_kill(1, a[1]) : -ESRCH;
	case SYS_tgkill:
		return a[0] == 1 && a[1] == 1 ? do_kill(1, a[2]) : -ESRCH;
	case SYS_sigaltstack: /* kept, but handlers run on the caller's stack: they never follow an
				 overflow */
		if (a[1])
			*(stack_t *)a[1] = altstack;
		if (a[0])
			altstack = *(const stack_t *)a[0];
		return 0;
	case SYS_setitimer:
		return do_setitimer(a[0], (const struct itimerval *)a[1], (struct itimerval *)a[2]);
	case SYS_getitimer:
		if (a[0] != ITIMER_REAL)
			return -EINVAL;
		get_alarm((struct itimerval *)a[1]);
		return 0;
	default:
		return UK_NOSYS;
	}
}
