// SPDX-License-Identifier: Apache-2.0
/*
 * Capacity doubles from 64 bytes, up to the ceiling and not beyond. The first failure stays in
 * `failed` and makes all later writes nothing, so a record that failed in the middle is a prefix
 * of the record: whoever goes on with such a buffer truncates it first.
 */
#include "proto/buf.h"

#include "proto/err.h"
#include "proto/le.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_FIRST_BYTES  64
#define BUF_PRINTF_BYTES 256

void buf_init(struct buf *b, size_t ceiling_bytes)
{
	*b = (struct buf){ .ceiling = ceiling_bytes };
}

void buf_release(struct buf *b)
{
	if (b == NULL)
		return;
	free(b->data);
	buf_init(b, b->ceiling);
}

void buf_reset(struct buf *b)
{
	b->size = 0;
	b->failed = 0;
}

void buf_truncate(struct buf *b, size_t size_bytes)
{
	assert(size_bytes <= b->size);
	b->size = size_bytes;
}

int buf_status(const struct buf *b)
{
	return b->failed;
}

/* Doubles until size more bytes fit; the ceiling is met exactly, not overshot. */
static bool buf_grow(struct buf *b, size_t size)
{
	size_t capacity = b->capacity ? b->capacity : BUF_FIRST_BYTES;
	uint8_t *data;

	if (size > b->ceiling - b->size) {
		b->failed = -ENOBUFS;
		return false;
	}
	while (capacity - b->size < size)
		capacity *= 2;
	if (capacity > b->ceiling)
		capacity = b->ceiling;
	data = realloc(b->data, capacity);
	if (data == NULL) {
		b->failed = -ENOMEM;
		return false;
	}
	b->data = data;
	b->capacity = capacity;
	return true;
}

void buf_reserve(struct buf *b, size_t size)
{
	int failed = b->failed;

	if (!failed && size > b->capacity - b->size)
		(void)buf_grow(b, size);
	b->failed = failed;
}

uint8_t *buf_extend(struct buf *b, size_t size)
{
	uint8_t *at;

	if (b->failed)
		return NULL;
	if ((size > b->capacity - b->size || b->data == NULL) && !buf_grow(b, size))
		return NULL;
	at = b->data + b->size;
	b->size += size;
	return at;
}

void buf_put(struct buf *b, const void *bytes, size_t size)
{
	uint8_t *at;

	if (size == 0)
		return;
	at = buf_extend(b, size);
	if (at != NULL)
		memcpy(at, bytes, size);
}

void buf_put_slice(struct buf *b, struct slice bytes)
{
	buf_put(b, bytes.ptr, bytes.size);
}

void buf_put_text(struct buf *b, const char *text)
{
	buf_put(b, text, strlen(text));
}

void buf_put_u8(struct buf *b, uint8_t value)
{
	uint8_t *at = buf_extend(b, 1);

	if (at != NULL)
		*at = value;
}

void buf_put_u16(struct buf *b, uint16_t value)
{
	const uint8_t bytes[] = { (uint8_t)value, (uint8_t)(value >> 8) };

	buf_put(b, bytes, sizeof(bytes));
}

void buf_put_u32(struct buf *b, uint32_t value)
{
	uint8_t *at = buf_extend(b, sizeof(value));

	if (at != NULL)
		le_put_u32(at, value);
}

void buf_put_u64(struct buf *b, uint64_t value)
{
	uint8_t *at = buf_extend(b, sizeof(value));

	if (at != NULL)
		le_put_u64(at, value);
}

void buf_put_f64(struct buf *b, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	buf_put_u64(b, bits);
}

void buf_put_varint(struct buf *b, uint64_t value)
{
	uint8_t bytes[10];
	size_t size = 0;

	while (value >= 0x80) {
		bytes[size++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	bytes[size++] = (uint8_t)value;
	buf_put(b, bytes, size);
}

/* printf wants room for a terminator, which the buffer may not have: what is printed is
 * copied, from the stack where it is as short as usual. */
void buf_printf(struct buf *b, const char *format, ...)
{
	char small[BUF_PRINTF_BYTES];
	char *large = NULL;
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(small, sizeof(small), format, args);
	va_end(args);
	assert(size >= 0);
	if ((size_t)size < sizeof(small)) {
		buf_put(b, small, (size_t)size);
		return;
	}
	va_start(args, format);
	size = vasprintf(&large, format, args);
	va_end(args);
	if (size >= 0)
		buf_put(b, large, (size_t)size);
	else if (b->failed == 0)
		b->failed = -ENOMEM;
	free(size >= 0 ? large : NULL);
}

struct slice buf_view(const struct buf *b)
{
	return slice_of(b->data, b->size);
}

void buf_take(struct buf *b, uint8_t **bytes, size_t *size)
{
	*bytes = b->data;
	*size = b->size;
	buf_init(b, b->ceiling);
}

struct reader reader_of(struct slice bytes)
{
	static const uint8_t nothing[1];
	const uint8_t *start = bytes.ptr ? bytes.ptr : nothing;

	return (struct reader){ .at = start, .end = start + bytes.size };
}

size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->at);
}

struct slice reader_bytes(struct reader *r, size_t size)
{
	struct slice bytes;

	if (r->failed || size > reader_left(r)) {
		r->failed = true;
		return slice_of(NULL, 0);
	}
	bytes = slice_of(r->at, size);
	r->at += size;
	return bytes;
}

static uint64_t reader_le(struct reader *r, size_t size)
{
	struct slice bytes = reader_bytes(r, size);
	uint64_t value = 0;

	for (size_t i = 0; i < bytes.size; i++)
		value |= (uint64_t)bytes.ptr[i] << (8 * i);
	return value;
}

uint8_t reader_u8(struct reader *r)
{
	return (uint8_t)reader_le(r, 1);
}

uint16_t reader_u16(struct reader *r)
{
	return (uint16_t)reader_le(r, 2);
}

uint32_t reader_u32(struct reader *r)
{
	return (uint32_t)reader_le(r, 4);
}

uint64_t reader_u64(struct reader *r)
{
	return reader_le(r, 8);
}

double reader_f64(struct reader *r)
{
	uint64_t bits = reader_u64(r);
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

uint64_t reader_varint(struct reader *r)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = reader_u8(r);

		if (r->failed || (shift == 63 && byte > 1) || (shift > 0 && byte == 0))
			break;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return value;
	}
	r->failed = true;
	return 0;
}

int reader_finish(const struct reader *r)
{
	if (r->failed)
		return ERR_TRUNCATED;
	return r->at == r->end ? 0 : ERR_TRAILING;
}
