// SPDX-License-Identifier: Apache-2.0
#include "proto/buf.h"

#include "proto/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void a_new_buffer_is_empty(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	assert_int_equal(buf_view(&b).size, 0);
	assert_int_equal(buf_status(&b), 0);
	buf_release(&b);
	buf_release(NULL);
}

static void what_was_put_is_read_back(void **state)
{
	struct buf b;
	struct reader r;

	(void)state;
	buf_init(&b, 1000);
	buf_put(&b, "abc", 3);
	buf_put_slice(&b, slice_text("de"));
	buf_put_slice(&b, slice_of(NULL, 0));
	buf_put_text(&b, "f");
	buf_put_u8(&b, 0x12);
	buf_put_u16(&b, 0x1234);
	buf_put_u32(&b, 0x12345678);
	buf_put_u64(&b, UINT64_C(0x123456789abcdef0));
	buf_put_f64(&b, -1.5);
	buf_put_varint(&b, 300);
	buf_printf(&b, "%d-%s", 7, "x");
	assert_int_equal(buf_status(&b), 0);
	r = reader_of(buf_view(&b));
	assert_true(slice_equal(reader_bytes(&r, 6), slice_text("abcdef")));
	assert_int_equal(reader_u8(&r), 0x12);
	assert_int_equal(reader_u16(&r), 0x1234);
	assert_int_equal(reader_u32(&r), 0x12345678);
	assert_true(reader_u64(&r) == UINT64_C(0x123456789abcdef0));
	assert_true(reader_f64(&r) == -1.5);
	assert_int_equal(reader_varint(&r), 300);
	assert_int_equal(reader_finish(&r), ERR_TRAILING);
	assert_int_equal(reader_left(&r), 3);
	assert_true(slice_equal(reader_bytes(&r, 3), slice_text("7-x")));
	assert_int_equal(reader_finish(&r), 0);
	buf_release(&b);
}

static void numbers_are_little_endian(void **state)
{
	static const uint8_t bytes[] = { 0x02, 0x01, 0x04, 0x03, 0x02, 0x01, 0, 0, 0,
					 0,    0,    0,    0xf0, 0x3f, 0xac, 0x02 };
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_put_u16(&b, 0x0102);
	buf_put_u32(&b, 0x01020304);
	buf_put_f64(&b, 1.0);
	buf_put_varint(&b, 300);
	assert_true(slice_equal(buf_view(&b), slice_of(bytes, sizeof(bytes))));
	buf_release(&b);
}

static void the_ceiling_is_met_and_not_passed(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	for (int i = 0; i < 100; i++)
		buf_put_u8(&b, (uint8_t)i);
	assert_int_equal(buf_status(&b), 0);
	assert_true(b.capacity <= 100);
	buf_put_u8(&b, 100);
	assert_int_equal(buf_status(&b), -ENOBUFS);
	assert_int_equal(b.size, 100);
	buf_release(&b);
}

static void a_failed_write_leaves_the_content_and_ends_all_writing(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 8);
	buf_put_text(&b, "12345");
	buf_put_text(&b, "6789");
	buf_put_u8(&b, 'x');
	buf_printf(&b, "%d", 1);
	assert_null(buf_extend(&b, 1));
	assert_int_equal(buf_status(&b), -ENOBUFS);
	assert_true(slice_equal(buf_view(&b), slice_text("12345")));
	buf_reset(&b);
	buf_put_text(&b, "again");
	assert_int_equal(buf_status(&b), 0);
	buf_release(&b);
}

static void a_text_may_end_exactly_at_the_ceiling_printed_or_not(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4);
	buf_put_text(&b, "1234");
	assert_int_equal(buf_status(&b), 0);
	buf_reset(&b);
	buf_printf(&b, "%s", "1234");
	assert_int_equal(buf_status(&b), 0);
	assert_true(slice_equal(buf_view(&b), slice_text("1234")));
	buf_release(&b);
	buf_init(&b, 1000);
	buf_printf(&b, "%01000d", 7);
	assert_int_equal(buf_status(&b), 0);
	assert_int_equal(b.size, 1000);
	assert_int_equal(b.data[998], '0');
	assert_int_equal(b.data[999], '7');
	buf_release(&b);
}

