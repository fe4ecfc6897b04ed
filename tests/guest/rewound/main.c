/* SPDX-License-Identifier: MIT
 *
 * rewound: a program for --serve that misbehaves on demand. /hide leaves a secret everywhere it
 * can, /look searches the whole VM for it; the rest crashes, hangs, floods, grows or answers
 * nonsense. serve.py calls it.
 *
 * The secret is never a constant: K and S are, and what lies about is K ^ S. The search compares
 * word ^ K with S.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <mayfly.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ring0.h"
#include "uk_abi.h"

#define K 0x5a5a1234deadbea7ull
#define S 0x1badb002cafef00dull

static volatile uint64_t k = K, s = S;
static uint64_t bss[1024];
static uint64_t data[512] = {1};
static unsigned restored; /* times that on_restore was called in this life */
static char reply[65536];
static size_t len;

#define SAY(...) (len += (size_t)snprintf(reply + len, sizeof(reply) - len, __VA_ARGS__))

/* ymm0-15, x87/SSE control words, then what can be read of segment bases: as the registers are at
 * the call. */
struct cpu {
	uint64_t ymm[16][4];
	uint32_t mxcsr;
	uint16_t fcw;
	uint64_t st[8][2];
	uint64_t gp[16];
};
static struct cpu cpu;

#define YMM_EACH(op)                                                                            \
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) \
		op(14) op(15)

static int has_avx(void)
{
	static int known = -1;
	uint32_t a = 1, b, c = 0, d;

	if (known < 0) {
		__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
		known = (c >> 27 & 3) == 3;
	}
	return known;
}

static inline __attribute__((always_inline)) void read_cpu(int avx)
{
	if (avx) {
#define GET(n) __asm__ volatile("vmovdqu %%ymm" #n ", %0" : "=m"(cpu.ymm[n]));
		YMM_EACH(GET)
	} else {
#define GETX(n) __asm__ volatile("movdqu %%xmm" #n ", %0" : "=m"(cpu.ymm[n]));
		YMM_EACH(GETX)
	}
	__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(cpu.mxcsr), "=m"(cpu.fcw));
	uint8_t fx[512] __attribute__((aligned(16)));

	__asm__ volatile("fxsave %0" : "=m"(fx));
	for (int i = 0; i < 8; i++)
		memcpy(cpu.st[i], fx + 32 + 16 * i, 16);
	memset(fx, 0, sizeof(fx));
}

static void fill(uint64_t *p, size_t words)
{
	for (size_t i = 0; i < words; i++)
		p[i] = k ^ s;
	__asm__ volatile("" : : "r"(p) : "memory");
}

static void hide_in_stack(void)
{
	uint64_t deep[2048];

	fill(deep, 2048);
}

static void hide_on_disk(void)
{
	int fd = open("/secret", O_CREAT | O_RDWR, 0600);
	uint64_t block[512];

	if (fd < 0)
		return;
	fill(block, 512);
	if (write(fd, block, sizeof(block)) < 0)
		perror("write");
	fsync(fd);
	close(fd);
}

/* Does not return to anything that could clean a register. */
static __attribute__((noreturn)) void hide(void)
{
	uint64_t *heap = malloc(1 << 20), *map, v = k ^ s, four[4] = {v, v, v, v};
	uint32_t csr = 0x1f80 | 0x6000; /* round to zero */
	uint16_t fcw = 0x0c7f;

	if (heap)
		fill(heap, (1 << 20) / 8);
	map = mmap(NULL, 1 << 18, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map != MAP_FAILED)
		fill(map, (1 << 18) / 8);
	fill(bss, 1024);
	fill(data, 512);
	hide_in_stack();
	hide_on_disk();
	setenv("SECRET", "left behind", 1);
	restored = 77;
	static const char done[] = "hidden\n";
	__asm__ volatile("ldmxcsr %0; fldcw %1; fildq %2; fildq %2" : : "m"(csr), "m"(fcw), "m"(v));
	if (has_avx()) {
#define PUT(n) __asm__ volatile("vmovdqu %0, %%ymm" #n : : "m"(four));
		YMM_EACH(PUT)
	} else {
#define PUTX(n) __asm__ volatile("movdqu %0, %%xmm" #n : : "m"(four));
		YMM_EACH(PUTX)
	}
	mayfly_reply(200, NULL, done, sizeof(done) - 1);
}

static unsigned count(const char *where, const void *from, size_t bytes)
{
	const volatile uint64_t *p = from;
	unsigned n = 0;

	for (size_t i = 0; i < bytes / 8; i++)
		n += (p[i] ^ k) == s;
	if (n)
		SAY("%s: %u words\n", where, n);
	return n;
}

static void look_on_disk(void)
{
	/* Large and aligned: a request has a second and a half, on whatever machine. */
	static uint64_t block[8192] __attribute__((aligned(4096)));
	int fd = open("/secret", O_RDONLY);

	if (fd >= 0)
		SAY("disk: the file is there\n");
	if (fd >= 0)
		close(fd);
	fd = open("/dev/vda", O_RDONLY);
	while (fd >= 0 && read(fd, block, sizeof(block)) == sizeof(block))
		count("raw disk", block, sizeof(block));
	memset(block, 0, sizeof(block));
	if (fd >= 0)
		close(fd);
}

/* All that ring 3 can read: from the image's start to the end of RAM, and the low pages that are
 * mapped. */
