// SPDX-License-Identifier: Apache-2.0
#include "proto/frame.h"

#include "proto/err.h"
#include "proto/limits.h"
#include "tests/lib/bytes.h"
#include "tests/lib/peak.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define CEILING (4 * LIMIT_FRAME_BYTES)

#define HEX_A "c418 6167656e742d30313233343536373839 0100000000000000"
#define HEX_B "c418 6167656e742d30313233343536373839 0200000000000000"

#define STATE_7   "b3 373a6330303030303030303030303030303061"
#define CLOCK_MS  1795179600000
#define CLOCK     "cf000001a1f90ad880"

static struct frame_stream two_streams[] = {
	{ .id = { "agent-0123456789\x01" }, .partition = 13, .base_seq = 6,
	  .state = { .known = true, .seq = 7, .value = 10 } },
	{ .id = { "agent-0123456789\x02" }, .partition = 1023 },
};

static struct slice two_relays[] = {
	{ (const uint8_t *)"a:1", 3 },
	{ (const uint8_t *)"b:2", 3 },
};

/* Both directions of every type: what to encode, and its bytes. The bytes were made by
 * another msgpack implementation. */
struct sample {
	struct frame frame;
	const char *hex;
};

#define STREAMS(...) .streams = { .list = two_streams, .count = 2, __VA_ARGS__ }
#define TEXT(text) { (const uint8_t *)(text), sizeof(text) - 1 }

static const struct sample samples[] = {
	{ { .type = FRAME_HELLO,
	    .hello = { .version_min = 1, .version_max = 2, .cfg = 0x100000020,
		       .agent_id = "agent-012345678", .incarnation = 1, .clock_ms = CLOCK_MS,
		       .capabilities = 3, .host = TEXT("web-1") } },
	  "31000000 01 01 0000 99 01 02 cf0000000100000020 c410 6167656e742d30313233343536373800"
	  "01" CLOCK "03 c400 a57765622d31" },
	{ { .type = FRAME_WELCOME,
	    .welcome = { .version = 1, .cfg = 0x100000020, .partitions = 32,
			 .clock_ms = CLOCK_MS, .name = TEXT("r1"), .auth = TEXT("\xfe"),
			 .grace_ms = 10000 } },
	  "1f000000 01 02 0000 98 01 cf0000000100000020 20" CLOCK "00 c401fe a27231 cd2710" },
	{ { .type = FRAME_REFUSED, .refused = { .code = ERR_VERSION, .text = TEXT("no") } },
	  "07000000 01 03 0000 92 d1fbaf a26e6f" },
	{ { .type = FRAME_OPEN, STREAMS(.token = 0) },
	  "3e000000 01 04 0000 91 92 93" HEX_A "0d 06 93" HEX_B "cd03ff 00" },
	{ { .type = FRAME_STATE, STREAMS(.cause = FRAME_RESET) },
	  "52000000 01 05 0000 92 01 92 93" HEX_A "0d" STATE_7 "93" HEX_B "cd03ff a0" },
	{ { .type = FRAME_COMMITTED, STREAMS(.token = 0) },
	  "51000000 01 07 0000 91 92 93" HEX_A "0d" STATE_7 "93" HEX_B "cd03ff a0" },
	{ { .type = FRAME_CONFIRM, STREAMS(.token = 9) },
	  "3d000000 01 08 0000 92 09 92 92" HEX_A "0d 92" HEX_B "cd03ff" },
	{ { .type = FRAME_CONFIRMED, STREAMS(.token = 9, .stable = true) },
	  "53000000 01 09 0000 93 09 c3 92 93" HEX_A "0d" STATE_7 "93" HEX_B "cd03ff a0" },
	{ { .type = FRAME_CLOSE, STREAMS(.token = 0) },
	  "51000000 01 10 0000 91 92 93" HEX_A "0d" STATE_7 "93" HEX_B "cd03ff a0" },
	{ { .type = FRAME_BATCH,
	    .batch = { .id = { "agent-0123456789\x01" }, .bytes = TEXT("\x98") } },
	  "20000000 01 06 0000 94" HEX_A "c0 00 c40198" },
	{ { .type = FRAME_BATCH,
	    .batch = { .id = { "agent-0123456789\x01" }, .lost = 300, .has_predecessor = true,
		       .predecessor = { .known = true, .nonce = true, .seq = 6, .value = 10 },
		       .bytes = TEXT("\x98") } },
	  "35000000 01 06 0000 94" HEX_A "b3 363a6e30303030303030303030303030303061 cd012c"
	  "c40198" },
	{ { .type = FRAME_WATERMARK,
	    .watermark = { .committed_ms = CLOCK_MS, .left = true, .host = TEXT("web-1") } },
	  "11000000 01 0a 0000 93" CLOCK "c3 a57765622d31" },
	{ { .type = FRAME_RELAYS,
	    .relays = { .floor_hour = 498661, .seal_ms = 0, .list = two_relays, .count = 2 } },
	  "10000000 01 0b 0000 93 ce00079be5 00 92 a3613a31 a3623a32" },
	{ { .type = FRAME_PING, .ping = { .token = 5, .clock_ms = 1 } },
	  "03000000 01 0c 0000 92 05 01" },
	{ { .type = FRAME_PONG, .ping = { .token = 5, .clock_ms = 2 } },
	  "03000000 01 0d 0000 92 05 02" },
	{ { .type = FRAME_BUSY, .busy = true }, "02000000 01 0e 0000 91 c3" },
	{ { .type = FRAME_GOAWAY }, "01000000 01 0f 0000 90" },
	{ { .type = FRAME_CHALLENGE, .auth = TEXT("\x01\x02") }, "05000000 01 11 0000 91 c4020102" },
	{ { .type = FRAME_PROOF, .auth = TEXT("\xff") }, "04000000 01 12 0000 91 c401ff" },
	{ { .type = FRAME_STORE, .full = true }, "02000000 01 13 0000 91 c3" },
};

