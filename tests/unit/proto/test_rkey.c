// SPDX-License-Identifier: Apache-2.0
#include "proto/rkey.h"

#include "proto/hour.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint16_t slot_of(const char *key)
{
	return rkey_slot(slice_text(key));
}

/* The known answers of the Redis Cluster specification. */
static void slots_are_those_of_redis_cluster(void **state)
{
	(void)state;
	assert_int_equal(slot_of("123456789"), 0x31c3);
	assert_int_equal(slot_of("123456789"), 12739);
	assert_int_equal(slot_of("foo"), 12182);
	assert_int_equal(slot_of("bar"), 5061);
	assert_int_equal(slot_of(""), 0);
}

static void a_tag_in_braces_is_all_that_is_hashed(void **state)
{
	(void)state;
	assert_int_equal(slot_of("{user1000}.following"), slot_of("user1000"));
	assert_int_equal(slot_of("{user1000}.followers"), slot_of("user1000"));
	assert_int_equal(slot_of("foo{bar}{zap}"), slot_of("bar"));
	assert_int_equal(slot_of("foo{{bar}}zap"), slot_of("{bar"));
}

static void empty_or_open_braces_hash_the_whole_key(void **state)
{
	const uint8_t inside[] = { '{', 'a', 0, 'b', '}' };

	(void)state;
	assert_int_not_equal(slot_of("foo{}{bar}"), slot_of("bar"));
	assert_int_not_equal(slot_of("foo{}{bar}"), slot_of(""));
	assert_int_not_equal(slot_of("foo{bar"), slot_of("bar"));
	assert_int_equal(slot_of("foo}{bar"), slot_of("foo}{bar"));
	assert_int_not_equal(slot_of("}foo{"), slot_of("foo"));
	/* Known answers by redis-server 7.0's CLUSTER KEYSLOT. */
	assert_int_equal(slot_of("foo{}{bar}"), 8363);
	assert_int_equal(slot_of("{bar"), 4015);
	assert_int_equal(rkey_slot(slice_of(inside, 5)), rkey_slot(slice_of(inside + 1, 3)));
	assert_int_equal(rkey_slot(slice_of(NULL, 0)), 0);
}

static void assert_tags_fit(uint32_t partitions)
{
	static struct rkey_tags tags;

	rkey_tags_init(&tags, partitions);
	assert_int_equal(tags.partitions, partitions);
	for (uint32_t p = 0; p < partitions; p++) {
		char prefix[16];
		uint16_t slot = slot_of(tags.tag[p]);

		snprintf(prefix, sizeof(prefix), "p%u.", p);
		assert_int_equal(strncmp(tags.tag[p], prefix, strlen(prefix)), 0);
		assert_in_range(slot, p * 16384 / partitions, (p + 1) * 16384 / partitions - 1);
	}
}

static void every_partition_has_a_tag_in_its_share_of_slots(void **state)
{
	static const uint32_t partitions[] = { 1, 2, 3, 7, 32, 33, 64, 1000, 1023, 1024 };

	(void)state;
	for (size_t i = 0; i < sizeof(partitions) / sizeof(partitions[0]); i++)
		assert_tags_fit(partitions[i]);
}

/* A fleet's data lie under these names: they may never change. */
static void tags_are_the_first_that_fit(void **state)
{
	static struct rkey_tags tags;
	unsigned number = 0;

	(void)state;
	rkey_tags_init(&tags, 32);
	for (uint32_t p = 0; p < 32; p++) {
		assert_int_equal(sscanf(strchr(tags.tag[p], '.'), ".%u", &number), 1);
		for (unsigned n = 0; n < number; n++) {
			char earlier[RKEY_TAG_SIZE];

			snprintf(earlier, sizeof(earlier), "p%u.%u", p, n);
			assert_int_not_equal(slot_of(earlier) / 512, p);
		}
	}
	assert_string_equal(tags.tag[0], "p0.52");
	assert_string_equal(tags.tag[31], "p31.42");
	rkey_tags_init(&tags, 1);
	assert_string_equal(tags.tag[0], "p0.0");
}

