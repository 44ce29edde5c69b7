/*
 * reading.h - how lines are read, apart from the configuration that says so.
 *
 * The receiver's thread reads the operator's tags with every line, and a reload frees the texts of
 * the configuration. So what the receiver borrows is a copy, made anew at each reload.
 */
#ifndef AGENT_READING_H
#define AGENT_READING_H

#include "agent/config.h"
#include "proto/line.h"

struct reading {
	struct line_options options;
	/* private */
	char *add_tags;
	struct series_tag tags[CONFIG_TAGS];
};

/* What a configuration says, with the agent's own limits. NULL without memory. The caller's:
 * reading_free, when no receiver uses it any more. */
struct reading *reading_new(const struct config *config);

/* Frees it. NULL is allowed. */
void reading_free(struct reading *r);

#endif
