/* SPDX-License-Identifier: MIT
 *
 * test_opts.c: the command line, its values and what it says about mistakes.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/buf.h"
#include "monitor/config_json.h"
#include "monitor/config_value.h"
#include "monitor/opts.h"

#define ARGS_MAX 40

static struct vm_config cfg;
static struct opts opts;
static struct errtext err;

/* Words split at '|', so that values may hold spaces. */
static int parse(const char *line)
{
	static char copy[65536];
	char *argv[ARGS_MAX] = {"mayfly-monitor"}, *save = NULL;
	int argc = 1;

	config_fini(&cfg);
	err.text[0] = '\0';
	snprintf(copy, sizeof copy, "%s", line);
	for (char *w = strtok_r(copy, "|", &save); w; w = strtok_r(NULL, "|", &save)) {
		cr_assert_lt(argc, ARGS_MAX - 1);
		argv[argc++] = w;
	}
	return opts_parse(argc, argv, &cfg, &opts, &err);
}

static void refused(const char *line, const char *says)
{
	int r = parse(line);

	cr_assert_eq(r, -EINVAL, "accepted: %s", line);
	cr_assert(strstr(err.text, says), "%s\n  says   '%s'\n  not    '%s'", line, err.text, says);
	cr_assert_null(strchr(err.text, '\n'));
}

/* line with every %s replaced, and %% by one. */
static void hostile(char *out, size_t len, const char *line, const char *word)
{
	struct buf b;

	buf_init(&b, out, len);
	for (; *line; line++)
		if (strncmp(line, "%s", 2) == 0 || strncmp(line, "%%", 2) == 0)
			buf_printf(&b, "%s", *++line == 's' ? word : "%");
		else
			buf_printf(&b, "%c", *line);
	cr_assert(!b.cut);
}

static void accepted(const char *line)
{
	int r = parse(line);

	cr_assert_geq(r, 0, "%s: %s", line, err.text);
}

Test(opts, defaults)
{
	cr_assert_eq(parse("--kernel|app"), OPTS_RUN);
	cr_assert_str_eq(cfg.kernel, "app");
	cr_assert_str_eq(cfg.cmdline, "");
	cr_assert_eq(cfg.mem, 16u << 20);
	cr_assert_str_eq(cfg.console, "-");
	cr_assert_null(cfg.metrics);
	cr_assert_null(cfg.id);
	cr_assert_eq(cfg.idle, IDLE_AUTO);
	cr_assert(!cfg.boot_timer);
	cr_assert_eq(cfg.nblk + cfg.nnet, 0);
}

Test(opts, both_spellings)
{
	accepted("--kernel=app|--mem=8M|--cmdline|A=b -- x "
		 "y|--id=web-1|--console=out.log|--metrics|m.json|--boot-timer|--idle=hlt");
	cr_assert_str_eq(cfg.kernel, "app");
	cr_assert_eq(cfg.mem, 8u << 20);
	cr_assert_str_eq(cfg.cmdline, "A=b -- x y");
	cr_assert_str_eq(cfg.id, "web-1");
	cr_assert_str_eq(cfg.console, "out.log");
	cr_assert_str_eq(cfg.metrics, "m.json");
	cr_assert(cfg.boot_timer);
	cr_assert_eq(cfg.idle, IDLE_HLT);
	accepted("--kernel=app|--cmdline=--x=y"); /* a value may look like an option */
	cr_assert_str_eq(cfg.cmdline, "--x=y");
	accepted("--kernel=app|--cmdline|--json");
	cr_assert_str_eq(cfg.cmdline, "--json");
}

Test(opts, form)
{
	refused("", "no kernel");
	refused("--kernel", "--kernel needs a value: --kernel PATH");
	refused("--kernel=", "--kernel: is empty");
	refused("app", "unexpected argument 'app'");
	refused("-k|app", "unexpected argument '-k'");
	refused("--|app", "unexpected argument '--'");
	refused("--kernel|a|--kernel|b", "--kernel is there twice");
	refused("--kernel|a|--boot-timer=yes", "--boot-timer takes no value");
	refused("--kernle|a", "unknown option '--kernle'; did you mean '--kernel'?");
	refused("--kernel|a|--memory|1M", "did you mean '--mem'?");
	refused("--kernel|a|--frobnicate", "see --help");
	refused("--kernel|a|--json", "--json goes with --dry-run");
	refused("--Kernel|a", "did you mean '--kernel'");
	refused("--\x1b[31m|a", "'--?[31m'");
	refused("--kernel|a|--idle|never", "--idle: 'never' is not auto, exit or hlt");
}

