/*
 * spool_kind.h - what a kind of spool must be able to do.
 *
 * Each kind begins with a struct spool that points at its functions; spool.c calls them. Only the
 * kinds include this. What the functions promise is said in spool.h.
 */
#ifndef AGENT_SPOOL_KIND_H
#define AGENT_SPOOL_KIND_H

#include "agent/spool.h"

struct spool_kind {
	void (*free)(struct spool *s);
	bool (*has_room)(const struct spool *s, size_t bytes);
	int (*append)(struct spool *s, const struct spool_record *record, struct slice batch,
		      uint64_t *id);
	int (*view)(struct spool *s, uint64_t id, struct slice *batch);
	void (*drop)(struct spool *s, uint64_t id);
	unsigned (*quarters)(const struct spool *s);
	size_t (*bytes)(const struct spool *s);
	size_t (*records)(const struct spool *s);
};

struct spool {
	const struct spool_kind *kind;
};

#endif
