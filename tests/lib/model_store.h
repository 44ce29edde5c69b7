/*
 * model_store.h - the contract's scripts on a store in memory that can go back in time.
 *
 * Takes the bytes that a relay would send to Redis, runs the script they name as
 * proto/store/scripts do, and answers the words of the reply: the one model of Redis that unit
 * tests and the simulator share. tests/unit/relay/test_model_store.c runs it beside a real Redis, command by
 * command, and compares replies and all that is stored. Every write is an entry of a log, so that a
 * failover that forgets the last n calls is a shorter log. A command that does not parse, or that a script
 * would answer with an error, is our bug and ends the program, unless `tolerant`.
 */
#ifndef TESTS_LIB_MODEL_STORE_H
#define TESTS_LIB_MODEL_STORE_H

#include "proto/buf.h"
#include "proto/slice.h"
#include "proto/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a store may leave out, to see what it prevents. */
enum model_flaw {
	MODEL_NO_SIZE = 1 << 0,    /* a swap does not look at its result's size */
	MODEL_NO_SOURCE = 1 << 1,  /* nor at its sources' versions */
	MODEL_NO_VERSION = 1 << 2, /* a commit does not compare what was written of its partials */
	MODEL_NO_ABSENT = 1 << 3,  /* absent fits any predecessor, and OPEN writes nothing */
	MODEL_IN_PARTS = 1 << 4,   /* a commit is two calls: cells first, states last */
	MODEL_DAY_STAYS = 1 << 5,  /* a commit leaves its days' manifests */
	MODEL_BY_WRITER = 1 << 6,  /* one version a relay (`writer`), not an hour and partial */
	MODEL_BY_STREAMS = 1 << 7, /* a commit is two calls: some states with the cells, the rest */
};

struct model_entry {
	uint64_t hash;    /* of key and field */
	uint64_t key_hash;
	size_t older;     /* the entry before it in its chain by hash, + 1; 0: none */
	size_t older_key; /* the same, by key_hash */
	struct slice key; /* a copy, as the others */
	struct slice field; /* empty: whether the key has a time to live */
	struct slice value; /* empty: there is none */
};

/* A call that wrote. */
struct model_mark {
	size_t end; /* the log's length after it */
	int64_t at_ms;
};

#define MODEL_CHAINS 1024

struct model_store {
	/* Of partitions that have no cfg and floor of their own, by `init`. "": they are empty. */
	char cfg[24];
	int64_t floor_hour;
	int64_t now_ms;  /* unix: Redis' clock */
	int64_t mark_ms; /* the caller's time, of the calls' marks */
	unsigned flaws; /* of enum model_flaw */
	bool tolerant;  /* error replies are replies */
	struct slice writer; /* MODEL_BY_WRITER: what the caller believes to have written */
	struct model_entry *log;
	size_t heads[MODEL_CHAINS]; /* the youngest entry of each chain by hash, + 1 */
	size_t key_heads[MODEL_CHAINS];
	size_t count;
	size_t capacity;
	struct model_mark *marks;
	size_t mark_count;
	size_t mark_capacity;
};

#define MODEL_WORDS 16384

struct model_reply {
	struct slice words[MODEL_WORDS];
	size_t count;
	bool error; /* the only word is an error reply's text */
	struct buf bytes;
};

/* A store of a fleet; cfg 0: empty, for `init`. Also gives every script a SHA-1 of its own making,
 * unless it has one. */
void model_store_init(struct model_store *m, uint64_t cfg);

/* Frees it. */
void model_store_release(struct model_store *m);

/* Runs a whole command and fills in the reply, to be freed by model_reply_release. */
void model_store_run(struct model_store *m, struct slice resp, struct model_reply *reply);

/* An argument of a command, borrowed. */
struct slice model_store_argument(struct slice resp, size_t index);

/* Frees a reply. */
void model_reply_release(struct model_reply *r);

/* Forgets the last calls that wrote, at most as many as there are. */
void model_store_rollback(struct model_store *m, size_t calls);

/* How many of them are younger than a time. */
size_t model_store_younger(const struct model_store *m, int64_t than_ms);

/* Makes one call of all since the log had `end` entries. */
void model_store_join(struct model_store *m, size_t end);

/* The value of a field, empty when there is none. Borrowed until the next call. */
struct slice model_store_get(const struct model_store *m, const char *key, struct slice field);

/* The same of a stream, without the time of its writing. */
struct slice model_store_state(const struct model_store *m, const char *key, struct slice stream);

/* The same as a number; 0 when there is none. */
uint64_t model_store_number(const struct model_store *m, const char *key, const char *field);

/* Sets a field, as somebody else would: another relay, or a compaction. Empty: removes it. */
void model_store_set(struct model_store *m, const char *key, struct slice field,
		     struct slice value);

/* Lists a hash's fields, sorted by an order of their own; at most MODEL_FIELDS. Borrowed until the
 * next call. */
#define MODEL_FIELDS 2048
size_t model_store_fields(const struct model_store *m, struct slice key,
			  const struct model_entry *out[MODEL_FIELDS]);

/* Whether a key will go away by itself. */
bool model_store_expires(const struct model_store *m, struct slice key);

/* The next key with a field, in the order of first writing; from *cursor = 0 on. False: that was all. */
bool model_store_next_key(const struct model_store *m, size_t *cursor, struct slice *key);

/* Calls each for every cell that a manifest names: hour text, field, blob. */
void model_store_cells(const struct model_store *m,
		       void (*each)(void *arg, struct slice hour, struct slice field,
				    struct slice blob),
		       void *arg);

#endif
