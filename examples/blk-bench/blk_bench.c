/* SPDX-License-Identifier: MIT
 *
 * blk_bench.c: how fast is a file or a block device? A much smaller fio: one job, one region, one
 * block size. The same source is a Linux process and a unikernel.
 */
#define _GNU_SOURCE 1 /* O_DIRECT */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"

#define BS_MAX (4u << 20)

static const char usage_text[] =
	"usage: blk-bench --file PATH [options]\n"
	"  --file PATH    file or block device; a write test overwrites it\n"
	"  --op OP        randread (default), randwrite, seqread or seqwrite\n"
	"  --bs BYTES     size of a request (default 4096, at most 4M)\n"
	"  --depth N      requests in flight, 1 to 256 (default 1)\n"
	"  --seconds S    how long (default 5)\n"
	"  --count N      how many requests, instead of how long\n"
	"  --size BYTES   use only the first BYTES of the file (default: all of it)\n"
	"  --direct       O_DIRECT\n"
	"  --json         result as one line of JSON\n"
	"Numbers take the suffixes K, M and G.\n";

static const char *const op_names[] = {"randread", "randwrite", "seqread", "seqwrite"};

struct options {
	const char *file;
	struct job job;
	uint64_t size;
	bool direct, json;
};

/* Digits and an optional K, M or G; 1..max. */
static int parse_size(const char *s, uint64_t max, uint64_t *ret)
{
	static const char suffixes[] = "KMG";
	const char *suffix;
	unsigned long long v;
	unsigned shift = 0;
	char *end;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	v = strtoull(s, &end, 10);
	suffix = *end ? strchr(suffixes, *end) : NULL;
	if (suffix) {
		shift = 10 * (unsigned)(suffix - suffixes + 1);
		end++;
	}
	if (errno || *end || !v || v > max >> shift)
		return -EINVAL;
	*ret = (uint64_t)v << shift;
	return 0;
}

static int parse_op(const char *s, enum op *ret)
{
	for (unsigned i = 0; i < sizeof(op_names) / sizeof(*op_names); i++) {
		if (!strcmp(s, op_names[i])) {
			*ret = (enum op)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_seconds(const char *s, double *ret)
{
	char *end;
	double v = strtod(s, &end);

	if (end == s || *end || !(v > 0 && v <= 86400))
		return -EINVAL;
	*ret = v;
	return 0;
}

static int take_option(int opt, const char *arg, struct options *o)
{
	uint64_t v = 0;
	int r = 0;

	switch (opt) {
	case 'f':
		o->file = arg;
		break;
	case 'o':
		return parse_op(arg, &o->job.op);
	case 'b':
		r = parse_size(arg, BS_MAX, &v);
		o->job.bs = (uint32_t)v;
		break;
	case 'n':
		r = parse_size(arg, DEPTH_MAX, &v);
		o->job.depth = (unsigned)v;
		break;
	case 's':
		return parse_seconds(arg, &o->job.seconds);
	case 'c':
		return parse_size(arg, UINT64_MAX, &o->job.count);
	case 'z':
		return parse_size(arg, INT64_MAX, &o->size);
	case 'd':
		o->direct = true;
		break;
	case 'j':
		o->json = true;
		break;
	default:
		return -EINVAL;
	}
	return r;
}

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"file", required_argument, NULL, 'f'},	   {"op", required_argument, NULL, 'o'},
		{"bs", required_argument, NULL, 'b'},	   {"depth", required_argument, NULL, 'n'},
		{"seconds", required_argument, NULL, 's'}, {"count", required_argument, NULL, 'c'},
		{"size", required_argument, NULL, 'z'},	   {"direct", no_argument, NULL, 'd'},
		{"json", no_argument, NULL, 'j'},	   {NULL, 0, NULL, 0},
	};
	int opt, which = 0;

	while ((opt = getopt_long(argc, argv, "", longs, &which)) != -1) {
		if (opt == '?')
			return -EINVAL;
		if (take_option(opt, optarg, o) < 0) {
			fprintf(stderr, "blk-bench: --%s %s: bad value\n", longs[which].name,
				optarg);
			return -EINVAL;
		}
	}
	return optind < argc || !o->file ? -EINVAL : 0;
}

static int open_file(struct options *o)
{
	bool write = o->job.op == OP_RANDWRITE || o->job.op == OP_SEQWRITE;
	int fd =
		open(o->file, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC | (o->direct ? O_DIRECT : 0));
	off_t end;

	if (fd < 0)
		return -errno;
	end = lseek(fd, 0, SEEK_END);
	if (end < 0)
		return -errno;
	if (!o->size || o->size > (uint64_t)end)
		o->size = (uint64_t)end;
	o->job.fd = fd;
	o->job.blocks = o->size / o->job.bs;
	return o->job.blocks ? 0 : -EFBIG;
}

static void print_json(const struct options *o, const struct result *r)
{
	printf("{\"op\": \"%s\", \"bs\": %u, \"depth\": %u, \"direct\": %s, \"requests\": %llu, "
	       "\"seconds\": %.6f, \"iops\": %.1f, \"mb_s\": %.3f, \"lat_us\": {\"mean\": %.2f, "
	       "\"min\": %.2f, \"p50\": %.2f, \"p99\": %.2f, \"max\": %.2f}}\n",
	       op_names[o->job.op], o->job.bs, o->job.depth, o->direct ? "true" : "false",
	       (unsigned long long)r->requests, r->seconds, (double)r->requests / r->seconds,
	       (double)r->bytes / r->seconds / 1e6,
	       r->lat.n ? (double)r->lat.sum_ns / (double)r->lat.n / 1e3 : 0,
	       (double)r->lat.min_ns / 1e3, (double)stats_percentile(&r->lat, 500) / 1e3,
	       (double)stats_percentile(&r->lat, 990) / 1e3, (double)r->lat.max_ns / 1e3);
}

static void print_text(const struct options *o, const struct result *r)
{
	printf("%s bs=%u depth=%u: %.0f IOPS, %.1f MB/s, latency p50 %.1f us, p99 %.1f us "
	       "(%llu requests in %.2f s)\n",
	       op_names[o->job.op], o->job.bs, o->job.depth, (double)r->requests / r->seconds,
	       (double)r->bytes / r->seconds / 1e6, (double)stats_percentile(&r->lat, 500) / 1e3,
	       (double)stats_percentile(&r->lat, 990) / 1e3, (unsigned long long)r->requests,
	       r->seconds);
}

int main(int argc, char **argv)
{
	static struct result res;
	struct options o = {
		.job = {.bs = 4096, .depth = 1, .seconds = 5, .seed = 0x9e3779b97f4a7c15u}};
	int r;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage_text, stdout);
		return 0;
	}
	if (parse_options(argc, argv, &o) < 0) {
		fputs(usage_text, stderr);
		return 2;
	}
	r = open_file(&o);
	if (r < 0) {
		fprintf(stderr, "blk-bench: %s: %s\n", o.file,
			r == -EFBIG ? "smaller than one request" : strerror(-r));
		return 2;
	}
	r = engine_run(&o.job, &res);
	if (r < 0) {
		fprintf(stderr, "blk-bench: %s: %s\n", o.file, strerror(-r));
		return 1;
	}
	if (o.json)
		print_json(&o, &res);
	else
		print_text(&o, &res);
	close(o.job.fd);
	return 0;
}
