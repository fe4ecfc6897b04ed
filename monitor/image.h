/* SPDX-License-Identifier: MIT
 *
 * image.h: the image file behind a VM's first pages. Read-only segments are mapped MAP_PRIVATE from
 * the file into guest memory, so a thousand VMs share text and constants in the page cache;
 * writable ones are copy-on-write or read.
 *
 * A file that changes under us must neither kill the monitor (SIGBUS after truncation) nor show the
 * guest bytes it did not boot from. So we map a file only when we hold it still: a sealed memfd as
 * it is, any other regular file under a read lease (fcntl F_SETLEASE). When somebody opens a leased
 * file for writing the kernel makes him wait, we put copies in the place of the file's pages and
 * let the lease go. Truncation takes even copy-on-write copies out of a mapping of the file, so the
 * copies are anonymous memory; and as that exchange would lose what a device writes at the same
 * time, writable segments of a leased file are read in the first place. Where no lease is to be had
 * (not our file, open for writing, file system without trustworthy leases) we read the image into
 * private memory: correct, not shared, and the metrics say so.
 */
#ifndef MONITOR_IMAGE_H
#define MONITOR_IMAGE_H

#include <signal.h>
#include <time.h>
#include "monitor/elf.h"
#include "monitor/gmem.h"

enum image_sharing { IMAGE_SEALED, IMAGE_LEASED, IMAGE_COPIED };

struct image {
	int fd;
	uint64_t size;
	struct elf_image elf;
	enum image_sharing sharing;
	struct timespec changed; /* ctime when it was opened */
	uint8_t *room; /* image_room() bytes for the copies that privatize makes: mapping memory
			* is not in a running VM's filter */
	/* where it was mapped, for privatize */
	const struct gmem *gm;
	gpa_t gpa;
};

/*
 * Open, decode, hold. lease_signal (a real-time signal, blocked or caught by now) is delivered to
 * the calling thread's process when the lease must be given up; there are
 * /proc/sys/fs/lease-break-time seconds for it. -errno with *ret_why set to a static message that
 * names what is wrong; then there is nothing to close.
 */
int image_open(struct image *img, const char *path, int lease_signal, const char **ret_why);
/*
 * Map or read every segment so that elf.base lands at gpa (page aligned). gm's pages there are
 * zero, and gm outlives img. -ENOMEM: the image does not fit in RAM there; -ENODATA: the file ended
 * early; -ESTALE: it changed while it was read.
 */
int image_map(struct image *img, const struct gmem *gm, gpa_t gpa);
/*
 * The lease is being broken: make every mapped page ours, then release the lease. Safe while the
 * guest runs; any thread, not in a signal handler, not at the same time as image_map. On failure
 * (-ENOMEM) the lease is kept and the VM must end before it expires.
 */
int image_privatize(struct image *img);
/* This process is a copy (fork) of the one that holds the lease: make the pages ours and let go of
 * the file, not of the lease. 0 or -errno. */
int image_leave(struct image *img);
/* "sealed", "leased" or "copied", for the metrics. */
/* How much memory beside the guest's a writer to the file would make necessary. */
uint64_t image_room(const struct image *img);
const char *image_sharing_name(enum image_sharing sharing);
/* Only when the guest runs no more and none of its memory is read: the lease ends here. Accepts fd
 * -1. */
void image_close(struct image *img);

/*
 * Symbolise va (link-time address): writes "name+0x12" to buf, or "" when unknown. Reads the symbol
 * table from the file, bounds-checked, the name reduced to printable characters; only called when a
 * guest has crashed.
 */
void image_symbol(const struct image *img, uint64_t va, char *buf, size_t len);

#endif
