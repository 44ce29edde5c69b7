// SPDX-License-Identifier: Apache-2.0
#include "proto/mpput.h"

/* msgpack-c's way out. What it does with a failure (nothing) does not matter: the buf
 * remembers it. */
static int mpput_write(void *out, const char *bytes, size_t size)
{
	buf_put(out, bytes, size);
	return buf_status(out) == 0 ? 0 : -1;
}

msgpack_packer mpput_begin(struct buf *out)
{
	msgpack_packer pk;

	msgpack_packer_init(&pk, out, mpput_write);
	return pk;
}

void mpput_array(msgpack_packer *pk, size_t count)
{
	msgpack_pack_array(pk, count);
}

void mpput_u64(msgpack_packer *pk, uint64_t value)
{
	msgpack_pack_uint64(pk, value);
}

void mpput_i64(msgpack_packer *pk, int64_t value)
{
	msgpack_pack_int64(pk, value);
}

void mpput_bool(msgpack_packer *pk, bool value)
{
	if (value)
		msgpack_pack_true(pk);
	else
		msgpack_pack_false(pk);
}

void mpput_nil(msgpack_packer *pk)
{
	msgpack_pack_nil(pk);
}

void mpput_text(msgpack_packer *pk, struct slice text)
{
	msgpack_pack_str(pk, text.size);
	msgpack_pack_str_body(pk, text.ptr, text.size);
}

void mpput_bytes(msgpack_packer *pk, struct slice bytes)
{
	msgpack_pack_bin(pk, bytes.size);
	msgpack_pack_bin_body(pk, bytes.ptr, bytes.size);
}
