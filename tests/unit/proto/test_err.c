// SPDX-License-Identifier: Apache-2.0
#include "proto/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

static void each_code_has_a_name_of_its_own_and_a_text(void **state)
{
	static const struct {
		int code;
		const char *name;
	} all[] = {
#define ALL_ROW(code, name, text) { (code), #name },
		ERR_LIST(ALL_ROW)
#undef ALL_ROW
	};
	size_t count = sizeof(all) / sizeof(all[0]);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		assert_in_range(-all[i].code, 1000, 1999);
		assert_int_equal(strcasecmp(err_name(all[i].code), all[i].name), 0);
		assert_true(strlen(err_text(all[i].code)) > 10);
		for (size_t j = 0; j < i; j++) {
			assert_int_not_equal(all[i].code, all[j].code);
			assert_string_not_equal(err_name(all[i].code), err_name(all[j].code));
		}
	}
}

static void names_are_lower_case_and_whole(void **state)
{
	(void)state;
	assert_string_equal(err_name(ERR_BAD_VALUE), "bad_value");
	assert_string_equal(err_name(ERR_SERVICE_CHECK), "service_check");
	assert_string_equal(err_name(ERR_FOREIGN_CONFIG), "foreign_config");
	for (const char *at = err_name(ERR_SERIES_TOO_LONG); *at; at++)
		assert_true((*at >= 'a' && *at <= 'z') || *at == '_');
}

static void errno_passes_through(void **state)
{
	(void)state;
	assert_string_equal(err_name(-ECONNREFUSED), "ECONNREFUSED");
	assert_string_equal(err_text(-ENOENT), strerror(ENOENT));
	assert_string_equal(err_name(-999), "errno");
}

static void codes_that_nobody_knows_are_still_told(void **state)
{
	(void)state;
	assert_string_equal(err_text(-1999), "error -1999");
	assert_string_equal(err_text(-4095), "error -4095");
	assert_string_equal(err_name(-1999), "errno");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_code_has_a_name_of_its_own_and_a_text),
		cmocka_unit_test(names_are_lower_case_and_whole),
		cmocka_unit_test(errno_passes_through),
		cmocka_unit_test(codes_that_nobody_knows_are_still_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
