/* SPDX-License-Identifier: MIT
 *
 * test_image.c: image files held, mapped, changed under the VM, and symbolised. Real files, real
 * leases; a writer is a forked child, and what it waits for is the kernel, never a clock.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "monitor/image.h"
#include "tests/unit/elf_image.h"

#define LEASE_SIGNAL (SIGRTMIN + 1)
#define MEM_SIZE     (1u << 20)
#define GPA	     0x10000u

static uint8_t file[ELF_IMAGE_SIZE];
static char path[64];
static struct image img;
static struct gmem gm;
static const char *why;

static void write_file(int fd)
{
	elf_image_build(file, 1);
	cr_assert_eq(pwrite(fd, file, sizeof file, 0), (ssize_t)sizeof file);
}

/* A file of ours in the build folder, which is on a real disk where /tmp may not be. */
static void setup(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, LEASE_SIGNAL);
	cr_assert_eq(sigprocmask(SIG_BLOCK, &set, NULL), 0);

	mkdir("build", 0755); /* there already, but for an unusual O= */
	snprintf(path, sizeof path, "build/test_image.XXXXXX");

	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	write_file(fd);
	close(fd);
	gm.size = MEM_SIZE;
	gm.base = mmap(NULL, 2 * MEM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	cr_assert_neq(gm.base, MAP_FAILED);
}

static void teardown(void)
{
	munmap(gm.base, 2 * MEM_SIZE);
	image_close(&img);
	unlink(path);
}

TestSuite(image, .init = setup, .fini = teardown);

static void open_as(const char *name, enum image_sharing want)
{
	int r = image_open(&img, name, LEASE_SIGNAL, &why);

	cr_assert_eq(r, 0, "%s: %s", name, why);
	cr_assert_eq(img.sharing, want, "%s", image_sharing_name(img.sharing));
}

/* Some file systems know no leases (overlayfs in a container): then there is nothing to test here.
 */
static void open_leased(void)
{
	cr_assert_eq(image_open(&img, path, LEASE_SIGNAL, &why), 0);
	if (img.sharing != IMAGE_LEASED)
		cr_skip_test("no leases on this file system");
	cr_assert_leq(image_room(&img), MEM_SIZE);
	img.room = gm.base + MEM_SIZE;
}

/* Every segment is where it belongs, and what memsz adds to filesz is zero. */
static void check_memory(void)
{
	for (unsigned i = 0; i < img.elf.nseg; i++) {
		const struct elf_seg *s = &img.elf.seg[i];
		const uint8_t *p = gm.base + GPA + (s->va - img.elf.base);

		cr_assert_arr_eq(p, file + s->off, s->filesz, "segment %u", i);
		for (uint64_t k = s->filesz; k < s->memsz; k++)
			cr_assert_eq(p[k], 0, "segment %u, byte %llu", i, (unsigned long long)k);
	}
}

/* Start a child that does what it is told to the file, blocking as long as the kernel makes it. */
static pid_t writer(int do_truncate)
{
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid > 0)
		return pid;
	if (do_truncate)
		_exit(truncate(path, 0) == 0 ? 0 : 1);

	int fd = open(path, O_WRONLY);
	static const uint8_t junk[ELF_IMAGE_SIZE] = {0xcc};

	if (fd < 0)
		_exit(1);
	_exit(pwrite(fd, junk, sizeof junk, 0) == (ssize_t)sizeof junk ? 0 : 1);
}

static void wait_for_lease_signal(void)
{
	sigset_t set;
	siginfo_t info;

	sigemptyset(&set);
	sigaddset(&set, LEASE_SIGNAL);
	cr_assert_eq(sigwaitinfo(&set, &info), LEASE_SIGNAL);
}

static void reap(pid_t pid)
{
	int status;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the writer failed: %x",
		  (unsigned)status);
}

/* Bytes of address space that are backed by the image file. */
static unsigned long mapped_from_file(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned long n = 0, from, to;

	cr_assert_not_null(f);
	while (fgets(line, sizeof line, f))
		if (strstr(line, "test_image.") && !strstr(line, "/tests/") &&
		    sscanf(line, "%lx-%lx", &from, &to) == 2)
			n += to - from;
	fclose(f);
	return n;
}