#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static void test_each_type_has_its_bytes(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, CEILING);
	for (size_t i = 0; i < SAMPLES; i++) {
		buf_reset(&out);
		frame_encode(&out, &samples[i].frame);
		assert_int_equal(buf_status(&out), 0);
		bytes_assert_hex(buf_view(&out), samples[i].hex);
	}
	buf_release(&out);
}

/* Takes exactly one frame off the bytes and reads it. */
static int read_one(struct slice bytes, struct frame *out)
{
	struct frame_header header;
	struct slice payload;
	int err = frame_next(&bytes, &header, &payload);

	if (err != 1)
		return err == 0 ? ERR_TRUNCATED : err;
	assert_int_equal(header.size, payload.size);
	err = frame_decode(&header, payload, out);
	if (err == 0 && bytes.size != 0) {
		frame_release(out);
		return ERR_TRAILING;
	}
	return err;
}

/* What was read says the same as what was written: it is written the same way again. */
static void test_each_type_is_read_back(void **state)
{
	uint8_t room[256];
	struct frame frame;
	struct buf out;

	(void)state;
	buf_init(&out, CEILING);
	for (size_t i = 0; i < SAMPLES; i++) {
		struct slice bytes = bytes_of_hex(samples[i].hex, room, sizeof(room));

		assert_int_equal(read_one(bytes, &frame), 0);
		assert_int_equal(frame.type, samples[i].frame.type);
		buf_reset(&out);
		frame_encode(&out, &frame);
		assert_true(slice_equal(buf_view(&out), bytes));
		frame_release(&frame);
		frame_release(&frame);
	}
	buf_release(&out);
}

