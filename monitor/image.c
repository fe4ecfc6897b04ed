/* SPDX-License-Identifier: MIT
 *
 * image.c: see image.h.
 *
 * Pages of the file that no segment fills: the kernel gives zeros behind the end of the file, and
 * what lies between two segments in the file may be seen in the last page of the first one. Those
 * are bytes of the image the guest was booted from, so nothing leaks; only where memsz > filesz
 * promises zeros do we write them.
 */
#include "monitor/image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mman.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/fullio.h"
#include "lib/handed.h"

#define PAGE_MASK      ((uint64_t)UK_PAGE - 1)
#define ZFS_MAGIC      0x2fc12fc1
#define BCACHEFS_MAGIC 0xca451a4e

static int fail(int err, const char *why, const char **ret_why)
{
	*ret_why = why;
	return err;
}

static bool is_sealed(int fd)
{
	const int want = F_SEAL_WRITE | F_SEAL_SHRINK;
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & want) == want;
}

/*
 * A lease says that nobody on this kernel opens the file for writing. That is enough only where
 * this kernel alone changes the file: not on network and FUSE file systems, and not on overlayfs,
 * whose layers have inodes of their own.
 */
static bool lease_means_still(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	switch ((unsigned long)fs.f_type) {
	case EXT4_SUPER_MAGIC:
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
	case TMPFS_MAGIC:
	case RAMFS_MAGIC:
	case EROFS_SUPER_MAGIC_V1:
	case SQUASHFS_MAGIC:
	case ZFS_MAGIC:
	case BCACHEFS_MAGIC:
		return true;
	default:
		return false;
	}
}

static enum image_sharing hold(int fd, const struct stat *st, int lease_signal)
{
	/* A memfd shows by having no name. It is not counted as open for writing, though it may be.
	 */
	if (st->st_nlink == 0)
		return is_sealed(fd) ? IMAGE_SEALED : IMAGE_COPIED;
	if (lease_means_still(fd) && fcntl(fd, F_SETSIG, lease_signal) == 0 &&
	    fcntl(fd, F_SETLEASE, F_RDLCK) == 0)
		return IMAGE_LEASED;
	return IMAGE_COPIED;
}

static int open_regular(const char *path, struct stat *ret_st, const char **ret_why)
{
	/* O_NONBLOCK: a FIFO must not make us wait; a regular file does not care. */
	int fd = handed_open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);

	if (fd < 0) {
		int err = errno;

		return fail(-err, strerror(err), ret_why);
	}
	if (fstat(fd, ret_st) < 0 || !S_ISREG(ret_st->st_mode)) {
		close(fd);
		return fail(-EINVAL, "not a regular file", ret_why);
	}
	return fd;
}

int image_open(struct image *img, const char *path, int lease_signal, const char **ret_why)
{
	uint8_t head[ELF_HEAD_MAX];
	struct image im = {.fd = -1};
	struct stat st = {0};
	size_t n = 0;
	int r;

	im.fd = open_regular(path, &st, ret_why);
	if (im.fd < 0)
		return im.fd;
	im.sharing = hold(im.fd, &st, lease_signal);
	/* The size counts from here on: it may have changed until the file was held. */
	r = fstat(im.fd, &st) < 0 ? -errno : 0;
	if (r == 0) {
		im.size = (uint64_t)st.st_size;
		im.changed = st.st_ctim;
		n = im.size < sizeof head ? (size_t)im.size : sizeof head;
		r = full_read(im.fd, head, n, 0);
	}
	if (r < 0)
		fail(r, strerror(-r), ret_why);
	else
		r = elf_decode(head, n, im.size, &im.elf, ret_why);
	if (r < 0) {
		close(im.fd);
		return r;
	}
	*img = im;
	return 0;
}

/* Where the pages of a segment lie: their offset in guest memory and in the file, and how many
 * bytes of file. */
struct extent {
	uint64_t gpa, off, len;
};

static struct extent file_pages(const struct image *img, const struct elf_seg *s)
{
	uint64_t into = s->va & PAGE_MASK;

	return (struct extent){
		.gpa = img->gpa + (s->va - into - img->elf.base),
		.off = s->off - into,
		.len = s->filesz ? (into + s->filesz + PAGE_MASK) & ~PAGE_MASK : 0,
	};
}

static bool is_mapped(const struct image *img, const struct elf_seg *s)
{
	return img->sharing == IMAGE_SEALED || (img->sharing == IMAGE_LEASED && !(s->prot & ELF_W));
}

/* Zero what follows the file's bytes in their last page, where the segment goes on. */
static int zero_tail(uint8_t *page, uint64_t from, uint64_t memsz_left)
{
	uint64_t n = UK_PAGE - from;

	/* A disk error shows here as -EFAULT; the store alone would raise SIGBUS. */
	if (madvise(page, UK_PAGE, MADV_POPULATE_WRITE) < 0)
		return -errno;
	memset(page + from, 0, n < memsz_left ? n : memsz_left);
	return 0;
}

static int map_pages(const struct image *img, struct extent e)
{
	uint8_t *dst = gmem_ptr(img->gm, e.gpa, e.len);

	if (!dst)
		return -ENOMEM;
	/* Writable whatever the segment says: the guest's page tables protect it from the guest,
	 * and a device that is told to write there must hit a private copy, not a fault in the
	 * monitor. */
	if (mmap(dst, e.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, img->fd,
		 (off_t)e.off) == MAP_FAILED)
		return -errno;
	return 0;
}

