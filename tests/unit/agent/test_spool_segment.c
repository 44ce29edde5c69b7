// SPDX-License-Identifier: Apache-2.0
#include "agent/spool_segment.h"

#include "proto/buf.h"
#include "proto/limits.h"
#include "tests/unit/agent/spool_case.h"

#define RECORDS 5

/* A file's bytes with RECORDS records of growing size, and where each begins. */
struct file {
	struct spool_case c;
	struct buf bytes;
	size_t at[RECORDS + 1];
};

static int setup(void **state)
{
	struct file *f = calloc(1, sizeof(*f));

	case_begin(&f->c, 1);
	buf_init(&f->bytes, 1 << 20);
	for (size_t i = 0; i < RECORDS; i++) {
		struct slice batch = case_next(&f->c, 9 + 10 * i);
		size_t size = spool_segment_size(batch.size);
		uint8_t *bytes = buf_extend(&f->bytes, size);

		memset(bytes, 0, size);
		spool_segment_put(bytes, &f->c.record, batch);
		memcpy(bytes + SPOOL_SEGMENT_HEADER, batch.ptr, batch.size);
		f->at[i + 1] = f->at[i] + size;
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct file *f = *state;

	buf_release(&f->bytes);
	free(f);
	return 0;
}

static struct slice record_at(struct file *f, size_t i)
{
	return slice_of(f->bytes.data + f->at[i], f->bytes.size - f->at[i]);
}

/* Whether a record says what was written as number seq. */
static bool is_original(struct file *f, const struct spool_record *r, struct slice batch)
{
	return r->seq >= 1 && r->seq <= RECORDS && r->samples == r->seq && r->partitions == 4 &&
	       r->partition == 0 && r->total == r->samples_before + r->samples &&
	       slice_equal(batch, case_batch(&f->c, r->seq, 9 + 10 * (r->seq - 1)));
}

/* Scans bytes; every record must be an original, in order. Returns a bit for each seq. */
static unsigned scan_all(struct file *f, struct slice bytes, struct spool_scan *scan)
{
	struct spool_record record;
	struct slice batch;
	unsigned found = 0;
	uint64_t before = 0;
	size_t at;

	*scan = spool_scan_start(bytes);
	while (spool_scan_next(scan, &record, &batch, &at)) {
		assert_true(is_original(f, &record, batch));
		assert_true(record.seq > before);
		assert_int_equal(at, f->at[record.seq - 1]);
		before = record.seq;
		found |= 1u << record.seq;
	}
	return found;
}

static const unsigned all = ((1u << RECORDS) - 1) << 1;

static void test_a_record_is_as_the_contract_says(void **state)
{
	/* Made by hand from SPOOL.md, the checksum by another CRC32C. */
	static const uint8_t golden[] =
		"\x5b\x00\x00\x00" "\xf1\x4b\x9d\x03" "AAAAAAAAAAAAAAAAIIIIIIII"
		"\x03\x00\x00\x00" "\x20\x00\x00\x00" "\x07\x00\x00\x00\x00\x00\x00\x00"
		"\x08\x07\x06\x05\x04\x03\x02\x01" "\x2d\x4c\x97\xb7\xeb\x57\x88\x00"
		"\x09\x00\x00\x00\x00\x00\x00\x00" "\x0a\x00\x00\x00\x00\x00\x00\x00"
		"\x0b\x00\x00\x00\x00\x00\x00\x00" "\x0c\x00\x00\x00\x00\x00\x00\x00" "abc";
	struct spool_record record = { .partition = 3, .partitions = 32, .seq = 7,
				       .chain_before = 0x0102030405060708, .samples = 9,
				       .samples_before = 10, .since_ms = 11, .total = 12 };
	uint8_t bytes[SPOOL_SEGMENT_HEADER + 3];
	struct spool_record read;
	struct slice batch;

	(void)state;
	memcpy(record.stream.bytes, "AAAAAAAAAAAAAAAAIIIIIIII", STREAM_ID_BYTES);
	record.chain_after = hash_chain_next(record.chain_before, slice_text("abc"));
	spool_segment_put(bytes, &record, slice_text("abc"));
	memcpy(bytes + SPOOL_SEGMENT_HEADER, "abc", 3);
	assert_memory_equal(bytes, golden, sizeof(bytes));
	assert_int_equal(spool_segment_read(slice_of(golden, sizeof(bytes)), &read, &batch), 0);
	assert_memory_equal(&read, &record, sizeof(record));
	assert_true(slice_equal(batch, slice_text("abc")));
}

static void test_records_begin_at_multiples_of_eight(void **state)
{
	(void)state;
	assert_int_equal(spool_segment_size(1), SPOOL_SEGMENT_HEADER + 8);
	assert_int_equal(spool_segment_size(8), SPOOL_SEGMENT_HEADER + 8);
	assert_int_equal(spool_segment_size(9), SPOOL_SEGMENT_HEADER + 16);
}

static void test_a_record_says_why_it_is_none(void **state)
{
	struct file *f = *state;
	struct spool_record record;
	struct slice batch, whole = record_at(f, 0);

	assert_int_equal(spool_segment_read(slice_of(whole.ptr, 3), &record, &batch), ERR_TRUNCATED);
	assert_int_equal(spool_segment_read(slice_of(whole.ptr, f->at[1] - 8), &record, &batch),
			 ERR_TRUNCATED);
	f->bytes.data[3] = 1; /* 16 MiB */
	assert_int_equal(spool_segment_read(whole, &record, &batch), ERR_TOO_LARGE);
	f->bytes.data[3] = 0;
	f->bytes.data[SPOOL_SEGMENT_HEADER] ^= 1;
	assert_int_equal(spool_segment_read(whole, &record, &batch), ERR_CHECKSUM);
	f->bytes.data[SPOOL_SEGMENT_HEADER] ^= 1;
	f->bytes.data[32] = 4; /* the partition, of 4 */
	assert_int_equal(spool_segment_read(whole, &record, &batch), ERR_OUT_OF_RANGE);
}

static void test_a_batch_that_does_not_continue_its_chain_is_refused(void **state)
{
	struct file *f = *state;
	struct spool_record record = f->c.record;
	struct slice batch = case_batch(&f->c, RECORDS, 20);
	uint8_t bytes[SPOOL_SEGMENT_HEADER + 20];

	record.chain_after++;
	spool_segment_put(bytes, &record, batch);
	memcpy(bytes + SPOOL_SEGMENT_HEADER, batch.ptr, batch.size);
	assert_int_equal(spool_segment_read(slice_of(bytes, sizeof(bytes)), &record, &batch),
			 ERR_BAD_CHAIN);
}

static void test_all_records_are_found_and_preallocated_zeros_are_their_end(void **state)
{
	struct file *f = *state;
	struct spool_scan scan;

	memset(buf_extend(&f->bytes, 4096), 0, 4096);
	assert_int_equal(scan_all(f, buf_view(&f->bytes), &scan), all);
	assert_int_equal(scan.at, f->at[RECORDS]);
	assert_int_equal(scan.holes + scan.torn_bytes, 0);
}

static void test_a_file_cut_anywhere_keeps_the_records_before(void **state)
{
	struct file *f = *state;

	for (size_t size = 0; size <= f->bytes.size; size++) {
		struct spool_scan scan;
		size_t whole = 0;

		/* The last bytes of each record are padding and may be missing. */
		while (whole < RECORDS && f->at[whole] + SPOOL_SEGMENT_HEADER + 9 + 10 * whole <= size)
			whole++;
		assert_int_equal(scan_all(f, slice_of(f->bytes.data, size), &scan),
				 ((1u << whole) - 1) << 1);
		assert_int_equal(scan.holes, 0);
		assert_true(scan.at <= size);
		assert_int_equal(scan.torn_bytes > 0, size > f->at[whole]);
	}
}

static void test_a_flipped_byte_costs_one_record_at_most(void **state)
{
	struct file *f = *state;

	for (size_t i = 0; i < f->bytes.size; i++) {
		struct spool_scan scan;
		size_t hit = 0;
		unsigned found;

		while (f->at[hit + 1] <= i)
			hit++;
		f->bytes.data[i] ^= 0x40;
		found = scan_all(f, buf_view(&f->bytes), &scan);
		f->bytes.data[i] ^= 0x40;
		if (i >= f->at[hit] + SPOOL_SEGMENT_HEADER + 9 + 10 * hit)
			assert_int_equal(found, all); /* padding */
		else
			assert_int_equal(found, all & ~(1u << (hit + 1)));
		assert_int_equal(scan.holes + (scan.torn_bytes > 0), found != all);
	}
}

/* Every 8 bytes look like the header of a record of 1,000 bytes in partition 1,000 of 1,024. */
static void test_bytes_made_to_look_like_records_are_summed_to_a_bound(void **state)
{
	static const uint8_t pattern[] = "\xe8\x03\x00\x00\x00\x04\x00";
	size_t size = 8 * 1024 * 1024;
	uint8_t *bytes = malloc(size);
	struct spool_record record;
	struct spool_scan scan;
	struct slice batch;
	size_t at;

	(void)state;
	for (size_t i = 0; i < size; i += 8)
		memcpy(bytes + i, pattern, 8);
	assert_int_equal(spool_segment_read(slice_of(bytes, size), &record, &batch), ERR_CHECKSUM);
	scan = spool_scan_start(slice_of(bytes, size));
	assert_false(spool_scan_next(&scan, &record, &batch, &at));
	assert_true(scan.budget < 1000);
	assert_int_equal(scan.at, 0);
	free(bytes);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_record_is_as_the_contract_says),
		T(test_records_begin_at_multiples_of_eight),
		T(test_a_record_says_why_it_is_none),
		T(test_a_batch_that_does_not_continue_its_chain_is_refused),
		T(test_all_records_are_found_and_preallocated_zeros_are_their_end),
		T(test_a_file_cut_anywhere_keeps_the_records_before),
		T(test_a_flipped_byte_costs_one_record_at_most),
		T(test_bytes_made_to_look_like_records_are_summed_to_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