static void test_the_fields_land_where_they_belong(void **state)
{
	uint8_t room[256];
	struct frame f;

	(void)state;
	assert_int_equal(read_one(bytes_of_hex(samples[0].hex, room, sizeof(room)), &f), 0);
	assert_true(f.hello.version_min == 1 && f.hello.version_max == 2);
	assert_true(f.hello.clock_ms == CLOCK_MS && f.hello.capabilities == 3);
	assert_true(slice_equal(f.hello.host, slice_text("web-1")) && f.hello.auth.size == 0);
	assert_int_equal(read_one(bytes_of_hex(samples[7].hex, room, sizeof(room)), &f), 0);
	assert_true(f.streams.token == 9 && f.streams.stable && f.streams.count == 2);
	assert_true(f.streams.list[0].state.known && f.streams.list[0].state.seq == 7);
	assert_true(!f.streams.list[1].state.known && f.streams.list[1].partition == 1023);
	frame_release(&f);
	assert_int_equal(read_one(bytes_of_hex(samples[10].hex, room, sizeof(room)), &f), 0);
	assert_true(f.batch.has_predecessor && f.batch.predecessor.nonce && f.batch.lost == 300);
	assert_true(f.batch.bytes.size == 1 && f.batch.bytes.ptr[0] == 0x98);
}

/* However the network cuts them, the same frames come out. */
static void test_a_stream_is_cut_into_its_frames(void **state)
{
	struct frame_header header;
	struct slice payload, bytes;
	struct buf out;
	size_t frames = 0;

	(void)state;
	buf_init(&out, CEILING);
	for (size_t i = 0; i < SAMPLES; i++)
		frame_encode(&out, &samples[i].frame);
	bytes = slice_of(out.data, 0);
	for (size_t arrived = 0; arrived <= out.size; arrived++) {
		bytes.size = (size_t)(out.data + arrived - bytes.ptr);
		while (frame_next(&bytes, &header, &payload) == 1)
			assert_int_equal(header.type, samples[frames++].frame.type);
		assert_int_equal(frame_next(&bytes, &header, &payload), 0);
	}
	assert_int_equal(frames, SAMPLES);
	assert_int_equal(bytes.size, 0);
	buf_release(&out);
}

static int next_hex(const char *hex)
{
	uint8_t room[64];
	struct slice bytes = bytes_of_hex(hex, room, sizeof(room));
	struct frame_header header;
	struct slice payload;

	return frame_next(&bytes, &header, &payload);
}

static void test_eight_bytes_are_enough_to_refuse(void **state)
{
	char hex[64];

	(void)state;
	assert_int_equal(next_hex("00000000 01 0c 00"), 0);
	assert_int_equal(next_hex("01000000 01 0f 0000"), 0);
	assert_int_equal(next_hex("01000000 00 0f 0000"), ERR_VERSION);
	assert_int_equal(next_hex("01000000 02 0f 0000"), ERR_VERSION);
	assert_int_equal(next_hex("01000000 01 00 0000"), ERR_UNKNOWN_TYPE);
	assert_int_equal(next_hex("01000000 01 14 0000"), ERR_UNKNOWN_TYPE);
	assert_int_equal(next_hex("01000000 01 ff 0000"), ERR_UNKNOWN_TYPE);
	assert_int_equal(next_hex("01000000 01 0f 0100"), ERR_MALFORMED);
	assert_int_equal(next_hex("ffffffff 01 06 0000"), ERR_TOO_LARGE);
	snprintf(hex, sizeof(hex), "%02x%02x%02x00 01 06 0000", LIMIT_FRAME_BYTES & 0xff,
		 LIMIT_FRAME_BYTES >> 8 & 0xff, LIMIT_FRAME_BYTES >> 16);
	assert_int_equal(next_hex(hex), 0);
	snprintf(hex, sizeof(hex), "%02x%02x%02x00 01 06 0000", (LIMIT_FRAME_BYTES + 1) & 0xff,
		 LIMIT_FRAME_BYTES >> 8 & 0xff, LIMIT_FRAME_BYTES >> 16);
	assert_int_equal(next_hex(hex), ERR_TOO_LARGE);
	assert_int_equal(next_hex("474554 20 2f 20 4854"), ERR_VERSION); /* "GET / HT" */
}

struct refusal {
	enum frame_type type;
	const char *payload;
	int err;
};

