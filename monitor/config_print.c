/* SPDX-License-Identifier: MIT
 *
 * config_print.c: the resolved configuration for people (--dry-run), in the words of the command
 * line. Main thread; what it prints was judged by config_field.c.
 */
#include "monitor/config.h"

#include "lib/printable.h"
#include "monitor/config_value.h"

/* Paths and the command line may hold anything but NUL: terminals get to see printable bytes only.
 */
static void put_text(FILE *out, const char *key, const char *s)
{
	fprintf(out, "%s: ", key);
	for (; *s; s++)
		fputc(printable_byte(*s) ? *s : '?', out);
	fputc('\n', out);
}

static void print_limit(const char *dir, const struct rate_config *l, FILE *out)
{
	char v[VALUE_STR_MAX];

	value_bucket_str(&l->bw, true, v);
	if (l->bw.size && l->bw.refill_ms)
		fprintf(out, "  %sbw %s\n", dir, v);
	value_bucket_str(&l->ops, false, v);
	if (l->ops.size && l->ops.refill_ms)
		fprintf(out, "  %sops %s\n", dir, v);
}

static void print_blk(const struct blk_config *b, FILE *out)
{
	fprintf(out, "block %s: queues=%u%s%s\n", b->id, b->queues, b->ro ? " ro" : "",
		b->direct ? " direct" : "");
	put_text(out, "  path", b->path);
	if (b->overlay)
		put_text(out, "  overlay", b->overlay);
	if (b->overlay_max) {
		char v[VALUE_STR_MAX];

		value_size_str(b->overlay_max, v);
		fprintf(out, "  overlay-max %s\n", v);
	}
	print_limit("", &b->limit, out);
}

static void print_policy(const struct net_policy *p, FILE *out)
{
	char v[VALUE_STR_MAX];

	if (p->antispoof)
		fputs("  antispoof\n", out);
	for (unsigned i = 0; i < p->naddrs; i++) {
		value_ip_str(p->addrs[i], v);
		fprintf(out, "  addr %s\n", v);
	}
	for (unsigned i = 0; i < p->nallow; i++) {
		value_allow_str(&p->allow[i], v);
		fprintf(out, "  allow %s\n", v);
	}
	if (p->restrict_dest && !p->nallow)
		fputs("  allow none\n", out);
}

static void print_net(const struct net_config *n, FILE *out)
{
	char v[VALUE_STR_MAX];

	fprintf(out, "net %s:", n->id);
	if (n->backend == NET_TAP)
		fprintf(out, " tap=%s", n->tap);
	else if (n->backend == NET_FD)
		fprintf(out, " fd=%d", n->fd);
	else
		fputs(" user", out);
	if (n->has_mac) {
		value_mac_str(n->mac, v);
		fprintf(out, " mac=%s", v);
	}
	fprintf(out, " mtu=%u\n", n->mtu ? n->mtu : 1500u);
	for (unsigned i = 0; i < n->nfwd; i++) {
		value_fwd_str(&n->fwd[i], v);
		fprintf(out, "  fwd %s\n", v);
	}
	if (n->host_loopback)
		fputs("  host_loopback\n", out);
	print_policy(&n->policy, out);
	print_limit("rx-", &n->rx_limit, out);
	print_limit("tx-", &n->tx_limit, out);
}

void config_print(const struct vm_config *cfg, FILE *out)
{
	static const char *const idle[] = {
		[IDLE_AUTO] = "auto", [IDLE_EXIT] = "exit", [IDLE_HLT] = "hlt"};
	char v[VALUE_STR_MAX];

	put_text(out, "kernel", cfg->kernel);
	put_text(out, "cmdline", cfg->cmdline);
	value_size_str(cfg->mem, v);
	fprintf(out, "mem: %s\n", v);
	if (cfg->id)
		fprintf(out, "id: %s\n", cfg->id);
	if (cfg->api_sock)
		put_text(out, "api-sock", cfg->api_sock);
	put_text(out, "console", cfg->console);
	if (cfg->metrics)
		put_text(out, "metrics", cfg->metrics);
	fprintf(out, "idle: %s\n", idle[cfg->idle]);
	if (cfg->serve) {
		put_text(out, "serve", cfg->serve);
		fprintf(out, "serve-timeout: %u\n", cfg->serve_timeout_ms);
	}
	fprintf(out, "boot-timer: %s\n", cfg->boot_timer ? "on" : "off");
	for (unsigned i = 0; i < cfg->nblk; i++)
		print_blk(&cfg->blk[i], out);
	for (unsigned i = 0; i < cfg->nnet; i++)
		print_net(&cfg->net[i], out);
}