/* Every option and key that takes a value, with one that no terminal should see. */
Test(opts, mistakes_are_printable)
{
	static const char *const lines[] = {
		"%s",
		"-%s",
		"--%s",
		"--kernel|%s|--%s",
		"--kernel|a|--mem|%s",
		"--kernel|a|--mem|1%s",
		"--kernel|a|--id|%s",
		"--kernel|a|--idle|%s",
		"--kernel|a|--serve|%s",
		"--kernel|a|--serve|unix:%s|--snapshot|path=x",
		"--kernel|a|--serve-timeout|%s",
		"--kernel|a|--standby|%s",
		"--kernel|a|--seccomp|%s",
		"--kernel|a|--seccomp-level|%s",
		"--kernel|a|--hostname|%s",
		"--kernel|a|--env|%s",
		"--kernel|a|--metrics=%s|--metrics=%s",
		"--kernel|a|--config-file|/nowhere/%s",
		"--restore|path=/nowhere/%s",
		"--restore|path=x,verify=%s",
		"--restore|path=x,prefetch=%s",
		"--kernel|a|--snapshot|%s",
		"--kernel|a|--fork|n=%s",
		"--kernel|a|--fork|n=1,id=%%%s",
		"--kernel|a|--fork|n=1,%s=2",
		"--kernel|a|--block|%s",
		"--kernel|a|--block|=%s",
		"--kernel|a|--block|path=%s,queues=%s",
		"--kernel|a|--block|path=%s,bw=%s",
		"--kernel|a|--block|path=%s,ops=%s",
		"--kernel|a|--block|path=%s,id=%s",
		"--kernel|a|--net|tap=%s%s%s%s%s%s",
		"--kernel|a|--net|user,fwd=%s",
		"--kernel|a|--net|user,allow=%s",
		"--kernel|a|--net|user,allow=10.0.0.1/%s",
		"--kernel|a|--net|user,antispoof,addr=%s",
		"--kernel|a|--net|user,mac=%s",
		"--kernel|a|--net|user,ip=%s",
		"--kernel|a|--net|user,ip=%s/8",
		"--kernel|a|--net|fd=%s",
		"--kernel|a|--net|tap=\x80|--net|tap=\x80",
	};
	static const char *const bad[] = {"\x1b[31m\n\r", "h\xc3\xa9", "\x7f\x80\xff",
					  "\xc2\x9b"
					  "0m"};
	char line[256];

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		for (size_t j = 0; j < sizeof bad / sizeof *bad; j++) {
			hostile(line, sizeof line, lines[i], bad[j]);
			refused(line, "");
			cr_assert_neq(err.text[0], '\0', "%s", line);
			for (const char *p = err.text; *p; p++)
				cr_assert(*p >= ' ' && *p <= '~', "%s: %s", lines[i], err.text);
		}
}

Test(opts, memory)
{
	refused("--kernel|a|--mem|16", "--mem: '16' has no unit; write 16M");
	refused("--kernel|a|--mem|1M", "--mem: 1M is out of range 2M..3072M");
	refused("--kernel|a|--mem|4G", "--mem: 4G is out of range");
	refused("--kernel|a|--mem|17592186044416M", "--mem: 17592186044416M is out of range");
	refused("--kernel|a|--mem|17592186044432M", "--mem: 17592186044432M is out of range");
	refused("--kernel|a|--mem|2097153B", "is not a multiple of 4096B");
	refused("--kernel|a|--mem|-2M", "'-2M' is not a size like 16M");
	refused("--kernel|a|--mem|", "--mem needs a value");
	refused("--kernel|a|--mem=", "'' is not a size");
	accepted("--kernel|a|--mem|2M");
	accepted("--kernel|a|--mem|3G");
	accepted("--kernel|a|--mem|2052KiB");
	cr_assert_eq(cfg.mem, 2052u << 10);
}

Test(opts, command_line_length)
{
	char line[4096] = "--kernel|a|--cmdline|";
	size_t n = strlen(line);

	memset(line + n, 'x', 3071);
	line[n + 3071] = '\0';
	accepted(line);
	cr_assert_eq(strlen(cfg.cmdline), 3071);
	line[n + 3071] = 'x';
	line[n + 3072] = '\0';
	refused(line, "--cmdline: is 3072 bytes long; a guest takes at most 3071");
}