Test(image, leased)
{
	open_leased();
	cr_assert_eq(image_map(&img, &gm, GPA), 0);
	check_memory();
	cr_assert_eq(mapped_from_file(), 0x3000,
		     "text and constants come from the file, data does not");
}

Test(image, a_writer_waits_and_is_not_seen)
{
	pid_t pid;

	open_leased();
	cr_assert_eq(image_map(&img, &gm, GPA), 0);
	pid = writer(0);
	wait_for_lease_signal();
	cr_assert_eq(waitpid(pid, NULL, WNOHANG), 0, "the writer is still waiting");
	cr_assert_eq(image_privatize(&img), 0);
	cr_assert_eq(img.sharing, IMAGE_COPIED);
	reap(pid);
	check_memory();
	cr_assert_eq(mapped_from_file(), 0);
	cr_assert_eq(image_privatize(&img), 0, "once more does nothing");
}

Test(image, truncation_raises_no_sigbus)
{
	struct stat st;
	pid_t pid;

	open_leased();
	cr_assert_eq(image_map(&img, &gm, GPA), 0);
	pid = writer(1);
	wait_for_lease_signal();
	cr_assert_eq(image_privatize(&img), 0);
	reap(pid);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_size, 0);
	check_memory(); /* would die of SIGBUS */
}

Test(image, guest_writes_survive_privatize)
{
	pid_t pid;

	open_leased();
	cr_assert_eq(image_map(&img, &gm, GPA), 0);
	gm.base[GPA + 0x4000] ^= 0xff;
	gm.base[GPA] ^= 0xff; /* a device may be told to write to text */
	pid = writer(1);
	wait_for_lease_signal();
	cr_assert_eq(image_privatize(&img), 0);
	reap(pid);
	cr_assert_eq(gm.base[GPA + 0x4000], (uint8_t)(file[0x4000] ^ 0xff));
	cr_assert_eq(gm.base[GPA], (uint8_t)(file[0] ^ 0xff));
}

/* No memory for the copies: the lease stays, so the writer goes on waiting and the VM can be ended.
 */
Test(image, privatize_without_memory)
{
	uint8_t *room;
	pid_t pid;

	open_leased();
	cr_assert_eq(image_map(&img, &gm, GPA), 0);
	pid = writer(0);
	wait_for_lease_signal();
	room = img.room;
	img.room = NULL;
	cr_assert_eq(image_privatize(&img), -ENOMEM);
	img.room = room;
	cr_assert_eq(img.sharing, IMAGE_LEASED);
	cr_assert_eq(waitpid(pid, NULL, WNOHANG), 0);
	check_memory();
	cr_assert_eq(image_privatize(&img), 0);
	reap(pid);
	check_memory();
}

Test(image, the_lease_is_asked_for_before_the_image_is_mapped)
{
	pid_t pid;

	open_leased();
	pid = writer(0);
	wait_for_lease_signal();
	cr_assert_eq(image_privatize(&img), 0, "nothing to copy yet");
	cr_assert_eq(waitpid(pid, NULL, WNOHANG), 0, "and the writer waits until there is");
	cr_assert_eq(image_map(&img, &gm, GPA), 0);
	cr_assert_eq(img.sharing, IMAGE_COPIED);
	reap(pid);
	check_memory();
}

Test(image, writes_do_not_reach_the_file)
{
	uint8_t now[ELF_IMAGE_SIZE];
	int fd;

	open_leased();
	cr_assert_eq(image_map(&img, &gm, GPA), 0);
	memset(gm.base + GPA, 0xee, img.elf.span);
	fd = open(path, O_RDONLY);
	cr_assert_eq(pread(fd, now, sizeof now, 0), (ssize_t)sizeof now);
	close(fd);
	cr_assert_arr_eq(now, file, sizeof file);
}

Test(image, open_for_writing_is_copied)
{
	int fd = open(path, O_RDWR);

	open_as(path, IMAGE_COPIED);
	cr_assert_eq(image_map(&img, &gm, GPA), 0);
	cr_assert_eq(mapped_from_file(), 0);
	cr_assert_eq(ftruncate(fd, 0), 0);
	check_memory();
	close(fd);
}

