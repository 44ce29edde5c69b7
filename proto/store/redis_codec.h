/*
 * redis_codec.h - RESP replies out of bytes, bounded.
 *
 * hiredis' reader with ceilings that it lacks: the bytes and the nesting of one reply and the
 * elements of one array, so that a hostile or broken peer costs bounded memory and
 * stack. For proto/store alone; redis_format (redis.h) is the other direction.
 */
#ifndef PROTO_STORE_REDIS_CODEC_H
#define PROTO_STORE_REDIS_CODEC_H

#include "proto/slice.h"

#include <hiredis/hiredis.h>

#define REDIS_REPLY_BYTES_MAX    (64u << 20)
#define REDIS_REPLY_ELEMENTS_MAX (1 << 20)
#define REDIS_REPLY_DEPTH_MAX    7

struct redis_codec {
	/* private */
	redisReader *reader;
	size_t reply_bytes; /* fed since the last whole reply */
};

/* Begins anew, also after an error: what was fed before is forgotten. 0, -ENOMEM. */
int redis_codec_start(struct redis_codec *c) __attribute__((warn_unused_result));

/* Adds bytes. 0; ERR_TOO_LARGE (the reply in progress), -ENOMEM. */
int redis_codec_feed(struct redis_codec *c, struct slice bytes)
	__attribute__((warn_unused_result));

/* The next whole reply, to be freed with freeReplyObject. 1 with *out set, 0 when bytes are
 * missing, ERR_MALFORMED. */
int redis_codec_next(struct redis_codec *c, redisReply **out)
	__attribute__((warn_unused_result));

/* Frees what it holds. */
void redis_codec_release(struct redis_codec *c);

#endif
