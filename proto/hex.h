/*
 * hex.h - hexadecimal as we write it and read it back: lower-case digits, nothing else.
 *
 * Pids, versions, stream states and agents' names in Redis and on disk. Pure.
 */
#ifndef PROTO_HEX_H
#define PROTO_HEX_H

#include "proto/err.h"
#include "proto/slice.h"

#include <stdint.h>

#define HEX_U64_DIGITS 16

/* The value of a digit; -1: it is none. */
static inline int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads exactly 16 digits. 0, ERR_MALFORMED. */
static inline int hex_read_u64(struct slice text, uint64_t *out)
{
	uint64_t value = 0;

	if (text.size != HEX_U64_DIGITS)
		return ERR_MALFORMED;
	for (size_t i = 0; i < text.size; i++) {
		int digit = hex_digit(text.ptr[i]);

		if (digit < 0)
			return ERR_MALFORMED;
		value = value << 4 | (uint64_t)digit;
	}
	*out = value;
	return 0;
}

/* Writes bytes as two digits each, and a terminator: out holds 2 * size + 1. Returns out. */
static inline const char *hex_write(const uint8_t *bytes, size_t size, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * size] = '\0';
	return out;
}

/* Writes 16 digits and a terminator; returns where that is. Not printf: an answer takes several. */
static inline char *hex_put_u64(uint64_t value, char out[HEX_U64_DIGITS + 1])
{
	for (int i = HEX_U64_DIGITS - 1; i >= 0; i--, value >>= 4)
		out[i] = "0123456789abcdef"[value & 15];
	out[HEX_U64_DIGITS] = '\0';
	return out + HEX_U64_DIGITS;
}

#endif