Test(image, a_copy_that_was_changed_meanwhile_is_refused)
{
	int fd = open(path, O_RDWR);
	const struct timespec back[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

	open_as(path, IMAGE_COPIED);
	cr_assert_eq(pwrite(fd, "x", 1, 0x4000), 1);
	/* The clock of ctime is coarse; a second change of the inode moves it all the same, if only
	 * later. */
	struct stat st;

	do {
		cr_assert_eq(futimens(fd, back), 0);
		cr_assert_eq(fstat(fd, &st), 0);
	} while (st.st_ctim.tv_sec == img.changed.tv_sec &&
		 st.st_ctim.tv_nsec == img.changed.tv_nsec);
	cr_assert_eq(image_map(&img, &gm, GPA), -ESTALE);
	close(fd);
}

Test(image, a_copy_that_shrank_is_refused)
{
	int fd = open(path, O_RDWR);

	open_as(path, IMAGE_COPIED);
	cr_assert_eq(ftruncate(fd, 0x3000), 0);
	cr_assert_eq(image_map(&img, &gm, GPA), -ENODATA);
	close(fd);
}

static int memfd(unsigned seals)
{
	int fd = memfd_create("image", MFD_ALLOW_SEALING);

	write_file(fd);
	cr_assert_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return fd;
}

Test(image, sealed_memfd)
{
	unlink(path);

	int fd = memfd(F_SEAL_WRITE | F_SEAL_SHRINK);

	open_as(path, IMAGE_SEALED);
	cr_assert_eq(image_map(&img, &gm, GPA), 0);
	check_memory();
	cr_assert_lt(ftruncate(fd, 0), 0);
	cr_assert_eq(image_privatize(&img), 0);
	cr_assert_eq(img.sharing, IMAGE_SEALED);
	close(fd);
}

Test(image, half_sealed_memfd_is_copied)
{
	unlink(path);

	/* Sealed against new writers only: an old mapping could go on writing. */
	int fd = memfd(F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK);

	open_as(path, IMAGE_COPIED);
	image_close(&img);
	close(fd);
	fd = memfd(F_SEAL_WRITE);
	open_as(path, IMAGE_COPIED);
	cr_assert_eq(ftruncate(fd, 0), 0);
	cr_assert_eq(image_map(&img, &gm, GPA), -ENODATA);
	close(fd);
}

Test(image, what_cannot_be_an_image)
{
	char fifo[80];

	cr_assert_eq(image_open(&img, "build/does-not-exist", LEASE_SIGNAL, &why), -ENOENT);
	cr_assert_str_eq(why, "No such file or directory");
	cr_assert_eq(image_open(&img, "/tmp", LEASE_SIGNAL, &why), -EINVAL);
	cr_assert_str_eq(why, "not a regular file");
	cr_assert_eq(image_open(&img, "/dev/zero", LEASE_SIGNAL, &why), -EINVAL);
	snprintf(fifo, sizeof fifo, "%s.fifo", path);
	cr_assert_eq(mkfifo(fifo, 0600), 0);
	cr_assert_eq(image_open(&img, fifo, LEASE_SIGNAL, &why), -EINVAL,
		     "and it does not wait for a writer");
	unlink(fifo);
	cr_assert_eq(truncate(path, 0), 0);
	cr_assert_eq(image_open(&img, path, LEASE_SIGNAL, &why), -ENOEXEC);
	cr_assert_str_eq(why, "too short for an ELF header");
	cr_assert_eq(image_open(&img, "/bin/true", LEASE_SIGNAL, &why), -ENOEXEC);
	cr_assert(strstr(why, "build it with mayfly-cc"), "%s", why);
	img.fd = -1;
}

Test(image, does_not_fit)
{
	struct gmem small = {.base = gm.base, .size = 0x12000};

	open_leased();
	cr_assert_eq(image_map(&img, &small, GPA), -ENOMEM);
	cr_assert_eq(image_map(&img, &gm, MEM_SIZE - 0x5000), -ENOMEM);
	cr_assert_eq(image_map(&img, &gm, UINT64_MAX - 0xfff), -ENOMEM);
	cr_assert_eq(image_map(&img, &gm, GPA + 1), -EINVAL);
}

Test(image, descriptors_are_not_inherited)
{
	open_leased();
	cr_assert_eq(fcntl(img.fd, F_GETFD), FD_CLOEXEC);
}
