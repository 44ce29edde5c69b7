/*
 * resp.h - writes Redis commands (RESP2) into a buf.
 *
 * The committer builds a commit's bytes itself: they must be sent again exactly as they
 * are when an outcome is unknown. Bulk strings only; errors stay in the buf.
 */
#ifndef RELAY_RESP_H
#define RELAY_RESP_H

#include "proto/buf.h"
#include "proto/slice.h"

#include <stddef.h>
#include <stdint.h>

#define RESP_HEX_BYTES 16

void resp_array(struct buf *out, size_t count);         /* begins a command of count arguments */
void resp_bytes(struct buf *out, struct slice bytes);   /* an argument as it is */
void resp_text(struct buf *out, const char *text);      /* an argument from a C string */
void resp_u64(struct buf *out, uint64_t value);         /* an argument in decimal */
void resp_i64(struct buf *out, int64_t value);          /* an argument in decimal */
void resp_hex(struct buf *out, uint64_t value);         /* an argument of 16 hex digits */

/* Begins the call of a loaded script (script_sha) with so many keys, and arguments after them. */
void resp_evalsha(struct buf *out, const char *sha, size_t keys, size_t arguments);

/* Writes value as 16 lower-case hex digits, without a terminator. */
void resp_format_hex(uint64_t value, uint8_t out[RESP_HEX_BYTES]);

#endif