Test(opts, path_length)
{
	char line[8192] = "--kernel|";
	size_t n = strlen(line);

	memset(line + n, 'x', 4095);
	accepted(line);
	line[n + 4095] = 'x';
	refused(line, "the path is 4096 bytes long");
	snprintf(line, sizeof line, "--kernel|a|--block|path=");
	n = strlen(line);
	memset(line + n, 'x', 4095);
	line[n + 4095] = '\0';
	accepted(line);
	memset(line + n, 'x', 4200);
	line[n + 4200] = '\0';
	refused(line, "is too long");
}

Test(opts, blocks)
{
	accepted("--kernel|a|--block|id=root,path=d,,1.img,ro,direct,queues=4|--block|path=e.img");
	cr_assert_eq(cfg.nblk, 2);
	cr_assert_str_eq(cfg.blk[0].id, "root");
	cr_assert_str_eq(cfg.blk[0].path, "d,1.img");
	cr_assert(cfg.blk[0].ro && cfg.blk[0].direct);
	cr_assert_eq(cfg.blk[0].queues, 4);
	cr_assert_str_eq(cfg.blk[1].id, "blk1");
	cr_assert(!cfg.blk[1].ro && !cfg.blk[1].direct);
	cr_assert_eq(cfg.blk[1].queues, 1);

	refused("--kernel|a|--block|id=x", "--block: no path");
	refused("--kernel|a|--block|", "--block needs a value");
	refused("--kernel|a|--block=", "--block: no path");
	refused("--kernel|a|--block|path=x,", "has an empty item");
	refused("--kernel|a|--block|path", "--block: path: needs a value: path=...");
	refused("--kernel|a|--block|path=", "--block: path: is empty");
	refused("--kernel|a|--block|path=x,queues=0", "--block: queues: 0 is out of range 1..8");
	refused("--kernel|a|--block|path=x,queues=9", "--block: queues: 9 is out of range 1..8");
	refused("--kernel|a|--block|path=x,queues=4294967297", "4294967297 is out of range");
	refused("--kernel|a|--block|path=x,queues=two", "queues: 'two' is not a number");
	refused("--kernel|a|--block|path=x,ro=maybe", "ro: 'maybe' is neither on nor off");
	refused("--kernel|a|--block|path=x,path=y", "path: is there twice");
	refused("--kernel|a|--block|path=x,pat=y", "unknown key 'pat'; did you mean 'path'?");
	refused("--kernel|a|--block|path=x,id=a/b", "id: 'a/b' is not a name");
	refused("--kernel|a|--block|path=x,id=", "id: '' is not a name");
	refused("--kernel|a|--block|path=x,id=abcdefghijklmnopqrstuvwxyz123456",
		"is not a name of 1 to 31");
	refused("--kernel|a|--block|path=x,id=r|--block|path=y,id=r",
		"id 'r' is used by two devices");
	refused("--kernel|a|--block|path=x|--block|path=y,id=blk0",
		"id 'blk0' is used by two devices");
	refused("--kernel|a|--block|path=x,id=r|--net|user,id=r", "id 'r' is used by two devices");
	refused("--kernel|a|--block|path=1|--block|path=2|--block|path=3|--block|path=4|--block|"
		"path=5",
		"--block: more than 4 disks");
	accepted("--kernel|a|--block|path=x,ro=off,direct=on");
	cr_assert(!cfg.blk[0].ro && cfg.blk[0].direct);
}

static void bucket(struct token_bucket b, uint64_t size, uint64_t burst, uint64_t ms)
{
	cr_assert_eq(b.size, size);
	cr_assert_eq(b.burst, burst);
	cr_assert_eq(b.refill_ms, ms);
}

Test(opts, overlays)
{
	accepted("--kernel|a|--block|path=x,overlay=mem|--block|path=x,overlay=o,overlay_max=8K");
	cr_assert_str_eq(cfg.blk[0].overlay, "mem");
	cr_assert_eq(cfg.blk[0].overlay_max, 0);
	cr_assert_str_eq(cfg.blk[1].overlay, "o");
	cr_assert_eq(cfg.blk[1].overlay_max, 8192);
	refused("--kernel|a|--block|path=x,overlay=", "overlay: is empty");
	refused("--kernel|a|--block|path=x,overlay=mem,ro", "ro does not go with overlay");
	refused("--kernel|a|--block|path=x,overlay=mem,direct", "direct does not go with overlay");
	refused("--kernel|a|--block|path=x,overlay-max=4K", "overlay_max has no effect without");
	refused("--kernel|a|--block|path=x,overlay=mem,overlay-max=64", "write 64M for MiB");
	refused("--kernel|a|--block|path=x,overlay=mem,overlay-max=1K", "not a multiple of 4K");
	refused("--kernel|a|--block|path=x,overlay=mem,overlay-max=0M", "not a multiple of 4K");
	refused("--kernel|a|--block|path=x,overlay=mem,overlay-max=99999999999999G",
		"not a multiple of 4K");
	refused("--kernel|a|--block|path=x,overlay=mem,overlay-max=x", "is not a size like 64M");
}

