// SPDX-License-Identifier: Apache-2.0
#include "proto/state.h"

#include "proto/err.h"
#include "proto/hex.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

struct slice state_format(const struct stream_state *state, char out[STATE_TEXT_SIZE])
{
	int size;

	out[0] = '\0';
	if (!state->known)
		return slice_of(out, 0);
	size = snprintf(out, STATE_TEXT_SIZE, "%" PRIu64 ":%c%016" PRIx64, state->seq,
			state->nonce ? 'n' : 'c', state->value);
	assert(size > 0 && size < STATE_TEXT_SIZE);
	return slice_of(out, (size_t)size);
}

/* Takes decimal digits without leading zeros off the front. */
static int state_take_decimal(struct slice *text, uint64_t *out)
{
	uint64_t value = 0;
	size_t digits = 0;

	for (; digits < text->size; digits++) {
		unsigned digit = (unsigned)text->ptr[digits] - '0';

		if (digit > 9)
			break;
		if (digits == 1 && value == 0)
			return ERR_MALFORMED;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return ERR_MALFORMED;
	}
	if (digits == 0)
		return ERR_MALFORMED;
	*text = slice_of(text->ptr + digits, text->size - digits);
	*out = value;
	return 0;
}

int state_parse(struct slice text, struct stream_state *out)
{
	struct stream_state state = { .known = true };

	if (text.size == 0) {
		*out = (struct stream_state){ .known = false };
		return 0;
	}
	if (state_take_decimal(&text, &state.seq) != 0)
		return ERR_MALFORMED;
	if (text.size < 2 || text.ptr[0] != ':')
		return ERR_MALFORMED;
	if (text.ptr[1] != 'c' && text.ptr[1] != 'n')
		return ERR_MALFORMED;
	state.nonce = text.ptr[1] == 'n';
	if (hex_read_u64(slice_of(text.ptr + 2, text.size - 2), &state.value) != 0)
		return ERR_MALFORMED;
	*out = state;
	return 0;
}

bool state_equal(const struct stream_state *a, const struct stream_state *b)
{
	if (!a->known || !b->known)
		return a->known == b->known;
	return a->nonce == b->nonce && a->seq == b->seq && a->value == b->value;
}
