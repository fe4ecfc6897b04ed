/* SPDX-License-Identifier: MIT
 *
 * metrics.c: see metrics_json.h. Formatted into one buffer on the stack and written at once: no
 * allocation, no stdio, so that asking for numbers changes them little.
 */
#include "monitor/metrics_json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/handed.h"
#include "lib/num.h"
#include "lib/vec.h"

#define REPORT_MAX 16384

struct counter {
	const char *name;
	size_t off;
};

#define VM(f)                                      \
	{                                          \
#f, offsetof(struct vm_metrics, f) \
	}
#define BLK(f)                                      \
	{                                           \
#f, offsetof(struct blk_metrics, f) \
	}
#define NET(f)                                      \
	{                                           \
#f, offsetof(struct net_metrics, f) \
	}
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct counter vm_exits[] = {
	VM(exits),	     VM(exits_mmio),	  VM(exits_io),	   VM(exits_intr),
	VM(exits_hlt),	     VM(exits_shutdown),  VM(exits_other), VM(ctl_idle),
	VM(ctl_console),     VM(ctl_exit),	  VM(ctl_crash),   VM(virtio_mmio),
	VM(doorbells),	     VM(ioeventfd_kicks), VM(irqs),	   VM(console_bytes),
	VM(console_dropped), VM(prefetched),	  VM(forks),	   VM(fork_pause_ns),
};
static const struct counter vm_times[] = {
	VM(t_start),	   VM(t_config),     VM(t_kvm),		 VM(t_image), VM(t_enter),
	VM(t_guest_entry), VM(t_guest_main), VM(t_guest_listen), VM(t_exit),
};
static const struct counter blk_counters[] = {
	BLK(read_reqs),	    BLK(write_reqs),  BLK(flush_reqs),	     BLK(discard_reqs),
	BLK(zero_reqs),	    BLK(other_reqs),  BLK(read_bytes),	     BLK(write_bytes),
	BLK(errors),	    BLK(inline_reqs), BLK(uring_reqs),	     BLK(throttled),
	BLK(notifications), BLK(interrupts),  BLK(overlay_clusters), BLK(overlay_copyups),
	BLK(overlay_full),
};
static const struct counter net_counters[] = {
	NET(rx_frames),	     NET(rx_bytes),	NET(tx_frames),	   NET(tx_bytes),
	NET(rx_dropped),     NET(tx_errors),	NET(tx_full),	   NET(tx_denied_spoof),
	NET(tx_denied_dest), NET(rx_throttled), NET(tx_throttled), NET(notifications),
	NET(interrupts),
};

static const struct counter serve_counters[] = {
	{"requests", offsetof(struct serve_metrics, requests)},
	{"failed", offsetof(struct serve_metrics, failed)},
	{"timeouts", offsetof(struct serve_metrics, timeouts)},
	{"bad", offsetof(struct serve_metrics, bad)},
};

static const struct counter rewind_counters[] = {
	{"rewinds", offsetof(struct rewind_metrics, rewinds)},
	{"dirty", offsetof(struct rewind_metrics, dirty)},
	{"copied", offsetof(struct rewind_metrics, copied)},
	{"cooled", offsetof(struct rewind_metrics, cooled)},
};

/* A counter that is added to a struct and forgotten here would never be seen. */
_Static_assert(sizeof(struct vm_metrics) == (COUNT(vm_exits) + COUNT(vm_times)) * 8,
	       "every VM counter is listed");
_Static_assert(sizeof(struct blk_metrics) == COUNT(blk_counters) * 8,
	       "every block counter is listed");
_Static_assert(sizeof(struct net_metrics) == COUNT(net_counters) * 8,
	       "every net counter is listed");

/* One read of a word whose writer may be another thread. */
static unsigned long long load(const void *base, size_t off)
{
	return __atomic_load_n((const uint64_t *)((const char *)base + off), __ATOMIC_RELAXED);
}

static void put_counters(struct buf *b, const char *indent, const void *base,
			 const struct counter *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "%s\n%s\"%s\": %llu", i ? "," : "", indent, c[i].name,
			   load(base, c[i].off));
}

static void put_section(struct buf *b, const char *name, const void *base, const struct counter *c,
			size_t n)
{
	if (!base)
		return;
	buf_printf(b, ",\n  \"%s\": {", name);
	put_counters(b, "    ", base, c, n);
	buf_printf(b, "\n  }");
}

