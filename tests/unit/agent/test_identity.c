// SPDX-License-Identifier: Apache-2.0
#include "agent/identity.h"

#include "proto/daemon/log.h"
#include "proto/err.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[64];

static int setup(void **state)
{
	(void)state;
	log_set_level((enum log_level)2);
	snprintf(folder, sizeof(folder), "/tmp/hourglass-test-XXXXXX");
	return mkdtemp(folder) == NULL;
}

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path_of("agent_id"));
	unlink(path_of("agent_id.new"));
	unlink(path_of("lock"));
	return rmdir(folder);
}

static void put(const char *text)
{
	FILE *f = fopen(path_of("agent_id"), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_an_identity_is_kept_and_an_incarnation_is_not(void **state)
{
	struct identity first, second;

	(void)state;
	assert_int_equal(identity_open(&first, folder), 0);
	identity_close(&first);
	assert_int_equal(identity_open(&second, folder), 0);
	identity_close(&second);
	assert_memory_equal(first.agent_id, second.agent_id, IDENTITY_BYTES);
	assert_true(first.incarnation != second.incarnation);
}

static void test_two_agents_never_share_a_folder(void **state)
{
	struct identity first, second;

	(void)state;
	assert_int_equal(identity_open(&first, folder), 0);
	assert_int_equal(identity_open(&second, folder), -EBUSY);
	identity_close(&first);
	assert_int_equal(identity_open(&second, folder), 0);
	identity_close(&second);
}

static void test_without_a_folder_each_start_is_another(void **state)
{
	struct identity first, second;

	(void)state;
	assert_int_equal(identity_open(&first, ""), 0);
	assert_int_equal(identity_open(&second, ""), 0);
	assert_memory_not_equal(first.agent_id, second.agent_id, IDENTITY_BYTES);
}

static void test_a_damaged_identity_is_refused_not_replaced(void **state)
{
	static const char *const damaged[] = { "", "00", "xyz\n",
					       "0123456789ABCDEF0123456789abcdef\n",
					       "0123456789abcdef0123456789abcdef",
					       "0123456789abcdef0123456789abcdef\n\n" };
	struct identity id;

	(void)state;
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		put(damaged[i]);
		assert_int_equal(identity_open(&id, folder), ERR_MALFORMED);
	}
	put("0123456789abcdef0123456789abcdef\n");
	assert_int_equal(identity_open(&id, folder), 0);
	assert_int_equal(id.agent_id[0], 0x01);
	assert_int_equal(id.agent_id[15], 0xef);
	identity_close(&id);
}

static void test_half_a_write_is_begun_anew(void **state)
{
	struct identity id;
	int fd = open(path_of("agent_id.new"), O_CREAT | O_WRONLY, 0600);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(identity_open(&id, folder), 0);
	identity_close(&id);
}

static void test_a_folder_that_is_not_there_is_an_error(void **state)
{
	struct identity id;

	(void)state;
	assert_int_equal(identity_open(&id, "/nonexistent/folder"), -ENOENT);
}

static void test_a_stream_is_the_identity_and_the_incarnation(void **state)
{
	struct identity id = { .incarnation = 0x0102030405060708, .lock = -1 };
	struct stream_id stream;
	char text[IDENTITY_TEXT_SIZE];

	(void)state;
	memset(id.agent_id, 0xab, IDENTITY_BYTES);
	stream = identity_stream(&id);
	assert_memory_equal(stream.bytes, id.agent_id, IDENTITY_BYTES);
	assert_int_equal(stream.bytes[16], 8);
	assert_int_equal(stream.bytes[23], 1);
	assert_string_equal(identity_text(&id, text), "abababababababababababababababab");
	identity_renew(&id);
	assert_true(id.incarnation != 0x0102030405060708);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_an_identity_is_kept_and_an_incarnation_is_not),
		T(test_two_agents_never_share_a_folder),
		T(test_without_a_folder_each_start_is_another),
		T(test_a_damaged_identity_is_refused_not_replaced),
		T(test_half_a_write_is_begun_anew),
		T(test_a_folder_that_is_not_there_is_an_error),
		T(test_a_stream_is_the_identity_and_the_incarnation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
