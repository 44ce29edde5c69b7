// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

uint8_t *bytes_copy(struct slice bytes)
{
	uint8_t *copy = bytes.size ? malloc(bytes.size) : NULL;

	if (copy != NULL)
		memcpy(copy, bytes.ptr, bytes.size);
	return copy;
}

static int bytes_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

struct slice bytes_of_hex(const char *hex, uint8_t *out, size_t room)
{
	size_t size = 0;

	for (; *hex != '\0'; hex++) {
		if (*hex == ' ' || *hex == '\n')
			continue;
		assert_true(bytes_digit(hex[0]) >= 0 && bytes_digit(hex[1]) >= 0);
		assert_true(size < room);
		out[size++] = (uint8_t)(bytes_digit(hex[0]) << 4 | bytes_digit(hex[1]));
		hex++;
	}
	return slice_of(out, size);
}

void bytes_assert_same(struct buf a, struct buf b)
{
	assert_int_equal(a.size, b.size);
	assert_memory_equal(a.data, b.data, a.size);
	buf_release(&a);
	buf_release(&b);
}

void bytes_assert_hex(struct slice bytes, const char *hex)
{
	uint8_t expected[4096];
	struct slice want = bytes_of_hex(hex, expected, sizeof(expected));

	assert_int_equal(bytes.size, want.size);
	assert_memory_equal(bytes.ptr, want.ptr, want.size);
}

void bytes_each_prefix(struct slice bytes, void (*try)(struct slice mutant, void *arg), void *arg)
{
	for (size_t size = 0; size < bytes.size; size++) {
		uint8_t *copy = bytes_copy(slice_of(bytes.ptr, size));

		try(slice_of(copy, size), arg);
		free(copy);
	}
}

void bytes_each_flip(struct slice bytes, void (*try)(struct slice mutant, void *arg), void *arg)
{
	uint8_t *copy = bytes_copy(bytes);

	for (size_t bit = 0; bit < 8 * bytes.size; bit++) {
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
		try(slice_of(copy, bytes.size), arg);
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	free(copy);
}

uint64_t bytes_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint64_t bytes_random_below(uint64_t *state, uint64_t bound)
{
	return bytes_random(state) % bound;
}