static int zero_rest(const struct image *img, const struct elf_seg *s)
{
	uint64_t end = (s->va & PAGE_MASK) + s->filesz;
	struct extent e = file_pages(img, s);
	uint8_t *dst = gmem_ptr(img->gm, e.gpa, e.len);

	if (!dst)
		return -ENOMEM;
	if (e.len && s->memsz > s->filesz && end & PAGE_MASK)
		return zero_tail(dst + (end & ~PAGE_MASK), end & PAGE_MASK, s->memsz - s->filesz);
	return 0;
}

/* Segments that follow each other in the file as they do in memory are one mapping: each costs a
 * call, and a piece of the kernel's map of us. Those that are copied are left out. */
static int map_segments(const struct image *img)
{
	struct extent all = {0};
	int r = 0;

	for (unsigned i = 0; i < img->elf.nseg && !r; i++) {
		struct extent e = file_pages(img, &img->elf.seg[i]);

		if (!is_mapped(img, &img->elf.seg[i]) || !e.len)
			continue;
		if (all.len && e.gpa == all.gpa + all.len && e.off == all.off + all.len) {
			all.len += e.len;
			continue;
		}
		r = all.len ? map_pages(img, all) : 0;
		all = e;
	}
	return r || !all.len ? r : map_pages(img, all);
}

static int copy_segment(const struct image *img, const struct elf_seg *s)
{
	void *dst = gmem_ptr(img->gm, img->gpa + (s->va - img->elf.base), s->filesz);

	if (!dst)
		return -ENOMEM;
	return full_read(img->fd, dst, s->filesz, s->off);
}

/* Nobody held the file while we read it: whoever changed it in that time moved its ctime. */
static int check_unchanged(const struct image *img)
{
	struct stat st;

	if (fstat(img->fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size != img->size || st.st_ctim.tv_sec != img->changed.tv_sec ||
	    st.st_ctim.tv_nsec != img->changed.tv_nsec)
		return -ESTALE;
	return 0;
}

uint64_t image_room(const struct image *img)
{
	return img->sharing == IMAGE_LEASED ? img->elf.span : 0;
}

int image_map(struct image *img, const struct gmem *gm, gpa_t gpa)
{
	if (gpa & PAGE_MASK || (uintptr_t)gm->base & PAGE_MASK)
		return -EINVAL;
	if (!gmem_ptr(gm, gpa, img->elf.span))
		return -ENOMEM;
	img->gm = gm;
	img->gpa = gpa;
	int r = map_segments(img);

	for (unsigned i = 0; i < img->elf.nseg && !r; i++) {
		const struct elf_seg *s = &img->elf.seg[i];

		r = is_mapped(img, s) ? zero_rest(img, s) : copy_segment(img, s);
	}
	if (r < 0)
		return r;
	if (img->sharing == IMAGE_COPIED)
		return check_unchanged(img);
	if (img->sharing != IMAGE_LEASED)
		return 0;
	/* The signal may have come before there was anything to copy. */
	if (fcntl(img->fd, F_GETLEASE) != F_RDLCK)
		return image_privatize(img);
	return 0;
}

/* Exchange file pages for anonymous ones of the same content. Whoever touches them meanwhile waits
 * in the kernel. */
static int replace_pages(struct image *img, uint8_t *p, uint64_t len)
{
	uint8_t *copy = img->room;

	/* A disk error shows here as -EFAULT; the copying alone would raise SIGBUS. */
	while (madvise(p, len, MADV_POPULATE_READ) < 0)
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
	memcpy(copy, p, len);
	img->room += len;
	/* If it fails the VM ends; munmap() is not in its filter. */
	return mremap(copy, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, p) == MAP_FAILED ? -errno : 0;
}

static int replace_all(struct image *img)
{
	for (unsigned i = 0; i < img->elf.nseg; i++) {
		const struct elf_seg *s = &img->elf.seg[i];
		struct extent e = file_pages(img, s);
		uint8_t *p = gmem_ptr(img->gm, e.gpa, e.len);
		int r = p && e.len && is_mapped(img, s) ? replace_pages(img, p, e.len) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

int image_privatize(struct image *img)
{
	/* Before image_map there is nothing to copy, and image_map looks for itself whether the
	 * lease is wanted back. */
	if (img->sharing != IMAGE_LEASED || !img->gm)
		return 0;
	int r = img->room ? replace_all(img) : -ENOMEM;

	if (r)
		return r;
	img->sharing = IMAGE_COPIED;
	return fcntl(img->fd, F_SETLEASE, F_UNLCK) < 0 ? -errno : 0;
}

int image_leave(struct image *img)
{
	int r = img->sharing == IMAGE_LEASED && img->gm ? replace_all(img) : 0;

	if (img->sharing == IMAGE_LEASED)
		img->sharing = IMAGE_COPIED;
	if (img->fd >= 0)
		close(img->fd);
	img->fd = -1;
	return r;
}

const char *image_sharing_name(enum image_sharing sharing)
{
	static const char *const names[] = {
		[IMAGE_SEALED] = "sealed", [IMAGE_LEASED] = "leased", [IMAGE_COPIED] = "copied"};

	return names[sharing];
}

void image_close(struct image *img)
{
	if (img->fd >= 0)
		close(img->fd);
	img->fd = -1;
}