static void look(void)
{
	extern char uk__image_end[];
	/* the writable part: its first variable is somewhere in the first page */
	const char *from = (const char *)((uintptr_t)&k & ~4095ul);
	size_t mem = strtoul(getenv("RAM") ? getenv("RAM") : "0", NULL, 10) << 20;
	unsigned n = count("registers", &cpu, sizeof(cpu));

	n += count("boot page", (void *)0x1000, 4096);
	n += count("ring-0 stack", (void *)0x3000, 4096);
	n += count("stack", (void *)0x81000, 0x100000 - 0x81000);
	n += count("image", from, (size_t)(uk__image_end - from));
	n += count("bss", bss, sizeof(bss)) + count("data", data, sizeof(data));
	uintptr_t heap = ((uintptr_t)uk__image_end + 4095) & ~4095ul;

	if (mem) /* the heap is mapped whole, used or not */
		n += count("heap", (void *)heap, mem - heap);
	void *all = malloc(1 << 20);

	n += all ? count("fresh heap", all, 1 << 20) : 0;
	uint64_t *map =
		mmap(NULL, 1 << 18, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	n += map != MAP_FAILED ? count("fresh mapping", map, 1 << 18) : 0;
	look_on_disk();
	if (cpu.mxcsr != 0x1f80)
		SAY("MXCSR is %#x\n", cpu.mxcsr);
	if ((cpu.fcw & 0xf3f) != 0x33f)
		SAY("FCW is %#x\n", cpu.fcw);
	if (getenv("SECRET"))
		SAY("environment\n");
	if (restored > 1)
		SAY("a counter\n");
	if (!len)
		SAY("nothing\n");
}

static void ring0(bool mark)
{
	if (!ring0_enter()) {
		SAY("no way into ring 0\n");
		return;
	}
	if (mark)
		SAY("marked %u\n", ring0_mark());
	len += ring0_print(reply + len, sizeof(reply) - len);
}

static uint64_t ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void hex(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		SAY("%02x", p[i]);
	SAY("\n");
}

static void identity(void)
{
	uint8_t r[32];

	getrandom(r, sizeof(r), 0);
	hex(r, sizeof(r));
	hex(mayfly_generation(), 16);
	SAY("%u\n%lu\n%lu\n", restored, ns(CLOCK_MONOTONIC), ns(CLOCK_REALTIME));
}

static void on_restore(void *arg)
{
	(void)arg;
	restored++;
}

/* Everything there is, touched. */
static void grow(void)
{
	size_t got = 0;

	for (char *p; (p = malloc(65536)) != NULL; got += 65536)
		memset(p, 1, 65536);
	SAY("%zu\n", got);
}

static void misbehave(const char *what)
{
	if (!strcmp(what, "/crash"))
		*(volatile int *)k = 1; /* not canonical */
	if (!strcmp(what, "/hang"))
		for (;;)
			__asm__ volatile("");
	if (!strcmp(what, "/spin")) /* most of the time in the monitor, in the middle of a read */
		for (;;)
			(void)*(volatile uint32_t *)UK_VA_MMIO;
	if (!strcmp(what, "/sleep"))
		sleep(1000);
	if (!strcmp(what, "/keep")) {
		hide_on_disk();
		sleep(1000);
	}
	if (!strcmp(what, "/exit"))
		exit(3);
	if (!strcmp(what, "/abort"))
		abort();
	if (!strcmp(what, "/badbody"))
		mayfly_reply(200, NULL, (void *)0x7fffffff0000, 4096);
	if (!strcmp(what, "/badlen"))
		mayfly_reply(200, NULL, reply, (size_t)-1);
	if (!strcmp(what, "/badtype"))
		mayfly_reply(200, "text/plain\r\nSet-Cookie: x", "x", 1);
	if (!strcmp(what, "/badstatus"))
		mayfly_reply(99, NULL, "x", 1);
	if (!strcmp(what, "/freeze"))
		SAY("%d\n", mayfly_freeze());
	if (!strcmp(what, "/flood"))
		for (int i = 0; i < 2000; i++)
			printf("noise %d\n", i);
}

int main(void)
{
	struct mayfly_request req;
	int avx = has_avx();
	char head[64];

	mayfly_on_restore(on_restore, NULL);
	if (getenv("NET") && socket(AF_INET, SOCK_DGRAM, 0) < 0) /* the driver runs from here on */
		return 1;
	int r = mayfly_ready(&req, 8192);

	read_cpu(avx);
	if (r) {
		perror("rewound");
		return 1;
	}
	if (!strcmp(req.target, "/hide"))
		hide();
	if (!strcmp(req.target, "/listen"))
		usleep(20000); /* the driver takes what there is */
	if (!strcmp(req.target, "/look") || !strcmp(req.target, "/listen"))
		look();
	else if (!strncmp(req.target, "/ring0", 6))
		ring0(!strcmp(req.target, "/ring0/mark"));
	else if (!strcmp(req.target, "/id"))
		identity();
	else if (!strcmp(req.target, "/grow"))
		grow();
	else if (!strcmp(req.target, "/echo"))
		mayfly_reply(201, "application/octet-stream", req.body, req.body_len);
	else if (!strcmp(req.target, "/header"))
		SAY("%ld %s\n", mayfly_header(&req, "x-test", head, sizeof(head)), head);
	else
		misbehave(req.target);
	if (!len)
		SAY("%s %s\n", req.method, req.target);
	mayfly_reply(200, NULL, reply, len);
}