Test(opts, rate_limits)
{
	accepted("--kernel|a|--block|path=x,bw=10M+1G/1s,ops=500+1/250ms|--net|user,rx-bw=1M/"
		 "100ms,rx-ops=7/1ms,tx_bw=1B/9s,tx-ops=off|--block|path=y");
	bucket(cfg.blk[0].limit.bw, 10u << 20, 1u << 30, 1000);
	bucket(cfg.blk[0].limit.ops, 500, 1, 250);
	bucket(cfg.blk[1].limit.bw, 0, 0, 0);
	bucket(cfg.net[0].rx_limit.bw, 1u << 20, 0, 100);
	bucket(cfg.net[0].rx_limit.ops, 7, 0, 1);
	bucket(cfg.net[0].tx_limit.bw, 1, 0, 9000);
	bucket(cfg.net[0].tx_limit.ops, 0, 0, 0);
	accepted("--kernel|a|--block|path=x,ops=9223372036854775807/9223372036854775807ms");
	bucket(cfg.blk[0].limit.ops, INT64_MAX, 0, INT64_MAX);
}

Test(opts, rate_limit_mistakes)
{
	static const char *const bad[] = {
		"bw=10/1s",
		"bw=10M",
		"bw=10M/",
		"bw=/1s",
		"bw=10M/1",
		"bw=10M/1m",
		"bw=10M/-1s",
		"bw=10M+/1s",
		"bw=+10M/1s",
		"bw=1M+2/1s",
		"bw=10M/1s/",
		"bw=10M/1+2s",
		"bw=1M+1M+1M/1s",
		"bw=on",
		"bw=10M/ 1s",
		"bw=16777216T/1s",
		"bw=8796093022208M/1s",
		"bw=17592186044416M/1s",
		"bw=1M/18446744073709552s",
		"bw=1M/9223372036854775808ms",
		"bw=0000000000000000000000000000001M/1s",
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char line[128];

		snprintf(line, sizeof line, "--kernel|a|--block|path=x,%s", bad[i]);
		refused(line, "--block: bw: '");
	}
	refused("--kernel|a|--block|path=x,ops=10M/1s", "ops: '10M/1s' is not NUMBER[+BURST]/TIME");
	refused("--kernel|a|--block|path=x,bw=1M/1s,bw=2M/1s", "--block: bw: is there twice");
	refused("--kernel|a|--net|user,rate-limiter=1", "unknown key 'rate-limiter'");
	refused("--kernel|a|--net|user,rx-rate-limiter=1", "rx_rate_limiter: is for configuration "
							   "files; here say bw=");
}

Test(opts, nets)
{
	accepted("--kernel|a|--net|id=eth0,tap=tap0,mac=02:aB:00:00:00:01,mtu=9000|--net|user,fwd="
		 "8080:80,fwd=udp:0.0.0.0:53:5353|--net|fd=7");
	cr_assert_eq(cfg.nnet, 3);
	cr_assert_eq(cfg.net[0].backend, NET_TAP);
	cr_assert_str_eq(cfg.net[0].tap, "tap0");
	cr_assert(cfg.net[0].has_mac);
	cr_assert_eq(cfg.net[0].mac[1], 0xab);
	cr_assert_eq(cfg.net[0].mtu, 9000);
	cr_assert_eq(cfg.net[1].backend, NET_USER);
	cr_assert_eq(cfg.net[1].nfwd, 2);
	cr_assert(!cfg.net[1].fwd[0].udp);
	cr_assert_eq(cfg.net[1].fwd[0].host_addr, 0x7f000001);
	cr_assert_eq(cfg.net[1].fwd[0].host_port, 8080);
	cr_assert_eq(cfg.net[1].fwd[0].guest_port, 80);
	cr_assert(cfg.net[1].fwd[1].udp);
	cr_assert_eq(cfg.net[1].fwd[1].host_addr, 0);
	cr_assert_str_eq(cfg.net[1].id, "eth1");
	cr_assert_eq(cfg.net[1].mtu, 0);
	cr_assert(!cfg.net[1].host_loopback);
	cr_assert_eq(cfg.net[2].backend, NET_FD);
	cr_assert_eq(cfg.net[2].fd, 7);
	accepted("--kernel|a|--net|user,host-loopback");
	cr_assert(cfg.net[0].host_loopback);
}

