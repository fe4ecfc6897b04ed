/* SPDX-License-Identifier: MIT
 *
 * fd.h: open files and the descriptor table. A file kind (console, socket, ext2 file, epoll,
 * pipe...) is a const table of operations; all return >= 0 or -errno (Linux numbers), as everything
 * inside the library OS. Pointers that come from the application are trusted: it shares our address
 * space.
 */
#ifndef UK_FD_H
#define UK_FD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define UK_MAX_FDS 1024

struct stat;
struct uk_file;

struct uk_fops {
	const char *name;
	/* off >= 0: positioned (pread); off == -1: at and moving f->pos, or a stream. NULL =
	 * -EINVAL. Honour O_NONBLOCK in f->flags; block with uk__wait(). */
	ssize_t (*readv)(struct uk_file *f, const struct iovec *iov, int n, int64_t off);
	ssize_t (*writev)(struct uk_file *f, const struct iovec *iov, int n, int64_t off);
	int64_t (*lseek)(struct uk_file *f, int64_t off, int whence);  /* NULL = -ESPIPE */
	long (*ioctl)(struct uk_file *f, unsigned long req, long arg); /* NULL = -ENOTTY */
	int (*fstat)(struct uk_file *f, struct stat *st);
	uint32_t (*poll)(struct uk_file *f); /* EPOLL* bits that hold now; NULL = always IN|OUT */
	long (*getdents)(struct uk_file *f, void *buf,
			 size_t len);			 /* linux_dirent64; NULL = -ENOTDIR */
	int (*fsync)(struct uk_file *f, bool data_only); /* NULL = -EINVAL */
	int (*truncate)(struct uk_file *f, int64_t len); /* NULL = -EINVAL */
	void (*release)(struct uk_file *f);		 /* last reference gone: free priv */
	/* The kind calls uk__file_ready() on news. Otherwise epoll asks poll() at every wait, and
	 * an edge-triggered watch works as a level-triggered one. */
	bool notifies;
};

struct uk_file {
	const struct uk_fops *ops;
	int refs;
	int flags; /* O_ACCMODE | O_NONBLOCK | O_APPEND | O_DIRECT ... as F_GETFL shows them */
	int64_t pos;
	void *priv;
	void *watchers; /* owned by epoll: who watches this file, NULL = nobody */
};

/* A file with one reference, or NULL (-ENOMEM). The caller installs it or puts it. */
struct uk_file *uk__file_new(const struct uk_fops *ops, int flags, void *priv);
void uk__file_put(struct uk_file *f); /* NULL is fine */

/* Something that poll() tells has newly become true of f, or more data or room came: epoll then
 * looks at f again. Cheap when nobody watches. For kinds with .notifies. */
void uk__file_ready(struct uk_file *f);

/* Lowest free descriptor >= min; takes over the caller's reference on success. -EMFILE when full.
 */
int uk__fd_install(struct uk_file *f, int min, bool cloexec);
/* Borrowed pointer, NULL when fd is not open (-EBADF). */
struct uk_file *uk__fd_get(int fd);
/* Take the descriptor out of the table and drop its reference. 0 or -EBADF. */
int uk__fd_close(int fd);

#endif