static const struct refusal refusals[] = {
	{ FRAME_HELLO, "", ERR_TRUNCATED },
	{ FRAME_HELLO, "98 01 01 00 c41000000000000000000000000000000000 01 01 00 c400",
	  ERR_MALFORMED },
	{ FRAME_HELLO, "99 02 01 00 c41000000000000000000000000000000000 01 01 00 c400 a0",
	  ERR_OUT_OF_RANGE },
	{ FRAME_HELLO, "99 00 01 00 c41000000000000000000000000000000000 01 01 00 c400 a0",
	  ERR_OUT_OF_RANGE },
	{ FRAME_HELLO, "99 01 01 00 c41000000000000000000000000000000000 01 ff 00 c400 a0",
	  ERR_OUT_OF_RANGE },
	{ FRAME_HELLO, "99 01 01 00 c40f000000000000000000000000000000 01 01 00 c400 a0",
	  ERR_MALFORMED },
	{ FRAME_HELLO, "99 01 01 00 c41000000000000000000000000000000000 01 01 00 c50101",
	  ERR_TOO_LARGE },
	{ FRAME_HELLO, "99 01 01 00 c41000000000000000000000000000000000 01 01 00 c400 a10a",
	  ERR_MALFORMED },
	{ FRAME_HELLO, "99 01 01 00 c41000000000000000000000000000000000 01 01 00 c400 a1ff",
	  ERR_MALFORMED },
	{ FRAME_WELCOME, "98 01 00 00 01 00 c400 a0 00", ERR_OUT_OF_RANGE },
	{ FRAME_WELCOME, "98 01 00 cd0401 01 00 c400 a0 00", ERR_OUT_OF_RANGE },
	{ FRAME_REFUSED, "92 d380000000 00000000 a0", ERR_OUT_OF_RANGE },
	{ FRAME_REFUSED, "92 ca00000000 a0", ERR_MALFORMED },
	{ FRAME_OPEN, "91 91 93 c417" "6167656e742d30313233343536373839 01000000000000" "00 00",
	  ERR_MALFORMED },
	{ FRAME_OPEN, "91 91 93" HEX_A "cd0400 00", ERR_OUT_OF_RANGE },
	{ FRAME_OPEN, "91 91 92" HEX_A "00", ERR_MALFORMED },
	{ FRAME_OPEN, "91 dc1001", ERR_TOO_LARGE },
	{ FRAME_OPEN, "91 dc1000", ERR_TRUNCATED },
	{ FRAME_OPEN, "90", ERR_MALFORMED },
	{ FRAME_STATE, "92 02 90", ERR_OUT_OF_RANGE },
	{ FRAME_STATE, "92 00 91 93" HEX_A "00 a3313a63", ERR_MALFORMED },
	{ FRAME_STATE, "92 00 91 93" HEX_A "00 d928", ERR_TOO_LARGE },
	{ FRAME_STATE, "92 00 91 93" HEX_A "00 91a0", ERR_TOO_DEEP },
	{ FRAME_CONFIRMED, "93 01 01 90", ERR_MALFORMED },
	{ FRAME_BATCH, "94" HEX_A "a0 00 c40198", ERR_MALFORMED },
	{ FRAME_BATCH, "94" HEX_A "a131 00 c40198", ERR_MALFORMED },
	{ FRAME_BATCH, "94" HEX_A "c0 00 c400", ERR_MALFORMED },
	{ FRAME_BATCH, "94" HEX_A "c0 ff c40198", ERR_OUT_OF_RANGE },
	{ FRAME_BATCH, "94" HEX_A "c0 00 c600040001", ERR_TOO_LARGE },
	{ FRAME_WATERMARK, "93 cf8000000000000000 c2 a0", ERR_OUT_OF_RANGE },
	{ FRAME_RELAYS, "93 00 00 91 a0", ERR_MALFORMED },
	{ FRAME_RELAYS, "93 00 00 92 a161 a101", ERR_MALFORMED },
	{ FRAME_RELAYS, "93 ce7fffffff 00 90", ERR_OUT_OF_RANGE },
	{ FRAME_RELAYS, "93 00 00 dc0101", ERR_TOO_LARGE },
	{ FRAME_PING, "92 00 00 00", ERR_TRAILING },
	{ FRAME_PING, "81 00 00", ERR_MALFORMED },
	{ FRAME_BUSY, "91 01", ERR_MALFORMED },
	{ FRAME_GOAWAY, "91 00", ERR_TOO_LARGE },
	{ FRAME_CHALLENGE, "91 c50101", ERR_TOO_LARGE },
	{ FRAME_PROOF, "91 a0", ERR_MALFORMED },
	{ FRAME_PROOF, "90", ERR_MALFORMED },
	{ FRAME_STORE, "91 01", ERR_MALFORMED },
};