Test(opts, net_mistakes)
{
	refused("--kernel|a|--net|id=x",
		"--net: no backend; say exactly one of tap=NAME, user and fd=N");
	refused("--kernel|a|--net|user,tap=t", "--net: more than one backend");
	refused("--kernel|a|--net|fd=5,user", "--net: more than one backend");
	refused("--kernel|a|--net|tap=t,host-loopback",
		"--net: host_loopback needs the user backend");
	refused("--kernel|a|--net|user=off", "--net: no backend");
	refused("--kernel|a|--net|tap=tap%d", "tap: 'tap%d' is not the name of an interface");
	refused("--kernel|a|--net|tap=1234567890123456", "is not the name of an interface");
	refused("--kernel|a|--net|tap=../x", "is not the name of an interface");
	refused("--kernel|a|--net|tap=", "is not the name of an interface");
	refused("--kernel|a|--net|fd=2", "fd: 2 is out of range 3..1048575");
	refused("--kernel|a|--net|fd=4294967299", "fd: 4294967299 is out of range");
	refused("--kernel|a|--net|fd=-1", "fd: '-1' is not a number");
	refused("--kernel|a|--net|user,mtu=67", "mtu: 67 is out of range 68..65535");
	refused("--kernel|a|--net|user,mtu=70000", "mtu: 70000 is out of range 68..65535");
	refused("--kernel|a|--net|user,mac=02:00:00:00:00", "is not a MAC address");
	refused("--kernel|a|--net|user,mac=02:00:00:00:00:0g", "is not a MAC address");
	refused("--kernel|a|--net|user,mac=02-00-00-00-00-01", "is not a MAC address");
	refused("--kernel|a|--net|user,mac=02:00:00:00:00:011", "is not a MAC address");
	refused("--kernel|a|--net|user,mac=01:00:00:00:00:01", "is not a unicast address");
	refused("--kernel|a|--net|user,mac=00:00:00:00:00:00", "is not a unicast address");
	refused("--kernel|a|--net|tap=t,fwd=1:2", "fwd needs the user backend");
	refused("--kernel|a|--net|user,fwd=80", "fwd: '80' is not");
	refused("--kernel|a|--net|user,fwd=0:80", "fwd: '0:80' is not");
	refused("--kernel|a|--net|user,fwd=80:65536", "is not");
	refused("--kernel|a|--net|user,fwd=::1:80:80", "is not");
	refused("--kernel|a|--net|user,fwd=sctp:80:80", "is not");
	refused("--kernel|a|--net|user,fwd=80:80|--net|user,fwd=80:81",
		"host port 80 is forwarded twice");
	refused("--kernel|a|--net|user,fwd=80:80,fwd=0.0.0.0:80:81",
		"host port 80 is forwarded twice");
	refused("--kernel|a|--net|tap=t|--net|tap=t", "use the same tap 't'");
	refused("--kernel|a|--net|fd=9|--net|fd=9", "use the same fd 9");
	refused("--kernel|a|--net|user,mac=02:00:00:00:00:01|--net|user,mac=02:00:00:00:00:01",
		"have the same mac");
	refused("--kernel|a|--net|user,antispoof", "antispoof needs the interface's own addresses");
	refused("--kernel|a|--net|user,addr=10.0.0.1", "addr has no effect without antispoof");
	refused("--kernel|a|--net|user,antispoof,addr=10.0.0", "is not an IPv4 or IPv6 address");
	refused("--kernel|a|--net|user,antispoof,addr=010.0.0.1", "is not an IPv4 or IPv6 address");
	refused("--kernel|a|--net|user,antispoof,addr=1.1.1.1,addr=1.1.1.2,addr=1.1.1.3,addr=1.1.1."
		"4,addr=1.1.1.5",
		"more than 4 addresses");
	refused("--kernel|a|--net|user|--net|user|--net|user|--net|user|--net|user",
		"more than 4 network interfaces");
	accepted("--kernel|a|--net|user,fwd=80:80,fwd=udp:80:80,fwd=127.0.0.2:80:81");
	accepted("--kernel|a|--net|fd=3|--net|user|--net|tap=x");
}

