// SPDX-License-Identifier: Apache-2.0
/*
 * The usual text is ASCII and is judged eight bytes at a time; everything else by what may follow
 * its first byte (RFC 3629, section 4; Unicode 15, table 3-7).
 */
#include "proto/utf8.h"

/* What may follow a lead byte: how many bytes, and the range of the first of them, which
 * is where overlong forms, surrogates and too large code points differ (RFC 3629, 4). */
struct utf8_lead {
	size_t size;
	uint8_t low;
	uint8_t high;
};

static struct utf8_lead utf8_lead_of(uint8_t byte)
{
	struct utf8_lead lead = { .size = 0, .low = 0x80, .high = 0xbf };

	if (byte < 0x80) {
		lead.size = 1;
	} else if (byte >= 0xc2 && byte <= 0xdf) {
		lead.size = 2;
	} else if (byte >= 0xe0 && byte <= 0xef) {
		lead.size = 3;
		lead.low = byte == 0xe0 ? 0xa0 : 0x80;
		lead.high = byte == 0xed ? 0x9f : 0xbf;
	} else if (byte >= 0xf0 && byte <= 0xf4) {
		lead.size = 4;
		lead.low = byte == 0xf0 ? 0x90 : 0x80;
		lead.high = byte == 0xf4 ? 0x8f : 0xbf;
	}
	return lead;
}

size_t utf8_sequence(struct slice text, bool *valid)
{
	struct utf8_lead lead = utf8_lead_of(text.ptr[0]);
	size_t at;

	*valid = false;
	if (lead.size == 0)
		return 1;
	for (at = 1; at < lead.size && at < text.size; at++) {
		uint8_t byte = text.ptr[at];

		if (byte < lead.low || byte > lead.high)
			return at;
		lead.low = 0x80;
		lead.high = 0xbf;
	}
	*valid = at == lead.size;
	return at;
}

/* Whether eight bytes all are printable ASCII. A byte with its high bit set, below 0x20 or
 * equal to 0x7f leaves a high bit in one of the three terms; a borrow can only raise the
 * alarm for a neighbour of such a byte, so true is certain. */
static bool utf8_printable(const uint8_t *at)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return ((word | (word - 0x20 * ones) | ((word ^ (0x7f * ones)) - ones)) & (0x80 * ones)) ==
	       0;
}

bool utf8_is_text(struct slice text)
{
	while (text.size > 0) {
		size_t size = sizeof(uint64_t);
		bool valid = true;

		if (text.size < size || !utf8_printable(text.ptr)) {
			if (text.ptr[0] < 0x20 || text.ptr[0] == 0x7f)
				return false;
			size = utf8_sequence(text, &valid);
		}
		if (!valid)
			return false;
		text = slice_of(text.ptr + size, text.size - size);
	}
	return true;
}
