/*
 * model_store.h - the contract's scripts on a store in memory that can go back in time.
 *
 * Takes the bytes that a relay would send to Redis, runs the script they name as
 * proto/store/scripts do (tests/system/test_scripts.py shows what those do), and answers the
 * words of the reply. Every write is an entry of a log, so that a failover that forgets the last n calls is
 * a shorter log. A command that does not parse, or does not add up, fails the test.
 */
#ifndef TESTS_LIB_MODEL_STORE_H
#define TESTS_LIB_MODEL_STORE_H

#include "proto/buf.h"
#include "proto/slice.h"
#include "proto/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct model_entry {
	uint64_t hash;    /* of key and field */
	uint64_t key_hash;
	size_t older;     /* the entry before it in its chain by hash, + 1; 0: none */
	size_t older_key; /* the same, by key_hash */
	struct slice key; /* a copy, as the others */
	struct slice field;
	struct slice value;
};

#define MODEL_CHAINS 1024

struct model_store {
	char cfg[24]; /* "" = empty store */
	int64_t floor_hour;
	uint64_t lost;
	bool careless; /* a swap does not look at its result's size: shows what that prevents */
	struct model_entry *log;
	size_t heads[MODEL_CHAINS]; /* the youngest entry of each chain by hash, + 1 */
	size_t key_heads[MODEL_CHAINS];
	size_t count;
	size_t capacity;
	size_t *marks; /* the log's length after each call that wrote */
	size_t mark_count;
	size_t mark_capacity;
};

#define MODEL_WORDS 4096

struct model_reply {
	struct slice words[MODEL_WORDS];
	size_t count;
	struct buf bytes;
};

/* An empty store of a fleet; also gives every script a SHA-1 of its own making. */
void model_store_init(struct model_store *m, uint64_t cfg);

/* Frees it. */
void model_store_release(struct model_store *m);

/* Runs a whole command and fills in the reply, to be freed by model_reply_release. */
void model_store_run(struct model_store *m, struct slice resp, struct model_reply *reply);

/* Frees a reply. */
void model_reply_release(struct model_reply *r);

/* Forgets the last calls that wrote, at most as many as there are. */
void model_store_rollback(struct model_store *m, size_t calls);

/* The value of a field, empty when there is none. Borrowed until the next call. */
struct slice model_store_get(const struct model_store *m, const char *key, struct slice field);

/* Sets a field, as somebody else would: another relay, or a compaction. Empty: removes it. */
void model_store_set(struct model_store *m, const char *key, struct slice field,
		     struct slice value);

/* Lists a hash's fields, sorted by an order of their own; at most MODEL_FIELDS. Borrowed until the
 * next call. */
#define MODEL_FIELDS 2048
size_t model_store_fields(const struct model_store *m, struct slice key,
			  const struct model_entry *out[MODEL_FIELDS]);

/* Calls each for every cell that a manifest names: hour text, field, blob. */
void model_store_cells(const struct model_store *m,
		       void (*each)(void *arg, struct slice hour, struct slice field,
				    struct slice blob),
		       void *arg);

#endif
