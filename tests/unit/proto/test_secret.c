// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/secret.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define GOOD "correct-horse-battery-staple"

static char folder[] = "/tmp/test_secret-XXXXXX";

static const char *file_with(const char *content)
{
	static char text[64];
	FILE *to;

	snprintf(text, sizeof(text), "file:%s/s", folder);
	to = fopen(text + 5, "w");
	assert_non_null(to);
	fputs(content, to);
	fclose(to);
	return text;
}

static void expect(const char *text, const char *wanted)
{
	struct secret s;

	assert_int_equal(secret_read(text, &s), 0);
	assert_true(slice_equal(secret_view(&s), slice_text(wanted)));
	assert_null(secret_check(text));
}

static void test_a_secret_is_the_text_or_what_it_names(void **state)
{
	char name[80];

	(void)state;
	expect(GOOD, GOOD);
	expect("", "");
	expect("0123456789abcdef", "0123456789abcdef");
	expect(file_with(GOOD), GOOD);
	expect(file_with(GOOD " \r\n\n"), GOOD);
	setenv("CREDENTIALS_DIRECTORY", folder, 1);
	expect("credential:s", GOOD);
	snprintf(name, sizeof(name), "credential:../%s/s", folder + 5);
	assert_non_null(secret_check(name));
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_non_null(strstr(secret_check("credential:s"), "LoadCredential="));
}

static void test_what_is_no_secret_is_refused_and_nothing_written(void **state)
{
	char longer[SECRET_MAX + 2];
	struct secret s = { .size = 3 };

	(void)state;
	assert_int_equal(secret_read("0123456789abcde", &s), -EINVAL);
	assert_int_equal(secret_read("***", &s), -EINVAL);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(secret_read(longer, &s), -EINVAL);
	assert_int_equal(secret_read(file_with(longer), &s), -EINVAL);
	assert_int_equal(secret_read(file_with("short\n"), &s), -EINVAL);
	assert_int_equal(secret_read(file_with(""), &s), -EINVAL);
	assert_int_equal(secret_read("file:/no/such/file", &s), -ENOENT);
	assert_int_equal(secret_read("file:/tmp", &s), -EISDIR);
	assert_int_equal(secret_read("credential:", &s), -ENOENT);
	assert_int_equal(s.size, 3);
	longer[SECRET_MAX] = '\0';
	expect(file_with(longer), longer);
	assert_non_null(strstr(secret_check("file:/no/such/file"), "a file that exists"));
	assert_non_null(strstr(secret_check("short"), "16 to 1,024 bytes"));
}

static void test_only_references_may_be_shown(void **state)
{
	(void)state;
	assert_true(secret_is_reference("file:/x"));
	assert_true(secret_is_reference("credential:x"));
	assert_false(secret_is_reference(GOOD));
	assert_false(secret_is_reference(""));
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	unlink(file_with("") + 5);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_secret_is_the_text_or_what_it_names),
		cmocka_unit_test(test_what_is_no_secret_is_refused_and_nothing_written),
		cmocka_unit_test(test_only_references_may_be_shown),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
