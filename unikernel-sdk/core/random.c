/* SPDX-License-Identifier: MIT
 *
 * random.c: one ChaCha20 generator (RFC 8439, 2.3), keyed by the monitor's seed, mixed with RDRAND
 * where the CPU has it and with the TSC. Fast key erasure: the first 32 bytes of every block become
 * the next key, so that a memory image does not tell earlier output. uk__boot->seed is read again
 * when it changes: a clone of a snapshot is given a new one, and one that was made in the middle of
 * a draw draws again.
 */
#include <stdbool.h>
#include <string.h>

#include "core/platform.h"
#include "core/sys.h"

static uint32_t key[8];
static uint64_t nonce;
static uint8_t left[32]; /* output not yet given away, from the end */
static unsigned nleft;
static uint64_t seed_seen;
static bool ready, has_rdrand;

static uint32_t rotl(uint32_t v, int n)
{
	return v << n | v >> (32 - n);
}

static void quarter(uint32_t *x, int a, int b, int c, int d)
{
	x[a] += x[b];
	x[d] = rotl(x[d] ^ x[a], 16);
	x[c] += x[d];
	x[b] = rotl(x[b] ^ x[c], 12);
	x[a] += x[b];
	x[d] = rotl(x[d] ^ x[a], 8);
	x[c] += x[d];
	x[b] = rotl(x[b] ^ x[c], 7);
}

/* 32 bytes for the caller; the key moves on. */
static void block(uint8_t out[32])
{
	uint32_t in[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}, x[16];

	memcpy(in + 4, key, sizeof(key));
	in[12] = (uint32_t)nonce;
	in[13] = (uint32_t)(nonce >> 32);
	nonce++;
	memcpy(x, in, sizeof(x));
	for (int i = 0; i < 10; i++) {
		for (int c = 0; c < 4; c++)
			quarter(x, c, 4 + c, 8 + c, 12 + c);
		for (int c = 0; c < 4; c++)
			quarter(x, c, 4 + (c + 1) % 4, 8 + (c + 2) % 4, 12 + (c + 3) % 4);
	}
	for (int i = 0; i < 16; i++)
		x[i] += in[i];
	memcpy(key, x, sizeof(key));
	memcpy(out, x + 8, 32);
}

static void mix(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint8_t drop[32];

	while (len) {
		size_t n = len < sizeof(key) ? len : sizeof(key);
		uint8_t *k = (uint8_t *)key;

		for (size_t i = 0; i < n; i++)
			k[i] ^= p[i];
		block(drop);
		p += n;
		len -= n;
	}
	nleft = 0;
}

static uint64_t rdrand(void)
{
	uint64_t v = 0;
	uint8_t ok = 0;

	for (int i = 0; i < 10 && has_rdrand && !ok; i++)
		__asm__ volatile("rdrand %0; setc %1" : "=r"(v), "=q"(ok) : : "cc");
	return v;
}

static uint64_t seed_sum(void)
{
	uint64_t sum = 0, word;

	__asm__ volatile("" ::: "memory"); /* the monitor writes it between any two instructions */
	for (size_t i = 0; i < sizeof(uk__boot->seed); i += sizeof(word)) {
		memcpy(&word, uk__boot->seed + i, sizeof(word));
		sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	}
	return sum;
}

static void reseed(void)
{
	const uint64_t more[4] = {rdrand(), rdrand(), uk__rdtsc(), uk__boot->wall0};

	seed_seen = seed_sum();
	mix(uk__boot->seed, sizeof(uk__boot->seed));
	mix(more, sizeof(more));
}

/* At the first use, not at boot: CPUID costs an exit. */
static void start(void)
{
	uint32_t eax = 1, ebx, ecx = 0, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	has_rdrand = ecx & 1u << 30;
	ready = true;
	reseed();
}

static void draw(uint8_t *p, unsigned long len)
{
	while (len) {
		if (!nleft) {
			block(left);
			nleft = sizeof(left);
		}
		size_t n = len < nleft ? len : nleft;

		memcpy(p, left + nleft - n, n);
		memset(left + nleft - n, 0, n);
		nleft -= (unsigned)n;
		p += n;
		len -= n;
	}
}

void uk__random(void *buf, unsigned long len)
{
	if (!ready)
		start();
	do {
		if (seed_seen != seed_sum())
			reseed();
		draw(buf, len);
	} while (seed_seen != seed_sum());
}
