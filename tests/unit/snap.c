/* SPDX-License-Identifier: MIT
 *
 * snap.c: see snap.h.
 */
#include "tests/unit/snap.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <sodium/crypto_sign_ed25519.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void snap_dir_make(struct snap_dir *d)
{
	mkdir("build", 0755);
	snprintf(d->dir, sizeof d->dir, "build/test_snap.XXXXXX");
	cr_assert(mkdtemp(d->dir));
	snprintf(d->state, sizeof d->state, "%s/vm", d->dir);
	snprintf(d->mem, sizeof d->mem, "%s/vm.mem", d->dir);
	snprintf(d->sig, sizeof d->sig, "%s/vm.sig", d->dir);
	snprintf(d->packed, sizeof d->packed, "%s/packed", d->dir);
}

void snap_dir_remove(struct snap_dir *d)
{
	DIR *dir = opendir(d->dir);
	struct dirent *e;
	char path[400];

	while (dir && (e = readdir(dir))) {
		snprintf(path, sizeof path, "%s/%s", d->dir, e->d_name);
		unlink(path);
	}
	if (dir)
		closedir(dir);
	rmdir(d->dir);
}

bool snap_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

void snap_state(struct vm_state *st)
{
	memset(st, 0, sizeof *st);
	st->mem_size = SNAP_MEM;
	st->tsc_hz = 1000000000;
	st->idle_exit = 1;
	st->layout = (struct uk_boot){
		.magic = UK_BOOT_MAGIC,
		.version = UK_ABI_VERSION,
		.size = sizeof st->layout,
		.mem_size = SNAP_MEM,
		.image_va = UK_GPA_IMAGE,
		.image_gpa = UK_GPA_IMAGE,
		.image_size = UK_PAGE,
		.heap_start = UK_GPA_IMAGE + UK_PAGE,
		.heap_end = SNAP_MEM,
		.stack_low = UK_GPA_STACK + UK_PAGE,
		.stack_top = UK_GPA_IMAGE,
		.cmdline = UK_GPA_BOOT + UK_OFF_CMDLINE,
		.shared = UK_GPA_BOOT + UK_OFF_SHARED,
		.ctl = UK_VA_MMIO,
	};
}

uint8_t *snap_memory(void)
{
	uint8_t *p =
		mmap(NULL, SNAP_MEM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq((void *)p, MAP_FAILED);
	return p;
}

void snap_pattern(uint8_t *mem, unsigned seed)
{
	static const unsigned page[] = {0, 1, 15, 16, 40, 41, 42, 300, 511};

	for (unsigned i = 0; i < sizeof page / sizeof *page; i++)
		memset(mem + page[i] * UK_PAGE, (int)(1 + (seed + i) % 255), UK_PAGE);
}

int snap_save(const struct snap_dir *d, const uint8_t *mem, const uint64_t *only,
	      const uint8_t *base_id, struct snap_written *ret, char *err, size_t errlen)
{
	static struct vm_state st;
	const struct snap_cpu cpu = {.vendor = "TestTestTest"};
	const struct snap_source src = {.state = &st,
					.cpu = &cpu,
					.config = "{\"mem\": \"2M\"}",
					.base = mem,
					.only = only,
					.base_id = base_id};

	snap_state(&st);
	return snap_files_write(&src, d->state, d->mem, ret, err, errlen);
}

int snap_save_as(const struct snap_dir *d, const uint8_t *mem, const struct vm_state *st,
		 const char *config, char *err, size_t errlen)
{
	const struct snap_cpu cpu = {.vendor = "TestTestTest"};
	const struct snap_source src = {.state = st, .cpu = &cpu, .config = config, .base = mem};
	struct snap_written w;

	return snap_files_write(&src, d->state, d->mem, &w, err, errlen);
}

static void put_file(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	cr_assert_eq(write(fd, data, len), (ssize_t)len);
	close(fd);
}

void snap_signer_make(struct snap_signer *s, const struct snap_dir *d)
{
	uint8_t pk[32];

	crypto_sign_ed25519_keypair(pk, s->sk);
	snprintf(s->key, sizeof s->key, "%s/key", d->dir);
	put_file(s->key, pk, sizeof pk);
}

void snap_sign(const struct snap_signer *s, const struct snap_dir *d)
{
	uint8_t sig[SNAP_SIG];
	char err[300];
	size_t len;
	void *buf;

	cr_assert_eq(snap_read(d->state, SNAP_STATE_MAX, &buf, &len, err, sizeof err), 0, "%s",
		     err);
	crypto_sign_ed25519_detached(sig, NULL, buf, len, s->sk);
	free(buf);
	put_file(d->sig, sig, sizeof sig);
}

int snap_restore(const struct restore_config *rc, uint8_t *mem, char *err, size_t errlen)
{
	struct snapshot *s = NULL;
	int r = snap_files_open(&s, rc, err, errlen);

	r = r ? r : snap_files_memory(s, rc->verify, mem, err, errlen);
	snap_files_close(s);
	return r;
}
