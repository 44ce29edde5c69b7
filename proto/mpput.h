/*
 * mpput.h - writes msgpack into a buf.
 *
 * msgpack-c's packer with a buf behind it: every number takes its smallest form, so that
 * equal records are equal bytes. A failed write stays in the buf (buf_status), so a whole
 * record needs one check. The packer borrows the buf and owns nothing.
 */
#ifndef PROTO_MPPUT_H
#define PROTO_MPPUT_H

#include "proto/buf.h"
#include "proto/slice.h"

#include <msgpack.h>

/* A packer that appends to out, which must outlive it. */
msgpack_packer mpput_begin(struct buf *out);

void mpput_array(msgpack_packer *pk, size_t count);       /* header; count elements follow */
void mpput_u64(msgpack_packer *pk, uint64_t value);       /* a whole number */
void mpput_i64(msgpack_packer *pk, int64_t value);        /* the same, also below 0 */
void mpput_bool(msgpack_packer *pk, bool value);          /* true, false */
void mpput_nil(msgpack_packer *pk);                       /* nil */
void mpput_text(msgpack_packer *pk, struct slice text);   /* str; UTF-8 is the caller's care */
void mpput_bytes(msgpack_packer *pk, struct slice bytes); /* bin */

#endif
