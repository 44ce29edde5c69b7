// SPDX-License-Identifier: Apache-2.0
#include "queryd/encoding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define LARGE 100000u
#define HUGE  ((size_t)3 << 20)

/* What is done for a request with these lines of Accept-Encoding; NULL ends them. */
static bool is_gzip(const char *const *lines, size_t size)
{
	struct encoding_wishes wishes = ENCODING_NO_WISHES;

	for (; *lines; lines++)
		encoding_accept(&wishes, *lines);
	return encoding_is_gzip(&wishes, size);
}

static bool takes(const char *line, size_t size)
{
	return is_gzip((const char *const[]){ line, NULL }, size);
}

static void gzip_is_for_who_takes_it(void **state)
{
	static const char *const takers[] = {
		"gzip", "GZip", "x-gzip", "deflate, gzip, br", "br;q=1.0, gzip;q=0.8, *;q=0.1",
		"gzip;q=0.001", "gzip ; q=1", "gzip;\tQ=1.000 , br", "*", "*;q=0.5",
		"identity;q=0.5, gzip", "gzip;q=0.5, identity;q=0.5", ",, gzip,,", "identity, *;q=0, gzip",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(takers) / sizeof(*takers); i++)
		if (!takes(takers[i], LARGE))
			fail_msg("%s", takers[i]);
}

static void it_is_not_for_others(void **state)
{
	static const char *const others[] = {
		"", " ", ",", "identity", "br", "gzip;q=0", "gzip;q=0.000", "gzip;q=0, *", "*;q=0",
		"gzipped", "xgzip", "zip", "gzip;q=0.4, identity;q=0.5", "identity, gzip;q=0.999",
		/* Weights that are none. */
		"gzip;q=", "gzip;q=2", "gzip;q=1.001", "gzip;q=0.1234", "gzip;q=-1", "gzip;q=.5", "gzip;q=1x",
		"gzip;level=1", "gzip;", "gzip;q", "gzip;q=0,5",
	};
	size_t i;

	(void)state;
	assert_false(takes(NULL, LARGE));
	for (i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (takes(others[i], LARGE))
			fail_msg("%s", others[i]);
}

/* RFC 9110, 5.3: lines of one name are one list. */
static void all_lines_count(void **state)
{
	(void)state;
	assert_true(is_gzip((const char *const[]){ "br", "gzip", NULL }, LARGE));
	assert_true(is_gzip((const char *const[]){ "identity;q=0.5", "", "gzip;q=0.6", NULL }, LARGE));
	assert_false(is_gzip((const char *const[]){ "gzip;q=0.4", "identity;q=0.5", NULL }, LARGE));
	assert_false(is_gzip((const char *const[]){ "*", "gzip;q=0", NULL }, LARGE));
	assert_true(is_gzip((const char *const[]){ "identity;q=0", "gzip", NULL }, 10));
}

static void small_ones_stay_plain(void **state)
{
	(void)state;
	assert_false(takes("gzip", 0));
	assert_false(takes("gzip", ENCODING_LEAST - 1));
	assert_true(takes("gzip", ENCODING_LEAST));
	assert_true(takes("gzip", (size_t)1 << 30));
	assert_true(takes("gzip, identity;q=0", 10));
	assert_true(takes("gzip, *;q=0", 10));
	assert_false(takes("gzip, *;q=0, identity;q=0.5", 10));
	assert_false(takes("identity;q=0", 10));
}

/* Text that compresses, and bytes that do not. */
static void fill(struct buf *body, size_t size, bool random)
{
	uint32_t seed = 1;

	buf_init(body, size);
	while (body->size < size) {
		seed = seed * 1664525u + 1013904223u;
		buf_put_u8(body, (uint8_t)(random ? seed >> 24 : 'a' + body->size % 7));
	}
}

static void assert_unpacks_to(const struct buf *packed, const struct buf *plain)
{
	static uint8_t out[HUGE + 1];
	z_stream stream = { .next_in = packed->data, .avail_in = (uInt)packed->size,
			    .next_out = out, .avail_out = sizeof(out) };

	assert_int_equal(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(stream.avail_in, 0);
	assert_int_equal(stream.total_out, plain->size);
	assert_memory_equal(out, plain->data, plain->size);
	assert_int_equal(inflateEnd(&stream), Z_OK);
}

static void what_was_packed_unpacks_to_the_same(void **state)
{
	static const size_t sizes[] = { 1, 10, ENCODING_LEAST, LARGE, HUGE };
	size_t i;

	(void)state;
	for (i = 0; i < 2 * sizeof(sizes) / sizeof(*sizes); i++) {
		struct buf plain, packed;

		fill(&plain, sizes[i / 2], i % 2 == 1);
		fill(&packed, sizes[i / 2], i % 2 == 1);
		assert_int_equal(encoding_gzip(&packed), 0);
		if (i % 2 == 0 && plain.size >= ENCODING_LEAST)
			assert_true(packed.size < plain.size / 10);
		assert_unpacks_to(&packed, &plain);
		buf_release(&plain);
		buf_release(&packed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gzip_is_for_who_takes_it),
		cmocka_unit_test(it_is_not_for_others),
		cmocka_unit_test(all_lines_count),
		cmocka_unit_test(small_ones_stay_plain),
		cmocka_unit_test(what_was_packed_unpacks_to_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
