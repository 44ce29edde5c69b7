// SPDX-License-Identifier: Apache-2.0
#include "agent/posted.h"

#include "proto/daemon/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define NOW 1763640000000

static unsigned folders_synced;

/* In the place of libc's: whether a power cut would leave a new file's name. */
int fsync(int fd)
{
	struct stat about;

	folders_synced += fstat(fd, &about) == 0 && S_ISDIR(about.st_mode);
	return 0;
}

struct world {
	char folder[64], path[96];
	struct stream_id stream;
	struct posted *p;
};

static void start(struct world *w, uint64_t before_sealed)
{
	posted_close(w->p);
	w->p = NULL;
	assert_int_equal(posted_open(w->folder, &w->stream, before_sealed, &w->p), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	log_set_level(LOG_LEVEL_ERROR);
	snprintf(w->folder, sizeof(w->folder), "/tmp/hourglass-posted-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->path, sizeof(w->path), "%s/posted", w->folder);
	memset(w->stream.bytes, 7, STREAM_ID_BYTES);
	start(w, 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	posted_close(w->p);
	unlink(w->path);
	rmdir(w->folder);
	free(w);
	return 0;
}

static enum posted_state find(struct world *w, const char *key, const char *body)
{
	return posted_find(w->p, slice_text(key), slice_text(body), NOW);
}

static void add(struct world *w, const char *key)
{
	assert_int_equal(find(w, key, "body"), POSTED_NEW);
	assert_int_equal(posted_add(w->p, slice_text(key), slice_text("body"), NOW), 0);
	assert_int_equal(find(w, key, "body"), POSTED_WAITING);
}

/* Or what is appended and synced after that would be in a file without a name. */
static void test_a_file_written_anew_is_synced_with_its_folder(void **state)
{
	struct world *w = *state;

	folders_synced = 0;
	start(w, 0);
	assert_int_equal(folders_synced, 1);
}

static void test_a_key_counts_once(void **state)
{
	struct world *w = *state;

	add(w, "a");
	posted_sealing(w->p, &w->stream, 100, 5, false);
	posted_sealed(w->p, true);
	assert_int_equal(find(w, "a", "body"), POSTED_SEALED);
	assert_int_equal(find(w, "a", "other"), POSTED_OTHER);
	assert_int_equal(find(w, "b", "body"), POSTED_NEW);
	add(w, "b");
	posted_sealing(w->p, &w->stream, 105, 5, true);
	posted_sealed(w->p, false);
	assert_int_equal(find(w, "b", "body"), POSTED_PARTLY);
	assert_int_equal(find(w, "a", "body"), POSTED_SEALED);
}

static void test_a_start_knows_what_was_sealed(void **state)
{
	struct world *w = *state;

	add(w, "sealed");
	posted_sealing(w->p, &w->stream, 0, 5, false);
	posted_sealed(w->p, true);
	add(w, "waiting"); /* killed before the seal */
	start(w, 5);
	assert_int_equal(find(w, "sealed", "body"), POSTED_SEALED);
	assert_int_equal(find(w, "sealed", "other"), POSTED_OTHER);
	assert_int_equal(find(w, "waiting", "body"), POSTED_NEW);
	start(w, 0);
	assert_int_equal(find(w, "sealed", "body"), POSTED_SEALED);
}

static void test_a_kill_within_a_seal_is_resolved_by_the_spool(void **state)
{
	struct world *w = *state;
	const struct { uint64_t sealed; enum posted_state state; } cases[] = {
		{ 100, POSTED_NEW }, { 101, POSTED_PARTLY }, { 109, POSTED_PARTLY },
		{ 110, POSTED_SEALED }, { 500, POSTED_SEALED },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char key[2] = { (char)('a' + i), '\0' };

		add(w, key);
		posted_sealing(w->p, &w->stream, 100, 10, false);
		start(w, cases[i].sealed);
		assert_int_equal(find(w, key, "body"), cases[i].state);
		start(w, 0); /* and so it stays */
		assert_int_equal(find(w, key, "body"), cases[i].state);
	}
}

static void test_of_another_stream_it_counts_as_sealed(void **state)
{
	struct world *w = *state;

	add(w, "a");
	posted_sealing(w->p, &w->stream, 100, 10, false);
	memset(w->stream.bytes, 8, STREAM_ID_BYTES);
	start(w, 0);
	assert_int_equal(find(w, "a", "body"), POSTED_SEALED);
}

static void test_a_key_that_was_void_may_come_again(void **state)
{
	struct world *w = *state;

	add(w, "a");
	posted_sealing(w->p, &w->stream, 100, 10, false);
	start(w, 100);
	add(w, "a");
	posted_sealing(w->p, &w->stream, 0, 10, false);
	posted_sealed(w->p, true);
	start(w, 10);
	assert_int_equal(find(w, "a", "body"), POSTED_SEALED);
}

static void test_keys_age(void **state)
{
	struct world *w = *state;
	struct slice key = slice_text("a"), body = slice_text("body");

	add(w, "a");
	posted_sealing(w->p, &w->stream, 0, 1, false);
	posted_sealed(w->p, true);
	assert_int_equal(posted_find(w->p, key, body, NOW + POSTED_TTL_MS), POSTED_SEALED);
	assert_int_equal(posted_find(w->p, key, body, NOW + POSTED_TTL_MS + 1), POSTED_NEW);
}

static void test_the_table_and_its_file_are_bounded(void **state)
{
	struct world *w = *state;
	struct stat st;
	char key[32];

	for (int i = 0; i < 3 * POSTED_KEYS; i++) {
		snprintf(key, sizeof(key), "key-%d", i);
		assert_int_equal(posted_add(w->p, slice_text(key), slice_text("body"), NOW), 0);
		posted_sealing(w->p, &w->stream, (uint64_t)i, 1, false);
		posted_sealed(w->p, true);
	}
	assert_int_equal(find(w, "key-0", "body"), POSTED_NEW);
	snprintf(key, sizeof(key), "key-%d", 2 * POSTED_KEYS - 1);
	assert_int_equal(find(w, key, "body"), POSTED_NEW);
	snprintf(key, sizeof(key), "key-%d", 2 * POSTED_KEYS);
	assert_int_equal(find(w, key, "body"), POSTED_SEALED);
	assert_int_equal(stat(w->path, &st), 0);
	assert_true(st.st_size < 5LL * POSTED_KEYS * POSTED_RECORD_SIZE);
	start(w, 0);
	assert_int_equal(find(w, key, "body"), POSTED_SEALED);
	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_size, (long)POSTED_KEYS * POSTED_RECORD_SIZE);
}

static void test_a_torn_or_damaged_file_costs_what_is_behind_it(void **state)
{
	struct world *w = *state;
	int fd;

	for (int i = 0; i < 3; i++) {
		char key[2] = { (char)('a' + i), '\0' };

		add(w, key);
		posted_sealing(w->p, &w->stream, 0, 1, false);
		posted_sealed(w->p, true);
	}
	start(w, 3); /* three records now */
	assert_int_equal(truncate(w->path, 3 * POSTED_RECORD_SIZE - 1), 0);
	start(w, 3);
	assert_int_equal(find(w, "b", "body"), POSTED_SEALED);
	assert_int_equal(find(w, "c", "body"), POSTED_NEW);
	fd = open(w->path, O_WRONLY);
	assert_int_equal(pwrite(fd, "x", 1, POSTED_RECORD_SIZE + 20), 1);
	close(fd);
	start(w, 3);
	assert_int_equal(find(w, "a", "body"), POSTED_SEALED);
	assert_int_equal(find(w, "b", "body"), POSTED_NEW);
}

static void test_without_a_folder_it_works_in_memory(void **state)
{
	struct world *w = *state;

	posted_close(w->p);
	w->p = NULL;
	assert_int_equal(posted_open("", &w->stream, 0, &w->p), 0);
	add(w, "a");
	posted_sealing(w->p, &w->stream, 0, 1, true);
	posted_sealed(w->p, true);
	assert_int_equal(find(w, "a", "body"), POSTED_SEALED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_file_written_anew_is_synced_with_its_folder),
		T(test_a_key_counts_once),
		T(test_a_start_knows_what_was_sealed),
		T(test_a_kill_within_a_seal_is_resolved_by_the_spool),
		T(test_of_another_stream_it_counts_as_sealed),
		T(test_a_key_that_was_void_may_come_again),
		T(test_keys_age),
		T(test_the_table_and_its_file_are_bounded),
		T(test_a_torn_or_damaged_file_costs_what_is_behind_it),
		T(test_without_a_folder_it_works_in_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
