/* SPDX-License-Identifier: MIT
 *
 * test_kv_store.c: the kv example's log: what recovery accepts and what it cuts off, for a tear at
 * every byte and for damage to every byte; compaction; limits.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "examples/kv/store.h"

static struct store st;
static char dir[64], log_path[96];

static void setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/mayfly-kv-XXXXXX");
	cr_assert(mkdtemp(dir));
	snprintf(log_path, sizeof(log_path), "%s/kv.log", dir);
}

static void teardown(void)
{
	char other[96];

	snprintf(other, sizeof(other), "%s/kv.log.new", dir);
	unlink(other);
	unlink(log_path);
	rmdir(dir);
}

TestSuite(kv_store, .init = setup, .fini = teardown);

static void open_store(void)
{
	cr_assert_eq(store_open(&st, dir, 100, 1), 0);
}

static int set(const char *key, const char *value)
{
	return store_set(&st, key, strlen(key), value, strlen(value));
}

static void expect(const char *key, const char *value)
{
	static char buf[KV_VALUE_MAX];
	int n = store_get(&st, key, strlen(key), buf);

	if (!value)
		cr_expect_eq(n, -ENOENT, "%s: %d", key, n);
	else
		cr_expect(n == (int)strlen(value) && !memcmp(buf, value, strlen(value)), "%s: %d",
			  key, n);
}

static off_t log_size(void)
{
	struct stat s;

	cr_assert_eq(stat(log_path, &s), 0);
	return s.st_size;
}

/* Three records: two of "a", and a deletion of "b" whose set is the second record. */
static off_t write_log(off_t end[4])
{
	open_store();
	end[0] = log_size();
	set("a", "one");
	end[1] = log_size();
	set("b", "two");
	end[2] = log_size();
	cr_assert_eq(store_del(&st, "b", 1), 1);
	end[3] = log_size();
	cr_assert_eq(store_sync(&st), 0);
	store_close(&st);
	return end[3];
}

Test(kv_store, values_survive)
{
	open_store();
	expect("a", NULL);
	cr_assert_eq(set("a", "one"), 0);
	cr_assert_eq(set("b", ""), 0);
	cr_assert_eq(set("a", "two"), 0);
	cr_assert_eq(store_del(&st, "c", 1), 0);
	cr_assert_eq(store_sync(&st), 0);
	expect("a", "two");
	store_close(&st);
	open_store();
	cr_assert_eq(st.cut, 0);
	cr_assert_eq(st.index.count, 2);
	expect("a", "two");
	expect("b", "");
	store_close(&st);
}

Test(kv_store, tail_torn_at_every_byte)
{
	off_t end[4], size = write_log(end);

	while (size-- > end[0]) {
		cr_assert_eq(truncate(log_path, size), 0);
		open_store();
		expect("a", size >= end[1] ? "one" : NULL);
		expect("b", size >= end[2] ? "two" : NULL);
		store_close(&st);
		/* What was torn is gone from the file too: the next record starts on sound ground.
		 */
		cr_expect_eq(log_size(), size >= end[2]	  ? end[2]
					 : size >= end[1] ? end[1]
							  : end[0]);
		size = log_size() < size ? size : log_size();
	}
}

Test(kv_store, damage_ends_the_log)
{
	off_t end[4], size = write_log(end);
	char *good = malloc((size_t)size);
	int fd = open(log_path, O_RDONLY);

	cr_assert_eq(read(fd, good, (size_t)size), size);
	close(fd);
	for (off_t at = end[0]; at < size; at++) {
		good[at] ^= 0x40;
		fd = open(log_path, O_WRONLY | O_TRUNC);
		cr_assert_eq(write(fd, good, (size_t)size), size);
		close(fd);
		good[at] ^= 0x40;
		open_store();
		expect("a", at >= end[1] ? "one" : NULL);
		expect("b", at >= end[2] ? "two" : NULL);
		cr_expect_gt(st.cut, 0);
		store_close(&st);
	}
	free(good);
}