static void keys_are_spelt_as_documented(void **state)
{
	const int64_t hour = INT64_C(1795179600) / HOUR_SECONDS; /* 2026-11-20T13 */
	char out[RKEY_SIZE];

	(void)state;
	assert_string_equal(rkey_meta("p0.0", out), "hg:{p0.0}:meta");
	assert_string_equal(rkey_streams("p0.0", out), "hg:{p0.0}:streams");
	assert_string_equal(rkey_manifest("p0.0", hour, out), "hg:{p0.0}:m:2026-11-20T13");
	assert_string_equal(rkey_cells("p0.0", hour, 0xabc, out),
			    "hg:{p0.0}:c:2026-11-20T13:0000000000000abc");
	assert_string_equal(rkey_day_manifest("p0.0", hour_day(hour), out),
			    "hg:{p0.0}:d:2026-11-20");
	assert_string_equal(rkey_day_cells("p0.0", hour_day(hour), out), "hg:{p0.0}:dc:2026-11-20");
	assert_string_equal(rkey_temporary("p0.0", 0xdef, out), "hg:{p0.0}:t:0000000000000def");
	assert_string_equal(rkey_names_first("p0.0", out), "hg:{p0.0}:nf");
	assert_string_equal(rkey_names_last("p0.0", out), "hg:{p0.0}:nl");
}

static void the_longest_key_fits(void **state)
{
	char out[RKEY_SIZE];

	(void)state;
	rkey_cells("p1023.4294967295", 70389527, UINT64_MAX, out);
	assert_string_equal(out, "hg:{p1023.4294967295}:c:9999-12-31T23:ffffffffffffffff");
}

static void all_keys_of_a_partition_share_its_slot(void **state)
{
	static struct rkey_tags tags;
	char out[RKEY_SIZE];

	(void)state;
	rkey_tags_init(&tags, 32);
	for (uint32_t p = 0; p < 32; p++) {
		uint16_t slot = slot_of(tags.tag[p]);

		assert_int_equal(slot_of(rkey_meta(tags.tag[p], out)), slot);
		assert_int_equal(slot_of(rkey_streams(tags.tag[p], out)), slot);
		assert_int_equal(slot_of(rkey_manifest(tags.tag[p], 498661, out)), slot);
		assert_int_equal(slot_of(rkey_cells(tags.tag[p], 498661, 7, out)), slot);
		assert_int_equal(slot_of(rkey_day_manifest(tags.tag[p], 20777, out)), slot);
		assert_int_equal(slot_of(rkey_day_cells(tags.tag[p], 20777, out)), slot);
		assert_int_equal(slot_of(rkey_temporary(tags.tag[p], 7, out)), slot);
		assert_int_equal(slot_of(rkey_names_first(tags.tag[p], out)), slot);
		assert_int_equal(slot_of(rkey_names_last(tags.tag[p], out)), slot);
	}
}

static void a_field_is_kind_byte_and_series(void **state)
{
	uint8_t out[RKEY_FIELD_SIZE];
	char longest[LIMIT_SERIES_BYTES + 1];
	struct slice field = rkey_field(KIND_COUNTER, slice_text("hits;host=a"), out);

	(void)state;
	assert_true(slice_equal(field, slice_text("chits;host=a")));
	assert_ptr_equal(field.ptr, out);
	memset(longest, 'x', LIMIT_SERIES_BYTES);
	longest[LIMIT_SERIES_BYTES] = 0;
	field = rkey_field(KIND_SET, slice_text(longest), out);
	assert_int_equal(field.size, RKEY_FIELD_SIZE);
	assert_int_equal(field.ptr[0], 's');
	assert_int_equal(field.ptr[LIMIT_SERIES_BYTES], 'x');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_those_of_redis_cluster),
		cmocka_unit_test(a_tag_in_braces_is_all_that_is_hashed),
		cmocka_unit_test(empty_or_open_braces_hash_the_whole_key),
		cmocka_unit_test(every_partition_has_a_tag_in_its_share_of_slots),
		cmocka_unit_test(tags_are_the_first_that_fit),
		cmocka_unit_test(keys_are_spelt_as_documented),
		cmocka_unit_test(the_longest_key_fits),
		cmocka_unit_test(all_keys_of_a_partition_share_its_slot),
		cmocka_unit_test(a_field_is_kind_byte_and_series),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