static void test_what_is_wrong_is_refused_with_its_reason(void **state)
{
	uint8_t room[128];

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct slice bytes = bytes_of_hex(refusals[i].payload, room, sizeof(room));
		struct frame_header header = { .size = (uint32_t)bytes.size, .version = 1,
					       .type = refusals[i].type };
		uint8_t *copy = bytes_copy(bytes);
		struct frame frame;
		int err = frame_decode(&header, slice_of(copy, bytes.size), &frame);

		free(copy);
		if (err != refusals[i].err)
			fail_msg("%s %s: %s", frame_type_name(header.type), refusals[i].payload,
				 err ? err_name(err) : "accepted");
	}
}

static void try_read(struct slice mutant, void *arg)
{
	unsigned *accepted = arg;
	struct frame frame;

	if (read_one(mutant, &frame) != 0)
		return;
	(*accepted)++;
	frame_release(&frame);
}

static void test_no_truncation_passes_and_no_flip_harms(void **state)
{
	uint8_t room[256];
	unsigned cut = 0, flipped = 0;

	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		struct slice bytes = bytes_of_hex(samples[i].hex, room, sizeof(room));

		bytes_each_prefix(bytes, try_read, &cut);
		bytes_each_flip(bytes, try_read, &flipped);
	}
	assert_int_equal(cut, 0);
	assert_true(flipped > 0);
}

/* Any payload under any type: random bytes, and bytes that begin as msgpack arrays do. */
static void test_noise_is_refused_or_read_without_harm(void **state)
{
	uint64_t random = 5;
	unsigned accepted = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint8_t bytes[40];
		size_t size = bytes_random_below(&random, sizeof(bytes) + 1);
		struct frame_header header = { .size = (uint32_t)size, .version = 1 };
		struct frame frame;

		header.type = (enum frame_type)(1 + bytes_random_below(&random, FRAME_TYPE_LAST));
		for (size_t at = 0; at < sizeof(bytes); at++)
			bytes[at] = (uint8_t)bytes_random(&random);
		bytes[0] = (uint8_t)(0x90 | (bytes[0] & 3));
		if (frame_decode(&header, slice_of(bytes, size), &frame) != 0)
			continue;
		accepted++;
		frame_release(&frame);
	}
	assert_true(accepted > 0);
}

static void fill_streams(struct frame_stream *list, size_t count, uint64_t seq)
{
	for (size_t i = 0; i < count; i++) {
		list[i] = two_streams[0];
		list[i].partition = LIMIT_PARTITIONS - 1;
		list[i].state.seq = seq;
	}
}

static void test_a_full_list_fits_a_frame(void **state)
{
	struct frame_stream *list = calloc(LIMIT_FRAME_STREAMS, sizeof(*list));
	struct frame f = { .type = FRAME_STATE,
			   .streams = { .list = list, .count = LIMIT_FRAME_STREAMS } };
	struct frame back;
	struct buf out;

	(void)state;
	buf_init(&out, CEILING);
	fill_streams(list, LIMIT_FRAME_STREAMS, 99999999999999);
	frame_encode(&out, &f);
	assert_int_equal(buf_status(&out), 0);
	assert_int_equal(read_one(buf_view(&out), &back), 0);
	assert_int_equal(back.streams.count, LIMIT_FRAME_STREAMS);
	frame_release(&back);
	/* A frame that its reader would refuse does not leave, and spoils nothing before it. */
	buf_reset(&out);
	buf_put_u8(&out, 77);
	fill_streams(list, LIMIT_FRAME_STREAMS, UINT64_MAX);
	frame_encode(&out, &f);
	assert_int_equal(buf_status(&out), -ENOBUFS);
	assert_int_equal(out.size, 1);
	buf_release(&out);
	free(list);
}