Test(opts, many_forwards)
{
	char line[1024] = "--kernel|a|--net|user";
	size_t n = strlen(line);

	for (int i = 0; i < 16; i++)
		n += (size_t)snprintf(line + n, sizeof line - n, ",fwd=%d:80", 1000 + i);
	accepted(line);
	cr_assert_eq(cfg.net[0].nfwd, 16);
	snprintf(line + n, sizeof line - n, ",fwd=2000:80");
	refused(line, "fwd: more than 16");
}

static void allow(const char *text, const char *again)
{
	struct net_allow a, b;
	char str[VALUE_STR_MAX];

	cr_assert_eq(value_allow(text, &a, &err), 0, "%s: %s", text, err.text);
	value_allow_str(&a, str);
	cr_assert_str_eq(str, again);
	cr_assert_eq(value_allow(str, &b, &err), 0, "%s: %s", str, err.text);
	cr_assert_arr_eq(&a, &b, sizeof a);
}

Test(opts, allow_grammar)
{
	allow("10.0.0.0/8", "10.0.0.0/8");
	allow("10.0.0.1", "10.0.0.1/32");
	allow("10.0.0.1:443", "10.0.0.1/32:443");
	allow("10.0.0.0/8:80-90/tcp", "10.0.0.0/8:80-90/tcp");
	allow("10.0.0.1/udp", "10.0.0.1/32/udp");
	allow("10.0.0.1:53/udp", "10.0.0.1/32:53/udp");
	allow("10.0.0.1:1-65535", "10.0.0.1/32:1-65535");
	allow("0.0.0.0/0", "0.0.0.0/0");
	allow("0.0.0.0/0/icmp", "0.0.0.0/0/icmp");
	allow("::/0", "::/0");
	allow("::/0/any", "::/0");
	allow("2001:db8::/32:443/tcp", "2001:db8::/32:443/tcp");
	allow("[2001:db8::1]:443", "2001:db8::1/128:443");
	allow("2001:db8::1", "2001:db8::1/128");
	allow("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8/128");
	allow("[::1]/128:1-2/udp", "::1/128:1-2/udp");
	allow("fe80::/10/icmp", "fe80::/10/icmp");
}

Test(opts, allow_fields)
{
	struct net_allow a;

	cr_assert_eq(value_allow("10.0.0.0/8:80-90/tcp", &a, &err), 0);
	cr_assert_eq(a.prefix, 104);
	cr_assert_eq(a.proto, 6);
	cr_assert_eq(a.port_lo, 80);
	cr_assert_eq(a.port_hi, 90);
	cr_assert_eq(a.addr[10], 0xff);
	cr_assert_eq(a.addr[12], 10);
	cr_assert_eq(value_allow("::/0/icmp", &a, &err), 0);
	cr_assert_eq(a.proto, 58);
	cr_assert_eq(a.prefix, 0);
	cr_assert_eq(a.port_hi, 65535);
}

Test(opts, allow_mistakes)
{
	static const char *const bad[] = {
		"",
		"/",
		":",
		"[",
		"[]",
		"10.0.0.0/33",
		"10.0.0.0/",
		"10.0.0.1/8",
		"10.0.0.0/8:",
		"10.0.0.1:0",
		"10.0.0.1:65536",
		"10.0.0.1:90-80",
		"10.0.0.1:80-",
		"10.0.0.1:-80",
		"10.0.0.1/tcpx",
		"10.0.0.1:80/",
		"10.0.0.1/icmp:80",
		"10.0.0.1:80/icmp",
		"2001:db8::/129",
		"2001:db8::1/32",
		"[::1",
		"[::1]443",
		"[10.0.0.1]:80",
		"::ffff:10.0.0.1",
		"::ffff:10.0.0.1/tcp",
		"example.com",
		"10.0.0.1 ",
		" 10.0.0.1",
		"10.0.0.1/tcp/udp",
		"10.0.0.0/8/8",
		"[::1]:80:90",
		"10.0.0.1:80:90",
		"::1::",
		"1:2:3:4:5:6:7:8:9",
	};
	struct net_allow a;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_assert_eq(value_allow(bad[i], &a, &err), -EINVAL, "accepted '%s'", bad[i]);
}

