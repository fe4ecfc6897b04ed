/* SPDX-License-Identifier: MIT
 *
 * store.c: append, recover, compact. The log is trusted no further than its checksums.
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_NAME  "kv.log"
#define NEW_NAME  "kv.log.new"
#define MAGIC	  "MFKVLOG1"
#define MAGIC_LEN 8

enum record_type { RECORD_SET = 1, RECORD_DEL = 2 };

static uint32_t crc32(const unsigned char *p, size_t n)
{
	/* Half a byte at a time: 64 bytes of table are enough for a disk's pace. */
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t c = ~0u;

	for (size_t i = 0; i < n; i++) {
		c = table[(c ^ p[i]) & 15] ^ c >> 4;
		c = table[(c ^ (uint32_t)(p[i] >> 4)) & 15] ^ c >> 4;
	}
	return ~c;
}

static void put_le32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

static uint32_t get_le32(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

struct record {
	enum record_type type;
	size_t key_len, value_len, size;
	const char *key;
	const void *value;
};

/* Judges the record at the start of p. -EBADMSG when it is not whole and sound. */
static int record_parse(const unsigned char *p, size_t n, struct record *ret)
{
	struct record r;

	if (n < KV_RECORD_HEAD)
		return -EBADMSG;
	r.type = p[4];
	r.key_len = p[5];
	r.value_len = get_le32(p + 8);
	if ((r.type != RECORD_SET && r.type != RECORD_DEL) || !r.key_len ||
	    r.key_len > KV_KEY_MAX || p[6] || p[7] || r.value_len > KV_VALUE_MAX)
		return -EBADMSG;
	r.size = KV_RECORD_HEAD + r.key_len + r.value_len;
	if (n < r.size || get_le32(p) != crc32(p + 4, r.size - 4))
		return -EBADMSG;
	r.key = (const char *)p + KV_RECORD_HEAD;
	r.value = r.key + r.key_len;
	*ret = r;
	return 0;
}

static size_t record_make(unsigned char *p, enum record_type type, const char *key, size_t key_len,
			  const void *value, size_t len)
{
	p[4] = (unsigned char)type;
	p[5] = (unsigned char)key_len;
	p[6] = p[7] = 0;
	put_le32(p + 8, (uint32_t)len);
	memcpy(p + KV_RECORD_HEAD, key, key_len);
	if (len)
		memcpy(p + KV_RECORD_HEAD + key_len, value, len);
	put_le32(p, crc32(p + 4, KV_RECORD_HEAD - 4 + key_len + len));
	return KV_RECORD_HEAD + key_len + len;
}

/* All n bytes at off, or -EIO at the end of the file. */
static int read_all(int fd, void *buf, size_t n, uint64_t off)
{
	while (n) {
		ssize_t r = pread(fd, buf, n, (off_t)off);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r ? -errno : -EIO;
		buf = (char *)buf + r;
		n -= (size_t)r;
		off += (uint64_t)r;
	}
	return 0;
}

static int write_all(int fd, const void *buf, size_t n, uint64_t off)
{
	while (n) {
		ssize_t r = pwrite(fd, buf, n, (off_t)off);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r ? -errno : -ENOSPC;
		buf = (const char *)buf + r;
		n -= (size_t)r;
		off += (uint64_t)r;
	}
	return 0;
}

/* A new name in the directory is durable only when the directory is. Some file systems cannot do
 * this by descriptor and say EINVAL; theirs is as durable as the file's own sync makes it. */
static int sync_dir(const struct store *s)
{
	return fsync(s->dir_fd) < 0 && errno != EINVAL ? -errno : 0;
}

static size_t entry_size(const struct entry *e)
{
	return KV_RECORD_HEAD + e->key_len + e->value_len;
}

static void forget(struct store *s, const char *key, size_t key_len)
{
	struct entry *e = index_find(&s->index, key, key_len);

	if (e)
		s->live -= entry_size(e);
	index_remove(&s->index, key, key_len);
}

/* Points the index at a set record that lies at off. */
static int remember(struct store *s, const char *key, size_t key_len, size_t value_len,
		    uint64_t off)
{
	struct entry *e;
	int r = index_put(&s->index, key, key_len, &e);

	if (r < 0)
		return r;
	if (e->off) /* the magic is at 0, so a record never is */
		s->live -= entry_size(e);
	e->off = off;
	e->value_len = (uint32_t)value_len;
	s->live += entry_size(e);
	return 0;
}

static int apply(struct store *s, const struct record *r, uint64_t off)
{
	if (r->type == RECORD_SET)
		return remember(s, r->key, r->key_len, r->value_len, off);
	forget(s, r->key, r->key_len);
	return 0;
}

/* Reads the log from its start; s->end becomes the end of its last sound record. */
static int recover(struct store *s)
{
	struct stat st;
	struct record rec;
	int r = 0;

	if (fstat(s->log_fd, &st) < 0)
		return -errno;
	for (s->end = MAGIC_LEN; s->end < (uint64_t)st.st_size; s->end += rec.size) {
		uint64_t left = (uint64_t)st.st_size - s->end;
		size_t n = left < KV_RECORD_MAX ? (size_t)left : KV_RECORD_MAX;

		/* Head first: most records are far smaller than the largest. */
		if (n < KV_RECORD_HEAD)
			break;
		r = read_all(s->log_fd, s->record, KV_RECORD_HEAD, s->end);
		if (r < 0)
			return r;
		if (get_le32(s->record + 8) <= KV_VALUE_MAX &&
		    n > KV_RECORD_HEAD + s->record[5] + (size_t)get_le32(s->record + 8))
			n = KV_RECORD_HEAD + s->record[5] + (size_t)get_le32(s->record + 8);
		r = read_all(s->log_fd, s->record + KV_RECORD_HEAD, n - KV_RECORD_HEAD,
			     s->end + KV_RECORD_HEAD);
		if (r < 0)
			return r;
		if (record_parse(s->record, n, &rec) < 0)
			break;
		r = apply(s, &rec, s->end);
		if (r < 0)
			return r;
	}
	s->cut = (uint64_t)st.st_size - s->end;
	if (!s->cut)
		return 0;
	if (ftruncate(s->log_fd, (off_t)s->end) < 0 || fsync(s->log_fd) < 0)
		return -errno;
	return 0;
}

/* Makes the magic of a new log, or checks it. A file shorter than the magic was never acknowledged
 * to hold anything: it is begun again. */
static int check_magic(struct store *s)
{
	char magic[MAGIC_LEN];
	struct stat st;
	int r;

	if (fstat(s->log_fd, &st) < 0)
		return -errno;
	if (st.st_size >= MAGIC_LEN) {
		r = read_all(s->log_fd, magic, MAGIC_LEN, 0);
		return r ? r : memcmp(magic, MAGIC, MAGIC_LEN) ? -EPROTO : 0;
	}
	r = write_all(s->log_fd, MAGIC, MAGIC_LEN, 0);
	if (r < 0)
		return r;
	if (fsync(s->log_fd) < 0)
		return -errno;
	return sync_dir(s);
}

int store_open(struct store *s, const char *dir, uint32_t max_keys, uint32_t seed)
{
	int r;

	*s = (struct store){.dir_fd = -1, .log_fd = -1};
	r = index_init(&s->index, max_keys, seed);
	if (r < 0)
		return r;
	s->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd >= 0)
		s->log_fd = openat(s->dir_fd, LOG_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (s->log_fd < 0) {
		r = -errno;
		store_close(s);
		return r;
	}
	/* A compaction that was cut short: the log beside it is complete. */
	unlinkat(s->dir_fd, NEW_NAME, 0);
	r = check_magic(s);
	if (!r)
		r = recover(s);
	if (r < 0)
		store_close(s);
	return r;
}

void store_close(struct store *s)
{
	if (s->log_fd >= 0)
		close(s->log_fd);
	if (s->dir_fd >= 0)
		close(s->dir_fd);
	s->log_fd = s->dir_fd = -1;
	index_fini(&s->index);
}

int store_get(struct store *s, const char *key, size_t key_len, void *buf)
{
	const struct entry *e = index_find(&s->index, key, key_len);
	struct record rec;
	int r;

	if (!e)
		return -ENOENT;
	r = read_all(s->log_fd, s->record, entry_size(e), e->off);
	if (r < 0)
		return r;
	if (record_parse(s->record, entry_size(e), &rec) < 0 || rec.type != RECORD_SET ||
	    rec.key_len != key_len || memcmp(rec.key, key, key_len))
		return -EBADMSG;
	memcpy(buf, rec.value, rec.value_len);
	return (int)rec.value_len;
}

static int append(struct store *s, size_t n)
{
	int r = write_all(s->log_fd, s->record, n, s->end);

	if (r < 0) {
		/* Half a record at the end would only be cut off at the next start; not leaving it
		 * there is politeness, so its failure changes nothing. */
		if (ftruncate(s->log_fd, (off_t)s->end) < 0)
			errno = 0;
		return r;
	}
	s->end += n;
	s->dirty = true;
	return 0;
}

int store_set(struct store *s, const char *key, size_t key_len, const void *value, size_t len)
{
	uint64_t off = s->end;
	bool known = index_find(&s->index, key, key_len);
	struct entry *e;
	int r = index_put(&s->index, key, key_len, &e);

	if (r < 0)
		return r;
	r = append(s, record_make(s->record, RECORD_SET, key, key_len, value, len));
	if (!r)
		return remember(s, key, key_len, len, off); /* cannot fail: the entry is there */
	if (!known)
		index_remove(&s->index, key, key_len);
	return r;
}

int store_del(struct store *s, const char *key, size_t key_len)
{
	int r;

	if (!index_find(&s->index, key, key_len))
		return 0;
	r = append(s, record_make(s->record, RECORD_DEL, key, key_len, NULL, 0));
	if (r < 0)
		return r;
	forget(s, key, key_len);
	return 1;
}

int store_sync(struct store *s)
{
	if (!s->dirty)
		return 0;
	if (fdatasync(s->log_fd) < 0) {
		s->failed = true;
		return -errno;
	}
	s->dirty = false;
	return 0;
}

bool store_wants_compact(const struct store *s)
{
	return s->end > KV_COMPACT_MIN && s->end > 2 * (s->live + MAGIC_LEN);
}

/* Copies every live record to fd; each entry's new_off says where it went. */
static int copy_live(struct store *s, int fd, uint64_t *ret_end)
{
	uint64_t end = MAGIC_LEN;
	int r = write_all(fd, MAGIC, MAGIC_LEN, 0);

	for (struct entry *e = index_next(&s->index, NULL); e && !r; e = index_next(&s->index, e)) {
		size_t n = entry_size(e);
		struct record rec;

		r = read_all(s->log_fd, s->record, n, e->off);
		if (!r)
			r = record_parse(s->record, n, &rec);
		if (!r)
			r = write_all(fd, s->record, n, end);
		e->new_off = end;
		end += n;
	}
	if (!r && fsync(fd) < 0)
		r = -errno;
	*ret_end = end;
	return r;
}

int store_compact(struct store *s)
{
	uint64_t end;
	int r, fd = openat(s->dir_fd, NEW_NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	r = copy_live(s, fd, &end);
	if (!r && renameat(s->dir_fd, NEW_NAME, s->dir_fd, LOG_NAME) < 0)
		r = -errno;
	if (r < 0) {
		close(fd);
		unlinkat(s->dir_fd, NEW_NAME, 0);
		return r;
	}
	close(s->log_fd);
	s->log_fd = fd;
	s->end = end;
	for (struct entry *e = index_next(&s->index, NULL); e; e = index_next(&s->index, e))
		e->off = e->new_off;
	/* Until the directory is durable a crash brings the old log back, which lacks what is
	 * written from here on: a failure here is a failed sync. */
	r = sync_dir(s);
	s->failed = r < 0;
	return r;
}