static void test_a_long_text_is_cut_between_characters(void **state)
{
	char host[400];
	struct frame f = { .type = FRAME_WATERMARK };
	struct frame back;
	struct buf out;

	(void)state;
	buf_init(&out, CEILING);
	for (size_t i = 0; i < sizeof(host); i += 2)
		memcpy(host + i, "\xc3\xa4", 2);
	f.watermark.host = slice_of(host, sizeof(host));
	frame_encode(&out, &f);
	assert_int_equal(read_one(buf_view(&out), &back), 0);
	assert_int_equal(back.watermark.host.size, 254);
	buf_release(&out);
}

/* A ceiling anywhere inside a frame leaves the buf as it was before it. */
static void test_a_frame_is_written_whole_or_not_at_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		uint8_t room[256];
		size_t size = bytes_of_hex(samples[i].hex, room, sizeof(room)).size;

		for (size_t ceiling = 1; ceiling <= size; ceiling++) {
			struct buf out;

			buf_init(&out, ceiling);
			buf_put_u8(&out, 77);
			frame_encode(&out, &samples[i].frame);
			assert_int_equal(buf_status(&out), -ENOBUFS);
			assert_int_equal(out.size, 1);
			buf_release(&out);
		}
	}
}

/* The worst that a frame may cost while it is read, and what bombs cost: less than 1 MiB. */
static void test_the_dearest_frame_costs_less_than_a_mebibyte(void **state)
{
	struct frame_stream *list = calloc(LIMIT_FRAME_STREAMS, sizeof(*list));
	struct frame f = { .type = FRAME_STATE,
			   .streams = { .list = list, .count = LIMIT_FRAME_STREAMS } };
	struct frame_header header = { .version = 1, .type = FRAME_OPEN };
	uint8_t bomb[] = { 0x91, 0xdd, 0x15, 0xff, 0xff, 0xff };
	struct frame back;
	struct buf out;
	long before;

	(void)state;
	buf_init(&out, CEILING);
	fill_streams(list, LIMIT_FRAME_STREAMS, 7);
	frame_encode(&out, &f);
	before = peak_kib();
	assert_int_equal(read_one(buf_view(&out), &back), 0);
	frame_release(&back);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(frame_decode(&header, slice_of(bomb, sizeof(bomb)), &back),
				 ERR_TOO_LARGE);
	assert_true(peak_growth_kib(before) < 1024);
	buf_release(&out);
	free(list);
}

static void test_every_type_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(frame_type_name(FRAME_HELLO), "HELLO");
	assert_string_equal(frame_type_name(FRAME_CLOSE), "CLOSE");
	for (int type = FRAME_HELLO; type <= FRAME_TYPE_LAST; type++)
		assert_non_null(frame_type_name((enum frame_type)type));
	assert_string_equal(frame_type_name((enum frame_type)0), "?");
	assert_string_equal(frame_type_name((enum frame_type)(FRAME_TYPE_LAST + 1)), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: the peak of a process only ever grows. */
		cmocka_unit_test(test_the_dearest_frame_costs_less_than_a_mebibyte),
		cmocka_unit_test(test_each_type_has_its_bytes),
		cmocka_unit_test(test_each_type_is_read_back),
		cmocka_unit_test(test_the_fields_land_where_they_belong),
		cmocka_unit_test(test_a_stream_is_cut_into_its_frames),
		cmocka_unit_test(test_eight_bytes_are_enough_to_refuse),
		cmocka_unit_test(test_what_is_wrong_is_refused_with_its_reason),
		cmocka_unit_test(test_no_truncation_passes_and_no_flip_harms),
		cmocka_unit_test(test_noise_is_refused_or_read_without_harm),
		cmocka_unit_test(test_a_full_list_fits_a_frame),
		cmocka_unit_test(test_a_long_text_is_cut_between_characters),
		cmocka_unit_test(test_a_frame_is_written_whole_or_not_at_all),
		cmocka_unit_test(test_every_type_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
