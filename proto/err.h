/*
 * err.h - error codes of our own, beside errno.
 *
 * Functions that can fail return 0 (or a count) and a negative code otherwise.
 * System errors are the negative errno, so libuv's pass through unchanged; ours
 * lie in -1000..-1999, where neither errno nor libuv's extras (-3000..-4096) can
 * be. Each has a text for people and a name that is also the label of the counter
 * of what was refused for it: one table, ERR_LIST.
 */
#ifndef PROTO_ERR_H
#define PROTO_ERR_H

/* X(code, name, text): the name is part of the API (`reason`), do not change it. */
#define ERR_LIST(X)                                                                            \
	/* lines (LINE.md) */                                                                  \
	X(-1001, BAD_NAME, "the name is missing or has bytes that no name may have")           \
	X(-1002, NAME_TOO_LONG, "the name is longer than 8,192 bytes")                         \
	X(-1003, BAD_VALUE, "the value is not a finite decimal number")                        \
	X(-1004, EMPTY_VALUE, "the value is empty")                                            \
	X(-1005, NO_VALUE, "the line has no value")                                            \
	X(-1006, NO_TYPE, "the line has no |type")                                             \
	X(-1007, BAD_TYPE, "the type is none of c g ms h d s m")                               \
	X(-1008, BAD_RATE, "the sample rate is not a number above 0 and at most 1")            \
	X(-1009, BAD_TAG, "a tag has bytes that no tag may have, or stands in two dialects")   \
	X(-1010, BAD_TIMESTAMP, "the |T timestamp is not a number of unix seconds")            \
	X(-1011, BAD_FIELD, "a field is a bare number, or is kept for corrections")            \
	X(-1012, BAD_BYTES, "the line holds control bytes or is not UTF-8")                    \
	X(-1013, NEGATIVE_TIME, "a ms value is negative (h and d may be)")                     \
	X(-1014, TOO_MANY_TAGS, "the line has more than 64 tags")                              \
	X(-1015, SERIES_TOO_LONG, "the name with its tags is longer than 8,192 bytes")         \
	X(-1016, MEMBER_TOO_LONG, "the set member is longer than 8,192 bytes")                 \
	X(-1017, EVENT, "DogStatsD events are not supported")                                  \
	X(-1018, SERVICE_CHECK, "DogStatsD service checks are not supported")                  \
	X(-1019, TOO_OLD, "the timestamp lies before the oldest hour that can be written")     \
	X(-1020, TOO_NEW, "the timestamp lies more than 5 minutes ahead")                      \
	X(-1021, OVER_LIMIT, "a limit on series was reached")                                  \
	X(-1022, RESERVED_NAME, "names that begin with hourglass. are the pipeline's own")     \
	/* formats (BATCH.md, SKETCH.md) */                                                    \
	X(-1101, TRUNCATED, "the bytes end too early")                                         \
	X(-1102, TRAILING, "bytes follow the end")                                             \
	X(-1103, MALFORMED, "the bytes do not follow the format")                              \
	X(-1104, TOO_LARGE, "a declared size is over its limit")                               \
	X(-1105, VERSION, "the version is not one this program knows")                         \
	X(-1106, CHECKSUM, "the checksum does not match")                                      \
	X(-1107, TOO_DEEP, "the nesting is deeper than the format allows")                     \
	X(-1108, UNKNOWN_TYPE, "the record type is not one this program knows")                \
	X(-1109, OUT_OF_RANGE, "a number lies outside its range")                              \
	/* delivery (CONTRACT.md) */                                                           \
	X(-1201, FOREIGN_CONFIG, "the other side belongs to a fleet with another configuration") \
	X(-1202, PROTOCOL, "the other side broke the protocol")                                \
	X(-1203, BAD_CHAIN, "the batch does not continue its stream's chain")                  \
	X(-1204, NO_RELAY, "no relay is known or reachable")                                   \
	X(-1205, SPOOL_FULL, "the spool has reached its limit")                                \
	X(-1206, BAD_AUTH, "the fleet_secret is missing on one side, or not the same on both") \
	/* Redis */                                                                            \
	X(-1301, STORE_ERROR, "Redis answered with an error")                                  \
	X(-1302, STORE_UNFIT, "this Redis is not set up as the contract needs it")             \
	X(-1303, STORE_DOWN, "Redis cannot be reached")

enum err {
#define ERR_ENUM(code, name, text) ERR_##name = (code),
	ERR_LIST(ERR_ENUM)
#undef ERR_ENUM
};

/* A sentence for people about one of our codes or a negative errno. Static, or
 * (for a code unknown to both) a static buffer that the next such call overwrites. */
const char *err_text(int code);

/* The short name: ours in lower case (`bad_value`), otherwise errno's (`ECONNREFUSED`,
 * `errno` where libc does not know it). Static. */
const char *err_name(int code);

#endif