static void put_device(struct buf *b, bool first, const char *id, const void *m,
		       const struct counter *c, size_t n)
{
	buf_printf(b, "%s\n    {\n      \"id\": ", first ? "" : ",");
	buf_json_str(b, id);
	buf_printf(b, ",");
	put_counters(b, "      ", m, c, n);
	buf_printf(b, "\n    }");
}

static void put_devices(struct buf *b, const struct metrics_report *rep)
{
	bool first = true;

	buf_printf(b, ",\n  \"block\": [");
	for (unsigned i = 0; i < rep->ndevs; i++) {
		const struct metrics_dev *d = &rep->devs[i];

		if (!d->blk)
			continue;
		put_device(b, first, d->id, d->blk, blk_counters, COUNT(blk_counters));
		first = false;
	}
	buf_printf(b, "%s],\n  \"net\": [", first ? "" : "\n  ");
	first = true;
	for (unsigned i = 0; i < rep->ndevs; i++) {
		const struct metrics_dev *d = &rep->devs[i];

		if (!d->net)
			continue;
		put_device(b, first, d->id, d->net, net_counters, COUNT(net_counters));
		first = false;
	}
	buf_printf(b, "%s]", first ? "" : "\n  ");
}

static unsigned long long usec(struct timeval tv)
{
	return (unsigned long long)tv.tv_sec * 1000000 + (unsigned long long)tv.tv_usec;
}

static void put_process(struct buf *b, const struct rusage *ru)
{
	buf_printf(b,
		   ",\n  \"process\": {\n"
		   "    \"cpu_user_us\": %llu,\n    \"cpu_sys_us\": %llu,\n"
		   "    \"minor_faults\": %ld,\n    \"major_faults\": %ld,\n    \"max_rss_kib\": "
		   "%ld,\n"
		   "    \"switches_voluntary\": %ld,\n    \"switches_involuntary\": %ld\n  }",
		   usec(ru->ru_utime), usec(ru->ru_stime), ru->ru_minflt, ru->ru_majflt,
		   ru->ru_maxrss, ru->ru_nvcsw, ru->ru_nivcsw);
}

/* The KiB behind "\nKey:", 0 when the kernel does not say. */
static unsigned long long rollup_kib(const char *text, const char *key)
{
	const char *p = strstr(text, key);
	uint64_t v = 0;

	if (!p)
		return 0;
	p += strlen(key);
	p += strspn(p, " ");
	if (num_u64(p, strspn(p, "0123456789"), 0, UINT64_MAX, &v) < 0)
		return 0;
	return v;
}

int metrics_rollup(int fd, char *text, size_t cap)
{
	ssize_t n = fd < 0 ? -1 : vec_get(fd, text, cap - 1, 0);

	if (n < 0)
		return -ENOENT;
	text[n] = '\0';
	return 0;
}

unsigned long long metrics_pss_kib(const char *text)
{
	return rollup_kib(text, "\nPss:");
}

static void put_memory(struct buf *b, const char *rollup)
{
	static const struct {
		const char *name, *key;
	} rows[] = {
		{"rss_kib", "\nRss:"},
		{"pss_kib", "\nPss:"},
		{"shared_clean_kib", "\nShared_Clean:"},
		{"shared_dirty_kib", "\nShared_Dirty:"},
		{"private_clean_kib", "\nPrivate_Clean:"},
		{"private_dirty_kib", "\nPrivate_Dirty:"},
		{"swap_kib", "\nSwap:"},
	};

	if (!rollup) {
		buf_printf(b, ",\n  \"memory\": null");
		return;
	}
	buf_printf(b, ",\n  \"memory\": {");
	for (size_t i = 0; i < COUNT(rows); i++)
		buf_printf(b, "%s\n    \"%s\": %llu", i ? "," : "", rows[i].name,
			   rollup_kib(rollup, rows[i].key));
	buf_printf(b, "\n  }");
}

static void put_str_or_null(struct buf *b, const char *key, const char *s)
{
	buf_printf(b, ",\n  \"%s\": ", key);
	if (s)
		buf_json_str(b, s);
	else
		buf_printf(b, "null");
}

