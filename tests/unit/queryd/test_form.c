// SPDX-License-Identifier: Apache-2.0
#include "queryd/form.h"

#include "proto/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct form form;

static void assert_field(const char *name, size_t index, const char *want)
{
	struct slice value;

	assert_int_equal(form_value(&form, name, index, &value), want != NULL);
	if (want)
		assert_true(slice_equal(value, slice_text(want)));
}

static void query_and_body_are_one(void **state)
{
	(void)state;
	assert_int_equal(form_read(&form, slice_text("target=a&x=1"),
				   slice_text("target=b%2C+c&format=json&target=")), 0);
	assert_field("target", 0, "a");
	assert_field("target", 1, "b, c");
	assert_field("target", 2, "");
	assert_field("target", 3, NULL);
	assert_field("format", 0, "json");
	assert_field("nothing", 0, NULL);
	assert_true(slice_equal(form_first(&form, "x"), slice_text("1")));
	assert_int_equal(form_first(&form, "nothing").size, 0);
	form_release(&form);
}

static void oddities_are_taken(void **state)
{
	(void)state;
	assert_int_equal(form_read(&form, slice_text("&&expr[]=a&expr%5B%5D=b&c&=d&e=f=g&"),
				   slice_of(NULL, 0)), 0);
	assert_field("expr", 0, "a");
	assert_field("expr", 1, "b");
	assert_field("c", 0, "");
	assert_field("", 0, "d");
	assert_field("e", 0, "f=g");
	form_release(&form);
	assert_int_equal(form_read(&form, slice_of(NULL, 0), slice_of(NULL, 0)), 0);
	assert_field("", 0, NULL);
	form_release(&form);
}

static void bad_escapes_and_too_many_fields_are_refused(void **state)
{
	char text[2 * FORM_FIELDS + 2];

	(void)state;
	assert_int_equal(form_read(&form, slice_text("a=%"), slice_text("")), ERR_MALFORMED);
	assert_int_equal(form_read(&form, slice_text("%zz=1"), slice_text("")), ERR_MALFORMED);
	memset(text, 'a', sizeof(text));
	for (size_t i = 1; i < sizeof(text); i += 2)
		text[i] = '&';
	assert_int_equal(form_read(&form, slice_of(text, 2 * FORM_FIELDS), slice_text("")), 0);
	form_release(&form);
	assert_int_equal(form_read(&form, slice_of(text, 2 * FORM_FIELDS), slice_text("b")),
			 ERR_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(query_and_body_are_one),
		cmocka_unit_test(oddities_are_taken),
		cmocka_unit_test(bad_escapes_and_too_many_fields_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
