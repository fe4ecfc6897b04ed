/* SPDX-License-Identifier: MIT
 *
 * cpu.c: see cpu.h. Sources: Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E.
 */
#include "monitor/snapshot/cpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>

enum reg { EAX, EBX, ECX, EDX };

static const struct {
	uint32_t leaf, sub;
	enum reg reg;
	char name[16];	 /* in the table: a pointer would have to be relocated at each start */
	uint32_t ignore; /* bits that say how the machine stands, not what it can do */
} words[CPU_WORDS] = {
	[CPU_1_ECX] = {1, 0, ECX, "1.ECX", 1u << 27 /* OSXSAVE */},
	[CPU_1_EDX] = {1, 0, EDX, "1.EDX", 0},
	[CPU_7_EBX] = {7, 0, EBX, "7.EBX", 0},
	[CPU_7_ECX] = {7, 0, ECX, "7.ECX", 1u << 4 /* OSPKE */},
	[CPU_7_EDX] = {7, 0, EDX, "7.EDX", 0},
	[CPU_7_1_EAX] = {7, 1, EAX, "7.1.EAX", 0},
	[CPU_D_EAX] = {0xd, 0, EAX, "XCR0", 0},
	[CPU_D_1_EAX] = {0xd, 1, EAX, "0xd.1.EAX", 0},
	[CPU_EXT_1_ECX] = {0x80000001, 0, ECX, "0x80000001.ECX", 0},
	[CPU_EXT_1_EDX] = {0x80000001, 0, EDX, "0x80000001.EDX", 0},
	[CPU_EXT_8_EBX] = {0x80000008, 0, EBX, "0x80000008.EBX", 0},
};

/* Those whose absence people ask about; the rest is named by word and bit. */
static const struct {
	uint8_t word, bit;
	char name[12];
} features[] = {
	{CPU_1_ECX, 0, "SSE3"},	       {CPU_1_ECX, 9, "SSSE3"},	      {CPU_1_ECX, 12, "FMA"},
	{CPU_1_ECX, 19, "SSE4.1"},     {CPU_1_ECX, 20, "SSE4.2"},     {CPU_1_ECX, 23, "POPCNT"},
	{CPU_1_ECX, 25, "AES"},	       {CPU_1_ECX, 26, "XSAVE"},      {CPU_1_ECX, 28, "AVX"},
	{CPU_1_ECX, 30, "RDRAND"},     {CPU_7_EBX, 0, "FSGSBASE"},    {CPU_7_EBX, 3, "BMI1"},
	{CPU_7_EBX, 5, "AVX2"},	       {CPU_7_EBX, 8, "BMI2"},	      {CPU_7_EBX, 16, "AVX512F"},
	{CPU_7_EBX, 18, "RDSEED"},     {CPU_7_EBX, 19, "ADX"},	      {CPU_7_EBX, 29, "SHA"},
	{CPU_7_ECX, 9, "VAES"},	       {CPU_7_ECX, 10, "VPCLMULQDQ"}, {CPU_EXT_1_ECX, 5, "LZCNT"},
	{CPU_EXT_1_EDX, 27, "RDTSCP"},
};

static uint32_t reg_of(const struct kvm_cpuid_entry2 *e, enum reg reg)
{
	return reg == EAX ? e->eax : reg == EBX ? e->ebx : reg == ECX ? e->ecx : e->edx;
}

void snap_cpu_collect(const struct kvm_cpuid2 *cpuid, struct snap_cpu *ret)
{
	memset(ret, 0, sizeof *ret);
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function == 0) {
			memcpy(ret->vendor, &e->ebx, 4);
			memcpy(ret->vendor + 4, &e->edx, 4);
			memcpy(ret->vendor + 8, &e->ecx, 4);
		}
		for (unsigned w = 0; w < CPU_WORDS; w++)
			if (words[w].leaf == e->function && words[w].sub == e->index)
				ret->word[w] = reg_of(e, words[w].reg) & ~words[w].ignore;
	}
}

static void name_bit(unsigned word, unsigned bit, char *buf, size_t len)
{
	for (size_t i = 0; i < sizeof features / sizeof *features; i++)
		if (features[i].word == word && features[i].bit == bit) {
			snprintf(buf, len, "%s", features[i].name);
			return;
		}
	snprintf(buf, len, "CPUID %s bit %u", words[word].name, bit);
}

int snap_cpu_check(const struct snap_cpu *saved, const struct snap_cpu *host, char *err,
		   size_t errlen)
{
	char list[200] = "", name[40];
	size_t at = 0;
	unsigned n = 0;

	if (memcmp(saved->vendor, host->vendor, sizeof saved->vendor) != 0) {
		snprintf(err, errlen, "was taken on a CPU by '%.12s', this one is by '%.12s'",
			 saved->vendor, host->vendor);
		return -ENOTSUP;
	}
	for (unsigned w = 0; w < CPU_WORDS; w++)
		for (uint32_t miss = saved->word[w] & ~host->word[w]; miss; miss &= miss - 1) {
			name_bit(w, (unsigned)__builtin_ctz(miss), name, sizeof name);
			if (n++ < 5)
				at += (size_t)snprintf(list + at, sizeof list - at, "%s%s",
						       at ? ", " : "", name);
		}
	if (!n)
		return 0;
	snprintf(err, errlen,
		 "was taken on a CPU with features that this one lacks: %s%s; restore it on a CPU "
		 "that has them, or take it again here",
		 list, n > 5 ? ", ..." : "");
	return -ENOTSUP;
}