Test(opts, allow_says_what_is_wrong)
{
	refused("--kernel|a|--net|user,allow=10.0.0.1/tcpx",
		"--net: allow: '10.0.0.1/tcpx' ends in an unknown protocol");
	refused("--kernel|a|--net|user,allow=[::1", "allow: '[::1' does not start with an address");
	refused("--kernel|a|--net|user,allow=example.com:80", "does not start with an address");
	refused("--kernel|a|--net|user,allow=10.0.0.0/33", "has a bad prefix length");
	refused("--kernel|a|--net|user,allow=2001:db8::/x:80", "unknown protocol");
	refused("--kernel|a|--net|user,allow=10.0.0.1:90-80", "has a bad port range");
	refused("--kernel|a|--net|user,allow=10.0.0.1:80/icmp", "has a bad port range");
	refused("--kernel|a|--net|user,allow=10.0.0.1/8",
		"has address bits set behind its prefix length");
	refused("--kernel|a|--net|user,speed=9", "--net: unknown key 'speed'");
	refused("--kernel|a|--block|path=x,kernel=y", "--block: unknown key 'kernel'");
}

Test(opts, allow_limits)
{
	char line[2048] = "--kernel|a|--net|user";
	size_t n = strlen(line);

	accepted("--kernel|a|--net|user,allow=none");
	cr_assert(cfg.net[0].policy.restrict_dest);
	cr_assert_eq(cfg.net[0].policy.nallow, 0);
	accepted("--kernel|a|--net|user");
	cr_assert(!cfg.net[0].policy.restrict_dest);
	for (int i = 0; i < 32; i++)
		n += (size_t)snprintf(line + n, sizeof line - n, ",allow=10.0.0.%d", i);
	accepted(line);
	cr_assert(cfg.net[0].policy.restrict_dest);
	cr_assert_eq(cfg.net[0].policy.nallow, 32);
	snprintf(line + n, sizeof line - n, ",allow=10.1.0.0/16");
	refused(line, "allow: more than 32 destinations");
}

/* What opts_answer prints, in a memory file. */
static const char *answer(void)
{
	static char text[16384];
	FILE *f = fmemopen(text, sizeof text, "w");

	cr_assert_not_null(f);
	cr_assert_eq(opts_answer(&opts, &cfg, f), 0);
	fclose(f);
	return text;
}

Test(opts, help_names_everything)
{
	static const char *const words[] = {"--kernel PATH", "--cmdline STR",  "--mem SIZE",
					    "--block KEYS",  "--net KEYS",     "--config-file FILE",
					    "--id NAME",     "--console FILE", "--metrics FILE",
					    "--boot-timer",  "--idle MODE",    "--dry-run",
					    "--json",	     "--help",	       "--version",
					    "134",	     "128+N",	       "queues=N",
					    "antispoof",     "allow=",	       "direct",
					    "Examples:",     "Exit status:"};

	cr_assert_eq(parse("--mem|junk|--help|--kernel"), OPTS_ANSWER, "help wins over mistakes");
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		cr_assert(strstr(answer(), words[i]), "%s is missing", words[i]);
}

Test(opts, version)
{
	cr_assert_eq(parse("--version"), OPTS_ANSWER);
	cr_assert_str_eq(answer(), "mayfly-monitor " MAYFLY_VERSION "\n");
}

static const char *const everything =
	"--kernel|app|--cmdline|A=\"b\" -- "
	"x|--mem|24M|--id|vm_1|--console|c.log|--metrics|m.json|--boot-timer|--idle|exit"
	"|--block|id=root,path=d,,isk.img,ro,queues=2,bw=3M+1M/"
	"70ms|--block|path=/dev/sda,direct,ops=5/2s|--block|path=b,overlay=mem,overlay-max=3M"
	"|--block|path=b,overlay=f,,1"
	"|--net|tap=tap0,mac=02:00:00:00:00:01,mtu=1400,antispoof,addr=10.0.0.2,addr=fd00::2,allow="
	"10.0.0.0/8:80-90/tcp,allow=::/0/icmp"
	"|--net|user,fwd=8080:80,fwd=udp:0.0.0.0:53:53,host-loopback,allow=none,rx-ops=1/1ms"
	"|--net|fd=9,tx-bw=1K/1s|--dry-run";

