/*
 * known.h - which hashes have been seen in the last minutes.
 *
 * Two sets, of this generation and the one before: what is in either is known, and asking for
 * it keeps it so. A generation lasts two minutes, or until it is full; then the older
 * one is forgotten. So a hash is remembered for two to four minutes after it was last asked
 * for, and at a flood of new ones for less. 8 bytes a hash at most 3/4 full, two sets; they
 * grow as needed up to the bound given. Pure; one thread at a time.
 */
#ifndef AGENT_KNOWN_H
#define AGENT_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KNOWN_GENERATION_MS (2 * 60 * 1000)

struct known_set {
	uint64_t *hashes; /* 0: free */
	size_t capacity;
	size_t count;
};

struct known {
	/* private */
	struct known_set now;
	struct known_set before;
	size_t most;        /* hashes of a generation */
	int64_t turn_ms;    /* when the next generation begins */
};

/* Knows nothing; allocates nothing yet. At least `most` hashes of one generation are kept. */
void known_init(struct known *k, size_t most);

/* Frees its memory. */
void known_release(struct known *k);

/* Another bound, for what comes from now on. */
void known_resize(struct known *k, size_t most);

/* Whether a hash is known; then it stays so. */
bool known_has(struct known *k, uint64_t hash, int64_t now_ms);

/* Makes a hash known. Without memory it is not. */
void known_add(struct known *k, uint64_t hash, int64_t now_ms);

#endif