/* Changes one byte of the log behind the store's back. */
static void damage(off_t at)
{
	int fd = open(log_path, O_RDWR);
	char c;

	cr_assert_eq(pread(fd, &c, 1, at), 1);
	c ^= 0x40;
	cr_assert_eq(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

/* A disk that rots under a running server: the value is refused, whichever byte of its record is
 * wrong. */
Test(kv_store, damage_is_found_at_each_read)
{
	static char buf[KV_VALUE_MAX];
	off_t start, end;

	open_store();
	start = log_size();
	set("a", "one");
	end = log_size();
	set("b", "two");
	for (off_t at = start; at < end; at++) {
		damage(at);
		cr_expect_eq(store_get(&st, "a", 1, buf), -EBADMSG, "byte %ld", at - start);
		expect("b", "two");
		damage(at);
		expect("a", "one");
	}
	store_close(&st);
}

/* Compaction copies nothing that is damaged, and then keeps the log it has. */
Test(kv_store, damage_stops_compaction)
{
	off_t start, size;

	open_store();
	start = log_size();
	set("a", "one");
	set("b", "two");
	size = log_size();
	damage(start + KV_RECORD_HEAD + 1);
	cr_expect_eq(store_compact(&st), -EBADMSG);
	cr_expect_eq(log_size(), size);
	expect("b", "two");
	damage(start + KV_RECORD_HEAD + 1);
	cr_expect_eq(store_compact(&st), 0);
	expect("a", "one");
	expect("b", "two");
	store_close(&st);
}

Test(kv_store, foreign_file_is_left_alone)
{
	int fd = open(log_path, O_WRONLY | O_CREAT, 0600);

	cr_assert_eq(write(fd, "not a log at all", 16), 16);
	close(fd);
	cr_assert_eq(store_open(&st, dir, 100, 1), -EPROTO);
	cr_assert_eq(log_size(), 16);
}

Test(kv_store, limits)
{
	static char value[KV_VALUE_MAX], key[KV_KEY_MAX], back[KV_VALUE_MAX];

	memset(value, 0, sizeof(value)); /* any byte */
	memset(key, 0xff, sizeof(key));
	open_store();
	cr_assert_eq(store_set(&st, key, sizeof(key), value, sizeof(value)), 0);
	for (int i = 1; i < 100; i++) {
		char k[16];

		snprintf(k, sizeof(k), "key%d", i);
		cr_assert_eq(set(k, k), 0);
	}
	cr_assert_eq(set("one more", ""), -ENOSPC);
	cr_assert_eq(set("key1", "again"), 0, "a known key may change when the store is full");
	cr_assert_eq(store_del(&st, "key2", 4), 1);
	cr_assert_eq(set("one more", ""), 0);
	store_close(&st);
	cr_assert_eq(store_open(&st, dir, 50, 1), -ENOSPC, "more keys than allowed");
	open_store();
	cr_assert_eq(store_get(&st, key, sizeof(key), back), KV_VALUE_MAX);
	cr_assert_eq(memcmp(back, value, sizeof(value)), 0);
	store_close(&st);
}

Test(kv_store, compaction)
{
	char value[1000];

	memset(value, 'v', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	open_store();
	set("keep", "kept");
	for (int i = 0; !store_wants_compact(&st); i++) {
		cr_assert_lt(i, 10000);
		cr_assert_eq(set("hot", value), 0);
	}
	cr_assert_eq(store_sync(&st), 0);
	cr_assert_eq(store_compact(&st), 0);
	cr_assert_lt(log_size(), 2000);
	cr_assert_eq((uint64_t)log_size(), st.end);
	expect("keep", "kept");
	expect("hot", value);
	cr_assert_eq(set("after", "x"), 0);
	store_close(&st);
	open_store();
	expect("keep", "kept");
	expect("hot", value);
	expect("after", "x");
	store_close(&st);
}

Test(kv_store, interrupted_compaction_is_forgotten)
{
	char other[96];
	off_t end[4];
	int fd;

	write_log(end);
	snprintf(other, sizeof(other), "%s/kv.log.new", dir);
	fd = open(other, O_WRONLY | O_CREAT, 0600);
	cr_assert_eq(write(fd, "MFKVLOG1 half", 13), 13);
	close(fd);
	open_store();
	expect("a", "one");
	cr_assert_lt(access(other, F_OK), 0);
	store_close(&st);
}

Test(kv_store, many_keys_through_growth)
{
	cr_assert_eq(store_open(&st, dir, 5000, 7), 0);
	for (int i = 0; i < 5000; i++) {
		char k[16];

		snprintf(k, sizeof(k), "%d", i);
		cr_assert_eq(set(k, k), 0);
		if (i % 3 == 0)
			cr_assert_eq(store_del(&st, k, strlen(k)), 1);
	}
	for (int i = 0; i < 5000; i++) {
		char k[16];

		snprintf(k, sizeof(k), "%d", i);
		expect(k, i % 3 ? k : NULL);
	}
	store_close(&st);
}