Test(opts, dry_run_text)
{
	const char *text;

	cr_assert_eq(parse(everything), OPTS_ANSWER);
	text = answer();
	cr_assert(strstr(text, "kernel: app\n"));
	cr_assert(strstr(text, "mem: 24M\n"));
	cr_assert(strstr(text, "block root: queues=2 ro\n  path: d,isk.img\n  bw 3M+1M/70ms\n"));
	cr_assert(strstr(text, "block blk2: queues=1\n  path: b\n  overlay: mem\n  "
			       "overlay-max 3M\n"));
	cr_assert(strstr(text, "  overlay: f,1\nnet eth0"));
	cr_assert(strstr(text, "net eth0: tap=tap0 mac=02:00:00:00:00:01 mtu=1400\n  antispoof\n"));
	cr_assert(strstr(text, "  allow none\n"));
}

/* The JSON that --dry-run prints, fed back, prints itself. */
Test(opts, dry_run_round_trip)
{
	static char first[16384];
	char line[1024], path[32];
	int fd = memfd_create("cfg", 0);

	snprintf(line, sizeof line, "%s|--json", everything);
	cr_assert_eq(parse(line), OPTS_ANSWER, "%s", err.text);
	snprintf(first, sizeof first, "%s", answer());
	cr_assert_eq(write(fd, first, strlen(first)), (ssize_t)strlen(first));
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	snprintf(line, sizeof line, "--config-file|%s|--dry-run|--json", path);
	cr_assert_eq(parse(line), OPTS_ANSWER, "%s", err.text);
	cr_assert_str_eq(answer(), first);
	close(fd);
}

Test(opts, what_is_not_utf8_cannot_be_printed_as_json)
{
	FILE *f = fopen("/dev/null", "w");

	cr_assert_eq(parse("--kernel|\xff|--block|path=x|--net|user|--dry-run|--json"),
		     OPTS_ANSWER);
	cr_assert_eq(opts_answer(&opts, &cfg, f), -EILSEQ);
	cr_assert_eq(parse("--kernel|a|--block|path=\xff|--net|user|--dry-run|--json"),
		     OPTS_ANSWER);
	cr_assert_eq(opts_answer(&opts, &cfg, f), -EILSEQ);
	cr_assert_eq(parse("--kernel|\xff|--dry-run"), OPTS_ANSWER);
	cr_assert_eq(opts_answer(&opts, &cfg, f), 0);
	fclose(f);
}

Test(opts, a_full_disk_is_told)
{
	FILE *f = fopen("/dev/full", "w");

	cr_assert_eq(parse("--kernel|a|--dry-run|--json"), OPTS_ANSWER);
	cr_assert_eq(opts_answer(&opts, &cfg, f), -EIO);
	fclose(f);
}

Test(opts, command_line_wins_over_the_file)
{
	static const char json[] = "{\"kernel\":\"a\",\"mem\":\"8M\",\"id\":\"file\",\"block\":[{"
				   "\"path\":\"x\",\"id\":\"root\"}]}";
	char line[256];
	int fd = memfd_create("cfg", 0);

	cr_assert_eq(write(fd, json, sizeof json - 1), (ssize_t)(sizeof json - 1));
	snprintf(line, sizeof line, "--mem|4M|--config-file|/proc/self/fd/%d|--block|path=y", fd);
	accepted(line);
	cr_assert_str_eq(cfg.kernel, "a");
	cr_assert_eq(cfg.mem, 4u << 20);
	cr_assert_str_eq(cfg.id, "file");
	cr_assert_eq(cfg.nblk, 2);
	cr_assert_str_eq(cfg.blk[1].path, "y");
	snprintf(line, sizeof line, "--config-file|/proc/self/fd/%d|--block|path=y,id=root", fd);
	refused(line, "id 'root' is used by two devices");
	snprintf(line, sizeof line, "--config-file|/proc/self/fd/%d|--id|cli", fd);
	accepted(line);
	cr_assert_str_eq(cfg.id, "cli");
	close(fd);
}

Test(opts, config_from_standard_input)
{
	static const char json[] = "{\"kernel\":\"from-stdin\"}";
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	cr_assert_eq(write(fds[1], json, sizeof json - 1), (ssize_t)(sizeof json - 1));
	close(fds[1]);
	cr_assert_eq(dup2(fds[0], 0), 0);
	accepted("--config-file|-");
	cr_assert_str_eq(cfg.kernel, "from-stdin");
}

Test(opts, missing_config_file)
{
	refused("--config-file|/nonexistent/vm.json",
		"--config-file: /nonexistent/vm.json: cannot open: No such file");
	refused("--config-file|/proc", "cannot read: Is a directory");
}
