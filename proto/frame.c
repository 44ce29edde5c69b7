// SPDX-License-Identifier: Apache-2.0
#include "proto/frame.h"

#include "proto/err.h"
#include "proto/limits.h"

/* frame_encode.c writes frames; frame_decode.c reads payloads. */

const char *frame_type_name(enum frame_type type)
{
	static const char *const names[] = {
		[FRAME_HELLO] = "HELLO",         [FRAME_WELCOME] = "WELCOME",
		[FRAME_REFUSED] = "REFUSED",     [FRAME_OPEN] = "OPEN",
		[FRAME_STATE] = "STATE",         [FRAME_BATCH] = "BATCH",
		[FRAME_COMMITTED] = "COMMITTED", [FRAME_CONFIRM] = "CONFIRM",
		[FRAME_CONFIRMED] = "CONFIRMED", [FRAME_WATERMARK] = "WATERMARK",
		[FRAME_RELAYS] = "RELAYS",       [FRAME_PING] = "PING",
		[FRAME_PONG] = "PONG",           [FRAME_BUSY] = "BUSY",
		[FRAME_GOAWAY] = "GOAWAY",       [FRAME_CLOSE] = "CLOSE",
		[FRAME_CHALLENGE] = "CHALLENGE", [FRAME_PROOF] = "PROOF",
		[FRAME_STORE] = "STORE",
	};

	if ((int)type < FRAME_HELLO || (int)type > FRAME_TYPE_LAST)
		return "?";
	return names[type];
}

int frame_next(struct slice *bytes, struct frame_header *header, struct slice *payload)
{
	struct reader in;
	uint32_t size;
	uint8_t version, type;
	uint16_t flags;

	if (bytes->size < FRAME_HEADER_BYTES)
		return 0;
	in = reader_of(*bytes);
	size = reader_u32(&in);
	version = reader_u8(&in);
	type = reader_u8(&in);
	flags = reader_u16(&in);
	/* The version first: what the other fields mean is its business. */
	if (version < FRAME_VERSION_MIN || version > FRAME_VERSION_MAX)
		return ERR_VERSION;
	if (size > LIMIT_FRAME_BYTES)
		return ERR_TOO_LARGE;
	if (type < FRAME_HELLO || type > FRAME_TYPE_LAST)
		return ERR_UNKNOWN_TYPE;
	if (flags != 0)
		return ERR_MALFORMED;
	if (reader_left(&in) < size)
		return 0;
	*header = (struct frame_header){
		.size = size, .version = version, .type = (enum frame_type)type,
	};
	*payload = reader_bytes(&in, size);
	*bytes = slice_of(in.at, reader_left(&in));
	return 1;
}
