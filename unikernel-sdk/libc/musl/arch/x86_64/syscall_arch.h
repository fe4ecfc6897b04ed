/* SPDX-License-Identifier: MIT
 *
 * syscall_arch.h: replaces musl's file of this name. A system call is a plain call into the library OS
 * (core/sys.c), in the same address space and privilege. A call site whose constant number belongs to an
 * optional module emits a relocation of type NONE against that module's anchor: it costs no byte in the
 * image, and makes the linker pull the module out of its archive. No vDSO: clock_gettime is a call as well.
 */
#define __SYSCALL_LL_E(x) (x)
#define __SYSCALL_LL_O(x) (x)

extern long uk_syscall(long, long, long, long, long, long, long);
/* Up to five arguments travel in registers alone. */
extern long uk_syscall5(long, long, long, long, long, long);

#define UK_IS_NET(n) (((n) >= 41 && (n) <= 55) || (n) == 288 || (n) == 299 || (n) == 307)
#define UK_IS_FS(n) \
	((n) == 2 || (n) == 4 || (n) == 6 || (n) == 21 || (n) == 76 || ((n) >= 79 && (n) <= 90) || \
	 (n) == 92 || (n) == 94 || (n) == 132 || (n) == 133 || (n) == 137 || (n) == 161 || (n) == 165 || \
	 (n) == 166 || (n) == 188 || (n) == 189 || (n) == 191 || (n) == 192 || (n) == 194 || (n) == 195 || \
	 (n) == 197 || (n) == 198 || (n) == 235 || ((n) >= 257 && (n) <= 269) || (n) == 280 || \
	 (n) == 316 || (n) == 332 || (n) == 439)

#define UK_INLINE static __inline __attribute__((__always_inline__))

UK_INLINE void __uk_need(long n)
{
	if (__builtin_constant_p(n) && UK_IS_NET(n))
		__asm__ __volatile__(".reloc ., R_X86_64_NONE, uk__need_net");
	if (__builtin_constant_p(n) && UK_IS_FS(n))
		__asm__ __volatile__(".reloc ., R_X86_64_NONE, uk__need_fs");
}

UK_INLINE long __syscall0(long n)
{
	__uk_need(n);
	return uk_syscall5(n, 0, 0, 0, 0, 0);
}

UK_INLINE long __syscall1(long n, long a)
{
	__uk_need(n);
	return uk_syscall5(n, a, 0, 0, 0, 0);
}

UK_INLINE long __syscall2(long n, long a, long b)
{
	__uk_need(n);
	return uk_syscall5(n, a, b, 0, 0, 0);
}

UK_INLINE long __syscall3(long n, long a, long b, long c)
{
	__uk_need(n);
	return uk_syscall5(n, a, b, c, 0, 0);
}

UK_INLINE long __syscall4(long n, long a, long b, long c, long d)
{
	__uk_need(n);
	return uk_syscall5(n, a, b, c, d, 0);
}

UK_INLINE long __syscall5(long n, long a, long b, long c, long d, long e)
{
	__uk_need(n);
	return uk_syscall5(n, a, b, c, d, e);
}

UK_INLINE long __syscall6(long n, long a, long b, long c, long d, long e, long f)
{
	__uk_need(n);
	return uk_syscall(n, a, b, c, d, e, f);
}

#define IPC_64 0