static int format_report(struct buf *b, const struct metrics_report *rep, int rollup_fd)
{
	char rollup[2048];
	struct rusage ru;
	/* First, before formatting dirties pages of its own. */
	bool have_memory = metrics_rollup(rollup_fd, rollup, sizeof rollup) == 0;

	if (getrusage(RUSAGE_SELF, &ru) < 0)
		return -errno;
	buf_printf(b, "{\n  \"schema\": 1");
	put_str_or_null(b, "id", rep->id);
	put_str_or_null(b, "image", rep->image);
	buf_printf(b, ",\n  \"mem_size\": %llu,\n  \"exit_status\": ",
		   (unsigned long long)rep->mem_size);
	if (rep->exit_status < 0)
		buf_printf(b, "null");
	else
		buf_printf(b, "%d", rep->exit_status);
	buf_printf(b, ",\n  \"vm\": {");
	put_counters(b, "    ", rep->vm, vm_exits, COUNT(vm_exits));
	buf_printf(b, "\n  },\n  \"times_ns\": {");
	put_counters(b, "    ", rep->vm, vm_times, COUNT(vm_times));
	buf_printf(b, "\n  }");
	put_section(b, "serve", rep->serve, serve_counters, COUNT(serve_counters));
	put_section(b, "rewind", rep->rewind, rewind_counters, COUNT(rewind_counters));
	put_devices(b, rep);
	put_process(b, &ru);
	put_memory(b, have_memory ? rollup : NULL);
	buf_printf(b, "\n}\n");
	return b->cut ? -ENOBUFS : 0;
}

static int write_full(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = vec_put(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

int metrics_open(struct metrics_out *ret_out, const char *path)
{
	struct metrics_out out = {.fd = STDOUT_FILENO, .rollup = -1};
	struct stat st;

	if (strcmp(path, "-") != 0) {
		/* A FIFO that nobody reads yet opens for reading and writing only. */
		bool special =
			handed_number(path) < 0 && stat(path, &st) == 0 && !S_ISREG(st.st_mode);

		out.fd = handed_open(path,
				     (special ? 0 : O_CREAT | O_TRUNC) |
					     (special && S_ISFIFO(st.st_mode) ? O_RDWR : O_WRONLY) |
					     O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
				     0644);
		if (out.fd < 0)
			return -errno;
		if (fstat(out.fd, &st) < 0)
			st.st_mode = 0;
		out.file = S_ISREG(st.st_mode);
	}
	/* None in a jail without /proc: the report then says null. */
	out.rollup = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
	*ret_out = out;
	return 0;
}

void metrics_close(struct metrics_out *out)
{
	if (out->rollup >= 0)
		close(out->rollup);
	if (out->fd > STDERR_FILENO)
		close(out->fd);
	*out = (struct metrics_out){.fd = -1, .rollup = -1};
}

/* In place and by one call; blanks cover what an earlier, longer report had. */
static int write_over(struct metrics_out *out, struct buf *b)
{
	while (b->len < out->len && b->len + 1 < b->cap)
		b->p[b->len++] = ' ';
	b->p[b->len - 1] = '\n';
	for (size_t done = 0; done < b->len;) {
		ssize_t n = vec_put_at(out->fd, b->p + done, b->len - done, done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	out->len = b->len;
	return 0;
}

int metrics_write(struct metrics_out *out, const struct metrics_report *rep)
{
	char text[REPORT_MAX];
	struct buf b;
	int r;

	buf_init(&b, text, sizeof text);
	r = format_report(&b, rep, out->rollup);
	if (r < 0)
		return r;
	return out->file ? write_over(out, &b) : write_full(out->fd, text, b.len);
}

typedef void each_fn(void *arg, const char *group, const char *name, const char *id,
		     unsigned long long value);

static void each_vm(const struct metrics_report *rep, const char *group, const struct counter *c,
		    size_t n, each_fn *fn, void *arg)
{
	for (size_t i = 0; i < n; i++)
		fn(arg, group, c[i].name, NULL, load(rep->vm, c[i].off));
}

static void each_device(const struct metrics_report *rep, bool blk, const struct counter *c,
			size_t n, each_fn *fn, void *arg)
{
	for (size_t i = 0; i < n; i++)
		for (unsigned d = 0; d < rep->ndevs; d++) {
			const struct metrics_dev *dev = &rep->devs[d];

			if (blk && dev->blk)
				fn(arg, "block", c[i].name, dev->id, load(dev->blk, c[i].off));
			else if (!blk && dev->net)
				fn(arg, "net", c[i].name, dev->id, load(dev->net, c[i].off));
		}
}

void metrics_each(const struct metrics_report *rep, each_fn *fn, void *arg)
{
	each_vm(rep, "vm", vm_exits, COUNT(vm_exits), fn, arg);
	each_vm(rep, "time", vm_times, COUNT(vm_times), fn, arg);
	each_device(rep, true, blk_counters, COUNT(blk_counters), fn, arg);
	each_device(rep, false, net_counters, COUNT(net_counters), fn, arg);
}
