// SPDX-License-Identifier: Apache-2.0
#include "proto/rkey.h"

#include "proto/hex.h"
#include "proto/hour.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* CRC16/XMODEM (polynomial 0x1021, start 0, not reflected), a nibble at a time: 16 entries
 * do for keys, which are hashed at start-up and, in a Cluster, once a command. */
static uint16_t rkey_crc16(struct slice bytes)
{
	static const uint16_t table[16] = {
		0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
		0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
	};
	uint16_t crc = 0;

	for (size_t i = 0; i < bytes.size; i++) {
		crc = (uint16_t)(crc << 4 ^ table[crc >> 12 ^ bytes.ptr[i] >> 4]);
		crc = (uint16_t)(crc << 4 ^ table[crc >> 12 ^ (bytes.ptr[i] & 15)]);
	}
	return crc;
}

/* What Cluster hashes of a key: between the first `{` and the first `}` after it, unless
 * nothing stands between them. */
static struct slice rkey_hashed_part(struct slice key)
{
	const uint8_t *open = key.size ? memchr(key.ptr, '{', key.size) : NULL;
	const uint8_t *close;

	if (open == NULL)
		return key;
	close = memchr(open + 1, '}', key.size - (size_t)(open + 1 - key.ptr));
	if (close == NULL || close == open + 1)
		return key;
	return slice_of(open + 1, (size_t)(close - open - 1));
}

uint16_t rkey_slot(struct slice key)
{
	return rkey_crc16(rkey_hashed_part(key)) % RKEY_SLOTS;
}

/* The first tag of a partition whose slot lies in its share. One number in `partitions` fits,
 * and a share holds 16 slots at least, so the search is short. */
static void rkey_find_tag(uint32_t partition, uint32_t partitions, char out[RKEY_TAG_SIZE])
{
	uint32_t from = partition * RKEY_SLOTS / partitions;
	uint32_t to = (partition + 1) * RKEY_SLOTS / partitions;
	uint16_t slot;

	for (uint32_t n = 0;; n++) {
		snprintf(out, RKEY_TAG_SIZE, "p%" PRIu32 ".%" PRIu32, partition, n);
		slot = rkey_slot(slice_text(out));
		if (slot >= from && slot < to)
			return;
		assert(n < UINT32_MAX);
	}
}

void rkey_tags_init(struct rkey_tags *tags, uint32_t partitions)
{
	assert(partitions >= 1 && partitions <= LIMIT_PARTITIONS);
	memset(tags, 0, sizeof(*tags));
	tags->partitions = partitions;
	for (uint32_t p = 0; p < partitions; p++)
		rkey_find_tag(p, partitions, tags->tag[p]);
}

/* Not printf: every question to Redis begins with one of these. A tag, an hour and a pid always
 * fit. */
static char *rkey_begin(char out[RKEY_SIZE], const char *tag, const char *what)
{
	char *at = stpcpy(out, "hg:{");

	assert(strlen(tag) < RKEY_TAG_SIZE);
	at = stpcpy(at, tag);
	at = stpcpy(at, "}:");
	return stpcpy(at, what);
}

static const char *rkey_of(const char *tag, const char *what, char out[RKEY_SIZE])
{
	(void)rkey_begin(out, tag, what);
	return out;
}

const char *rkey_meta(const char *tag, char out[RKEY_SIZE])
{
	return rkey_of(tag, "meta", out);
}

const char *rkey_streams(const char *tag, char out[RKEY_SIZE])
{
	return rkey_of(tag, "streams", out);
}

const char *rkey_manifest(const char *tag, int64_t hour, char out[RKEY_SIZE])
{
	char text[HOUR_TEXT_SIZE];

	(void)stpcpy(rkey_begin(out, tag, "m:"), hour_format(hour, text));
	return out;
}

const char *rkey_cells(const char *tag, int64_t hour, uint64_t pid, char out[RKEY_SIZE])
{
	char text[HOUR_TEXT_SIZE];
	char *at = stpcpy(rkey_begin(out, tag, "c:"), hour_format(hour, text));

	*at++ = ':';
	(void)hex_put_u64(pid, at);
	return out;
}

const char *rkey_day_manifest(const char *tag, int64_t day, char out[RKEY_SIZE])
{
	char text[HOUR_TEXT_SIZE];

	(void)stpcpy(rkey_begin(out, tag, "d:"), hour_format_day(day, text));
	return out;
}

const char *rkey_day_cells(const char *tag, int64_t day, char out[RKEY_SIZE])
{
	char text[HOUR_TEXT_SIZE];

	(void)stpcpy(rkey_begin(out, tag, "dc:"), hour_format_day(day, text));
	return out;
}

const char *rkey_temporary(const char *tag, uint64_t random, char out[RKEY_SIZE])
{
	(void)hex_put_u64(random, rkey_begin(out, tag, "t:"));
	return out;
}

const char *rkey_names_first(const char *tag, char out[RKEY_SIZE])
{
	return rkey_of(tag, "nf", out);
}

const char *rkey_names_last(const char *tag, char out[RKEY_SIZE])
{
	return rkey_of(tag, "nl", out);
}

struct slice rkey_field(enum kind kind, struct slice series, uint8_t out[RKEY_FIELD_SIZE])
{
	assert(series.size <= LIMIT_SERIES_BYTES);
	out[0] = (uint8_t)kind;
	if (series.size > 0)
		memcpy(out + 1, series.ptr, series.size);
	return slice_of(out, series.size + 1);
}