static void cutting_back_keeps_what_is_before(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_put_text(&b, "abcdef");
	buf_truncate(&b, 3);
	buf_put_text(&b, "x");
	assert_true(slice_equal(buf_view(&b), slice_text("abcx")));
	buf_release(&b);
}

static void taken_bytes_leave_an_empty_buffer(void **state)
{
	struct buf b;
	uint8_t *bytes;
	size_t size;

	(void)state;
	buf_init(&b, 100);
	buf_put_text(&b, "abc");
	buf_take(&b, &bytes, &size);
	assert_int_equal(size, 3);
	assert_memory_equal(bytes, "abc", 3);
	assert_int_equal(buf_view(&b).size, 0);
	buf_put_text(&b, "more");
	assert_int_equal(buf_status(&b), 0);
	free(bytes);
	buf_release(&b);
}

static void a_read_past_the_end_fails_and_yields_zeros(void **state)
{
	struct reader r = reader_of(slice_text("abc"));

	(void)state;
	assert_int_equal(reader_u32(&r), 0);
	assert_true(r.failed);
	assert_int_equal(reader_u8(&r), 0);
	assert_int_equal(reader_bytes(&r, 1).size, 0);
	assert_int_equal(reader_finish(&r), ERR_TRUNCATED);
	r = reader_of(slice_of(NULL, 0));
	assert_int_equal(reader_finish(&r), 0);
	assert_int_equal(reader_bytes(&r, SIZE_MAX).size, 0);
	assert_int_equal(reader_finish(&r), ERR_TRUNCATED);
}

static void varints_of_every_length_come_back(void **state)
{
	struct buf b;
	struct reader r;

	(void)state;
	buf_init(&b, 100);
	for (unsigned bit = 0; bit < 64; bit++) {
		for (int less = 0; less < 2; less++) {
			uint64_t value = (UINT64_C(1) << bit) - (uint64_t)less;

			buf_reset(&b);
			buf_put_varint(&b, value);
			r = reader_of(buf_view(&b));
			assert_true(reader_varint(&r) == value);
			assert_int_equal(reader_finish(&r), 0);
		}
	}
	buf_reset(&b);
	buf_put_varint(&b, UINT64_MAX);
	assert_int_equal(b.size, 10);
	r = reader_of(buf_view(&b));
	assert_true(reader_varint(&r) == UINT64_MAX);
	buf_release(&b);
}

static void varints_that_are_padded_or_too_large_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} bad[] = {
		{ "\x80\x00", 2 },
		{ "\xff\x80\x00", 3 },
		{ "\x80", 1 },
		{ "", 0 },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10 },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x01", 11 },
		{ "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct reader r = reader_of(slice_of(bad[i].bytes, bad[i].size));

		assert_int_equal(reader_varint(&r), 0);
		assert_true(r.failed);
	}
}

static void zigzag_keeps_small_magnitudes_small(void **state)
{
	static const int64_t values[] = { 0, -1, 1, -2, 2, INT64_MAX, INT64_MIN };

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		assert_true(zigzag_decode(zigzag_encode(values[i])) == values[i]);
	for (uint64_t i = 0; i < 5; i++)
		assert_true(zigzag_encode(values[i]) == i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_buffer_is_empty),
		cmocka_unit_test(what_was_put_is_read_back),
		cmocka_unit_test(numbers_are_little_endian),
		cmocka_unit_test(the_ceiling_is_met_and_not_passed),
		cmocka_unit_test(a_failed_write_leaves_the_content_and_ends_all_writing),
		cmocka_unit_test(a_text_may_end_exactly_at_the_ceiling_printed_or_not),
		cmocka_unit_test(cutting_back_keeps_what_is_before),
		cmocka_unit_test(taken_bytes_leave_an_empty_buffer),
		cmocka_unit_test(a_read_past_the_end_fails_and_yields_zeros),
		cmocka_unit_test(varints_of_every_length_come_back),
		cmocka_unit_test(varints_that_are_padded_or_too_large_are_refused),
		cmocka_unit_test(zigzag_keeps_small_magnitudes_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
