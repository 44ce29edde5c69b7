/*
 * buf.h - a growing byte buffer with a ceiling, and its reader.
 *
 * A buf owns its bytes and never grows past the ceiling given at init. A failed
 * write (no memory, ceiling) sets `failed` and leaves the content as it was; all
 * later writes do nothing. So twenty puts need no check and the last one does:
 * ask buf_status() before using the bytes (after pgbouncer's pktbuf).
 *
 * A reader walks borrowed bytes the same way: a read past the end sets `failed`
 * and yields zeros.
 *
 * Members may be read; only these functions write them. Not thread-safe.
 */
#ifndef PROTO_BUF_H
#define PROTO_BUF_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data;
	size_t size;
	size_t capacity;
	size_t ceiling;
	int failed; /* 0 or the negative code of the first failure */
};

/* An empty buffer that may grow to ceiling_bytes. Allocates nothing yet. */
void buf_init(struct buf *b, size_t ceiling_bytes);

/* Frees the bytes; the buffer is empty and usable again. NULL is allowed. */
void buf_release(struct buf *b);

/* Empties the buffer, keeps its storage, clears `failed`. */
void buf_reset(struct buf *b);

/* Cuts the content back to size_bytes (<= size). Does not clear `failed`. */
void buf_truncate(struct buf *b, size_t size_bytes);

/* 0, or why a write failed: -ENOMEM, -ENOBUFS (the ceiling). */
int buf_status(const struct buf *b);

/* Makes room for size more bytes at once, for who knows how much will come. Only that: no
 * failure. */
void buf_reserve(struct buf *b, size_t size);

/* Makes room for size more bytes and returns where they go (uninitialised, counted
 * as content), or NULL with `failed` set. */
uint8_t *buf_extend(struct buf *b, size_t size);

void buf_put(struct buf *b, const void *bytes, size_t size);   /* size bytes as they are */
void buf_put_slice(struct buf *b, struct slice bytes);         /* the same */
void buf_put_text(struct buf *b, const char *text);            /* without the terminator */
void buf_put_u8(struct buf *b, uint8_t value);                 /* one byte */
void buf_put_u16(struct buf *b, uint16_t value);               /* little-endian */
void buf_put_u32(struct buf *b, uint32_t value);               /* little-endian */
void buf_put_u64(struct buf *b, uint64_t value);               /* little-endian */
void buf_put_f64(struct buf *b, double value);                 /* IEEE 754, little-endian */
void buf_put_varint(struct buf *b, uint64_t value);            /* LEB128, 1..10 bytes */
void buf_printf(struct buf *b, const char *format, ...)        /* as printf, no terminator */
	__attribute__((format(printf, 2, 3)));

/* The content, borrowed until the next write. */
struct slice buf_view(const struct buf *b);

/* The bytes leave the buffer, which is empty afterwards; the caller frees *bytes
 * (NULL when empty). */
void buf_take(struct buf *b, uint8_t **bytes, size_t *size);

struct reader {
	const uint8_t *at;
	const uint8_t *end;
	bool failed;
};

/* A reader over borrowed bytes. */
struct reader reader_of(struct slice bytes);

size_t reader_left(const struct reader *r);           /* bytes not yet read */
uint8_t reader_u8(struct reader *r);                  /* one byte */
uint16_t reader_u16(struct reader *r);                /* little-endian */
uint32_t reader_u32(struct reader *r);                /* little-endian */
uint64_t reader_u64(struct reader *r);                /* little-endian */
double reader_f64(struct reader *r);                  /* IEEE 754, little-endian */
uint64_t reader_varint(struct reader *r);             /* LEB128; fails on more than 64 bits
                                                       * and on padded (non-minimal) forms */
struct slice reader_bytes(struct reader *r, size_t size); /* borrowed; empty on failure */

/* 0 when all was read and nothing failed; ERR_TRUNCATED, ERR_TRAILING. */
int reader_finish(const struct reader *r);

/* Signed to unsigned so that small magnitudes stay small, and back. */
static inline uint64_t zigzag_encode(int64_t value)
{
	return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int64_t zigzag_decode(uint64_t value)
{
	return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

#endif
