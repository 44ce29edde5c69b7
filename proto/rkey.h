/*
 * rkey.h - names of Redis keys and fields (KEYS.md).
 *
 *     hg:{t}:meta  hg:{t}:streams  hg:{t}:m:<hour>  hg:{t}:c:<hour>:<pid>
 *     hg:{t}:nf  hg:{t}:nl  hg:{t}:d:<day>  hg:{t}:dc:<day>  hg:{t}:t:<random>
 *     and, outside partitions, hg:{agents} hg:{relays}
 *
 * All keys of a partition share a hash tag, so one script is atomic over them and a
 * Cluster keeps them together. For partition p of P the tag is the first string
 * `p<p>.<n>` (n = 0, 1, 2...) whose slot lies in [p*16384/P, (p+1)*16384/P): equal ranges of
 * slots get equal shares of partitions. A field of a cells hash is kind byte + series.
 */
#ifndef PROTO_RKEY_H
#define PROTO_RKEY_H

#include "proto/kind.h"
#include "proto/limits.h"
#include "proto/slice.h"

#include <stdint.h>

#define RKEY_SLOTS      16384
#define RKEY_TAG_SIZE   24 /* a tag with its terminator */
#define RKEY_SIZE       96 /* any key with its terminator */
#define RKEY_FIELD_SIZE (1 + LIMIT_SERIES_BYTES)

/* The relay that initialises a fleet writes HSETNX hg:{fleet} cfg <decimal of hash_cfg>: the
 * tags depend on P, so a reader needs one key that does not. */
#define RKEY_FLEET  "hg:{fleet}"

/* Fields of it: for how many hours relays keep hours (0: one of them does not say), until when that
 * counts, in unix seconds. */
#define RKEY_KEPT "kept:"
#define RKEY_AGENTS "hg:{agents}"
#define RKEY_RELAYS "hg:{relays}"

/* The tags of all partitions of a fleet, made once at start. */
struct rkey_tags {
	uint32_t partitions;
	char tag[LIMIT_PARTITIONS][RKEY_TAG_SIZE];
};

/* Redis Cluster's slot of a key: CRC16 (XMODEM) of the part in the first non-empty
 * braces, or of the whole, mod 16384. */
uint16_t rkey_slot(struct slice key);

/* Fills in the tags. 1 <= partitions <= LIMIT_PARTITIONS. */
void rkey_tags_init(struct rkey_tags *tags, uint32_t partitions);

/* Each writes a key into out and returns it. hour and day as in hour.h; pid is printed as
 * 16 hex digits. What lies there is in KEYS.md. */
const char *rkey_meta(const char *tag, char out[RKEY_SIZE]);        /* cfg, floor, epoch */
const char *rkey_streams(const char *tag, char out[RKEY_SIZE]);     /* stream -> state */
const char *rkey_names_first(const char *tag, char out[RKEY_SIZE]); /* names, first seen */
const char *rkey_names_last(const char *tag, char out[RKEY_SIZE]);  /* names, last hour */

/* An hour's partials: pid -> version. */
const char *rkey_manifest(const char *tag, int64_t hour, char out[RKEY_SIZE]);

/* The cells of one partial. */
const char *rkey_cells(const char *tag, int64_t hour, uint64_t pid, char out[RKEY_SIZE]);

/* The manifest of a day rolled up. */
const char *rkey_day_manifest(const char *tag, int64_t day, char out[RKEY_SIZE]);

/* The cells of a day rolled up. */
const char *rkey_day_cells(const char *tag, int64_t day, char out[RKEY_SIZE]);

/* A partial that is still being written, under a random name. */
const char *rkey_temporary(const char *tag, uint64_t random, char out[RKEY_SIZE]);

/* The field of a cell: kind byte + series, into out; returns a view of it. */
struct slice rkey_field(enum kind kind, struct slice series, uint8_t out[RKEY_FIELD_SIZE]);

#endif
