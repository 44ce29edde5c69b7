/*
 * survey.h - many keys at once: merged in groups, hour by hour.
 *
 * What a glob, a top, the ledger and Graphite's targets come to: groups of keys of one kind,
 * and of each group the stats wanted. Cells are merged, so a percentile is that of the union of
 * all samples, never an average of percentiles.
 *
 *     for each hour, for each partition with keys of ours, at most SURVEY_CHUNK keys at a time:
 *     manifest -> cells of the partials named there + manifest again -> settled, or once more
 *
 * Where spans take whole days that are over, a day rolled up is read in place of its hours
 * (plan_day.h says when); where it is not rolled up, its hours are read and added up to a day.
 *
 * Some such pieces make a round, so what is held of cells is bounded whatever is asked; when a
 * round has settled, its cells are merged into their groups in the order of hours. A group's span
 * becomes a point per stat when its hours are through. Of gauges in one group the one that was
 * set last says what `last` is; a gauge that only changes is followed back over 24 hours.
 *
 * With a cache, keys of a piece that were read before under the same manifest are not asked for again, and
 * none means no second round (recall.h).
 *
 * Built by adding groups, their stats and keys, then started; then it works in rounds as a plan
 * does. Pure: no Redis, no clock, no sockets.
 */
#ifndef QUERYD_SURVEY_H
#define QUERYD_SURVEY_H

#include "proto/kind.h"
#include "proto/slice.h"
#include "queryd/cache.h"
#include "queryd/plan.h"
#include "queryd/stat.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SURVEY_CHUNK       128  /* keys that one command asks for */
#define SURVEY_ROUND_KEYS  1024 /* keys of a round's pieces, one piece more at most */

struct survey;

struct survey_settings {
	int64_t from_hour, to_hour; /* [from, to) */
	int64_t step_hours;         /* of a point; spans begin at multiples. 0: all is one */
	int64_t now_second;
	bool totals;                /* also the whole range of each group, beside its points */
	uint64_t max_points;        /* of all groups and stats together */
	uint64_t max_bytes;         /* of cells read */
	int64_t kept_from;          /* no hour before this is there; 0: any may be */
};

/* An empty survey; *out is the caller's. 0, -ENOMEM. */
int survey_new(const struct survey_settings *settings, struct survey **out)
	__attribute__((warn_unused_result));

/* Frees it. NULL is allowed. */
void survey_free(struct survey *s);

/* Adds a group of keys of one kind; groups are numbered from 0. 0, -ENOMEM. */
int survey_add_group(struct survey *s, enum kind kind) __attribute__((warn_unused_result));

/* Wants a stat, which the kind must have, of the group added last; numbered from 0 over all groups.
 * 0, -ENOMEM. */
int survey_add_stat(struct survey *s, const struct stat_asked *stat)
	__attribute__((warn_unused_result));

/* Adds a key (copied) to a group. 0, -ENOMEM. */
int survey_add_key(struct survey *s, size_t group, struct slice key)
	__attribute__((warn_unused_result));

/* What one survey may take of the cache, found and put in together: 1 byte in so many. */
#define SURVEY_SHARE 32

/* Uses a cache (borrowed) for cells, up to its share of it: what comes after that is read and not kept, so
 * that no question, however large, takes the place of all others. Before survey_start(). */
void survey_use_cache(struct survey *s, struct cache *cache);

/* All is added: prepares the first round for a fleet of so many partitions, which keeps hours for so
 * long. 0, -ENOMEM, ERR_TOO_LARGE: more points than allowed. */
int survey_start(struct survey *s, uint32_t partitions, int64_t retention_hours)
	__attribute__((warn_unused_result));

/* Forgets all answers: starts over with the first commands, for another server. 0, -ENOMEM. */
int survey_again(struct survey *s) __attribute__((warn_unused_result));

/* ---- rounds ---------------------------------------------------------------------------------- */

struct survey_command {
	bool cells;         /* else: the manifest */
	bool first;         /* of a manifest: no cells of the round are vouched for by it */
	bool day;           /* of the day that begins with the hour, rolled up; else of the hour */
	uint32_t partition;
	int64_t hour;
	uint64_t pid;       /* of an hour's cells */
	size_t count;       /* of cells: how many fields, see survey_field */
	size_t part;        /* private */
};

/* What to ask in this round; borrowed until survey_step. */
const struct survey_command *survey_commands(const struct survey *s, size_t *count);

/* The field (kind byte + series) that a command for cells asks for in a place. Borrowed. */
struct slice survey_field(const struct survey *s, const struct survey_command *command,
			  size_t place);

/* One field of a manifest: a partial, its version. */
void survey_put_pid(struct survey *s, size_t command, struct slice pid, struct slice version);

/* One cell that was there, in the place of its field. */
void survey_put_cell(struct survey *s, size_t command, size_t place, struct slice blob);

/* Every command of the round has been answered. Without keys: done at once. */
enum plan_status survey_step(struct survey *s);

/* Why it failed: -ENOMEM; -EAGAIN (the partials kept changing); ERR_TOO_LARGE (more bytes than
 * allowed, or too many partials); ERR_... of a cell or manifest that cannot be read. */
int survey_error(const struct survey *s);

/* What it has cost so far. */
struct plan_costs survey_costs(const struct survey *s);

/* ---- the answer, once done ------------------------------------------------------------------- */

/* The points of a stat in rising order. Borrowed. */
const struct plan_point *survey_points(const struct survey *s, size_t stat, size_t *count);

/* A stat over the whole range; needs settings.totals. */
struct stat_result survey_total(const struct survey *s, size_t stat);

/* How many groups and keys were added. */
size_t survey_groups(const struct survey *s);
size_t survey_keys(const struct survey *s); /* in all groups */

#endif
