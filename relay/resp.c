// SPDX-License-Identifier: Apache-2.0
#include "relay/resp.h"

#define RESP_DIGITS 20 /* of the largest 64-bit number */

/* The decimal digits of value at the end of text; returns where they begin. */
static size_t resp_digits(uint64_t value, uint8_t text[RESP_DIGITS])
{
	size_t at = RESP_DIGITS;

	do
		text[--at] = (uint8_t)('0' + value % 10);
	while ((value /= 10) != 0);
	return at;
}

static void resp_length(struct buf *out, char type, size_t length)
{
	uint8_t text[RESP_DIGITS];
	size_t at = resp_digits(length, text);

	buf_put_u8(out, (uint8_t)type);
	buf_put(out, text + at, RESP_DIGITS - at);
	buf_put(out, "\r\n", 2);
}

void resp_array(struct buf *out, size_t count)
{
	resp_length(out, '*', count);
}

void resp_bytes(struct buf *out, struct slice bytes)
{
	resp_length(out, '$', bytes.size);
	buf_put_slice(out, bytes);
	buf_put(out, "\r\n", 2);
}

void resp_text(struct buf *out, const char *text)
{
	resp_bytes(out, slice_text(text));
}

void resp_u64(struct buf *out, uint64_t value)
{
	uint8_t text[RESP_DIGITS];
	size_t at = resp_digits(value, text);

	resp_bytes(out, slice_of(text + at, RESP_DIGITS - at));
}

void resp_evalsha(struct buf *out, const char *sha, size_t keys, size_t arguments)
{
	resp_array(out, 3 + keys + arguments);
	resp_text(out, "EVALSHA");
	resp_text(out, sha);
	resp_u64(out, keys);
}

void resp_i64(struct buf *out, int64_t value)
{
	uint8_t text[RESP_DIGITS + 1];
	uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	size_t at = 1 + resp_digits(magnitude, text + 1);

	if (value < 0)
		text[--at] = '-';
	resp_bytes(out, slice_of(text + at, sizeof(text) - at));
}

void resp_format_hex(uint64_t value, uint8_t out[RESP_HEX_BYTES])
{
	for (size_t i = RESP_HEX_BYTES; i-- > 0; value >>= 4)
		out[i] = (uint8_t)"0123456789abcdef"[value & 15];
}

void resp_hex(struct buf *out, uint64_t value)
{
	uint8_t text[RESP_HEX_BYTES];

	resp_format_hex(value, text);
	resp_bytes(out, slice_of(text, sizeof(text)));
}
