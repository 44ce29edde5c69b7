/*
 * scope.h - which keys a caller may see, and the only way to the names for who answers.
 *
 * A scope is a set of prefixes of names: `shop.` takes in `shop.orders` and
 * `shop.orders;host=a`, whatever the tags. Prefixes are compared with the bytes of the canonical
 * key (series.h), whose name comes before its tags, and hold no `;`: so no tag, no escape and no
 * glob reaches a name beyond them. Whoever chooses among many keys takes a scope_keys and walks it
 * with scope_next(), which steps over what is hidden without looking at it; what is about one key
 * asks scope_allows(). Prefixes are borrowed, names too. Pure.
 */
#ifndef QUERYD_SCOPE_H
#define QUERYD_SCOPE_H

#include "queryd/names.h"

#define SCOPE_PREFIXES 32
#define SCOPE_OWN      "hourglass." /* names of what Hourglass counts of itself */

struct scope {
	bool all;
	size_t count;
	struct slice prefixes[SCOPE_PREFIXES]; /* sorted; none begins with another */
};

/* Reads prefixes, parted by blanks; `*` is everything. NULL with *out, or what is wrong. Static. */
const char *scope_read(struct slice text, struct scope *out);

/* Whether it takes in a canonical key; a NULL scope takes in everything. */
bool scope_allows(const struct scope *s, struct slice key);

/* Whether it takes in all that begins so. */
bool scope_covers(const struct scope *s, struct slice prefix);

/* The names as a caller may see them. */
struct scope_keys {
	const struct names *names;
	const struct scope *scope; /* NULL: all */
};

/* The same for longer than a call: the names as they are now, and a copy of the scope, which a reload
 * may free. NULL without memory. */
struct scope_keys *scope_hold(const struct scope_keys *keys);

/* Frees what scope_hold() gave; NULL is nothing. */
void scope_release(struct scope_keys *held);

/* A walk through the visible names with a prefix, in byte order. */
struct scope_walk {
	/* private */
	const struct scope_keys *keys;
	struct slice prefix; /* of the range that is walked through */
	struct slice wanted;
	struct slice after;  /* names up to here are left out; empty: none */
	size_t next_prefix;
	struct names_cursor at;
	bool started;
};

/* Begins a walk; the prefix is borrowed while it lasts. */
struct scope_walk scope_begin(const struct scope_keys *keys, struct slice prefix);

/* The next name and its kinds; false at the end. Borrowed until the names change. */
bool scope_next(struct scope_walk *w, struct slice *name, unsigned *kinds);

/* Steps over the names that begin with this and come next: as much as finding a place. */
void scope_skip(struct scope_walk *w, struct slice prefix);

/* The name that is exactly this, and its kinds; false when it is not there or not visible. */
bool scope_find(const struct scope_keys *keys, struct slice exact, struct slice *name,
		unsigned *kinds);

/* Whether no more than so many visible names have the prefix; costs as many steps. */
bool scope_few(const struct scope_keys *keys, struct slice prefix, size_t most);

/* Fills in the visible names behind `after` (empty: from the start) that match, in byte order. */
void scope_page(const struct scope_keys *keys, const struct glob *match, struct slice after,
		struct names_page *page);

#endif
