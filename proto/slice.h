/*
 * slice.h - borrowed bytes.
 *
 * A slice points at bytes that somebody else owns; it never frees and never
 * writes. It is valid as long as its owner says (usually: for the call).
 * An empty slice may have a NULL pointer.
 */
#ifndef PROTO_SLICE_H
#define PROTO_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const uint8_t *ptr;
	size_t size;
};

/* A slice over size bytes at ptr. */
static inline struct slice slice_of(const void *ptr, size_t size)
{
	return (struct slice){ .ptr = ptr, .size = size };
}

/* A slice over a C string, without its terminator. */
static inline struct slice slice_text(const char *text)
{
	return slice_of(text, strlen(text));
}

/* Whether both hold the same bytes. */
static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.ptr, b.ptr, a.size) == 0);
}

/* Order by bytes, a shorter one before its extensions: < 0, 0, > 0. */
static inline int slice_compare(struct slice a, struct slice b)
{
	size_t common = a.size < b.size ? a.size : b.size;
	int order = common ? memcmp(a.ptr, b.ptr, common) : 0;

	return order ? order : (a.size > b.size) - (a.size < b.size);
}

#endif
