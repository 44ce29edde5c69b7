/*
 * windows.h - of which keys the last elements are kept (`[windows]` of the configuration).
 *
 * Globs over whole canonical series, each with how many elements, 1 to WINDOWS_MOST; the last one
 * that matches decides. One element more is kept: by its second a reader sees whether the ones
 * before it that are gone might have been among the last. How many windows all partitions of a
 * process may hold is bounded: one more is refused and counted, and its key's hour goes without.
 * Asked once for each new cell, not for each sample.
 *
 * Pure; one thread. Memory: 8 KiB a glob.
 */
#ifndef RELAY_WINDOWS_H
#define RELAY_WINDOWS_H

#include "proto/slice.h"
#include "proto/window.h"
#include "relay/counters.h"

#include <stddef.h>
#include <stdint.h>

#define WINDOWS_GLOBS 64
#define WINDOWS_MOST  (WINDOW_MAX - 1)

struct windows {
	/* private */
	struct windows_rule *rules;
	size_t count;
	size_t held;
	size_t max;
	struct relay_counters *counters;
};

/* What is wrong with a line `glob = elements`, or NULL. Static. */
const char *windows_check(const char *line);

/* Reads lines that windows_check has passed, WINDOWS_GLOBS at most. max: windows held at a time.
 * counters is borrowed. 0, -ENOMEM. */
int windows_init(struct windows *w, const char *lines, size_t max, struct relay_counters *counters)
	__attribute__((warn_unused_result));

/* Takes other lines and another bound in their place, as above: for cells that are new from now on.
 * Windows that are held stay as they are. 0; -ENOMEM: nothing has changed. */
int windows_set(struct windows *w, const char *lines, size_t max)
	__attribute__((warn_unused_result));

/* Frees the rules. */
void windows_release(struct windows *w);

/* The elements to keep of a series' hour, the one more among them; its window then counts as held.
 * 0: none, or no more. */
uint32_t windows_take(struct windows *w, struct slice series);

/* So many windows have gone. */
void windows_give(struct windows *w, size_t count);

#endif
