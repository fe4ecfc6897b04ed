/* SPDX-License-Identifier: MIT
 *
 * api_stub.c: see api_stub.h.
 */
#include "tests/unit/api_stub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/api/handlers.h"

static int answer(struct api_stub *s, char *err, size_t errlen)
{
	int r = s->fail;

	s->fail = 0;
	if (r)
		snprintf(err, errlen, "the stub was told to fail");
	return r;
}

static void confine(void *ctx)
{
	(void)ctx;
}

static enum vm_phase phase(void *ctx)
{
	return ((struct api_stub *)ctx)->phase;
}

static int base_config(void *ctx, struct vm_config *cfg, struct errtext *err)
{
	(void)ctx;
	(void)err;
	config_init(cfg);
	return 0;
}

static int start(void *ctx, struct vm_config *cfg, bool paused, char *err, size_t errlen)
{
	struct api_stub *s = ctx;
	int r = answer(s, err, errlen);

	snprintf(s->said, sizeof s->said, "start %s mem=%lu blk=%u net=%u", cfg->kernel,
		 (unsigned long)cfg->mem, cfg->nblk, cfg->nnet);
	if (r)
		return r;
	s->cfg = cfg;
	s->phase = paused ? VM_PAUSED : VM_RUNNING;
	return 0;
}

static int load_config(void *ctx, struct vm_config *cfg, const struct api_snapshot *snap, char *err,
		       size_t errlen)
{
	struct api_stub *s = ctx;

	snprintf(s->said, sizeof s->said, "load %.80s %.80s %d", snap->state, snap->mem,
		 snap->track_dirty);
	cfg->kernel = "snapshot";
	return answer(s, err, errlen);
}

static int pause_vm(void *ctx, char *err, size_t errlen)
{
	struct api_stub *s = ctx;

	s->phase = VM_PAUSED;
	return answer(s, err, errlen);
}

static int resume(void *ctx, char *err, size_t errlen)
{
	struct api_stub *s = ctx;

	s->phase = VM_RUNNING;
	return answer(s, err, errlen);
}

static int stop(void *ctx, char *err, size_t errlen)
{
	struct api_stub *s = ctx;

	snprintf(s->said, sizeof s->said, "stop");
	return answer(s, err, errlen);
}

static int flush_metrics(void *ctx, char *err, size_t errlen)
{
	struct api_stub *s = ctx;

	snprintf(s->said, sizeof s->said, "flush");
	return answer(s, err, errlen);
}

static int patch_drive(void *ctx, const char *id, const char *path, const struct api_limits *limit,
		       char *err, size_t errlen)
{
	struct api_stub *s = ctx;

	snprintf(s->said, sizeof s->said, "drive %.40s %.80s %d:%lu/%lu", id, path ? path : "-",
		 limit->ops.given, (unsigned long)limit->ops.size,
		 (unsigned long)limit->ops.refill_ms);
	return answer(s, err, errlen);
}

static int patch_net(void *ctx, const char *id, const struct api_limits *rx,
		     const struct api_limits *tx, char *err, size_t errlen)
{
	struct api_stub *s = ctx;

	snprintf(s->said, sizeof s->said, "net %.40s %d %d", id, rx->bandwidth.given,
		 tx->bandwidth.given);
	return answer(s, err, errlen);
}

static int snapshot(void *ctx, const char *state, const char *mem, bool diff, char *err,
		    size_t errlen)
{
	struct api_stub *s = ctx;

	snprintf(s->said, sizeof s->said, "snapshot %.80s %.80s %d", state, mem, diff);
	return answer(s, err, errlen);
}

static int rewind_vm(void *ctx, bool mark, char *err, size_t errlen)
{
	struct api_stub *s = ctx;

	snprintf(s->said, sizeof s->said, "rewind %d", mark);
	return answer(s, err, errlen);
}

static int fork_vm(void *ctx, struct vm_config *const *cfg, unsigned n, pid_t *ret_pids, char *err,
		   size_t errlen)
{
	struct api_stub *s = ctx;

	snprintf(s->said, sizeof s->said, "fork %u %s", n, cfg[0]->id ? cfg[0]->id : "-");
	for (unsigned i = 0; i < n; i++)
		ret_pids[i] = 100 + (pid_t)i;
	return answer(s, err, errlen);
}

static bool watch(void *ctx)
{
	(void)ctx;
	return false;
}

static char *metrics(void *ctx, size_t *ret_len)
{
	(void)ctx;
	*ret_len = 7;
	return strdup("stub 1\n");
}

static char *config(void *ctx)
{
	(void)ctx;
	return NULL;
}

const struct api_vmm api_stub_vmm = {
	.confine = confine,
	.phase = phase,
	.base_config = base_config,
	.start = start,
	.load_config = load_config,
	.pause = pause_vm,
	.resume = resume,
	.stop = stop,
	.flush_metrics = flush_metrics,
	.patch_drive = patch_drive,
	.patch_net = patch_net,
	.snapshot = snapshot,
	.rewind = rewind_vm,
	.fork_config = base_config,
	.fork = fork_vm,
	.watch = watch,
	.metrics = metrics,
	.config = config,
};

void api_stub_fini(struct api_stub *s)
{
	api_free_config(s->cfg);
	s->cfg = NULL;
}
