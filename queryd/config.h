/*
 * config.h - what an operator can set of hourglass-queryd.
 *
 * One table (conf.h); this is its only reader. Checks beyond type and range: the address to
 * listen on, the Redis URL, the list of origins.
 */
#ifndef QUERYD_CONFIG_H
#define QUERYD_CONFIG_H

#include "proto/daemon/conf.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct config {
	char *listen;
	char *redis;
	bool stale_ok;
	int64_t stale_max_ms;
	int64_t max_connections;
	int64_t slow_client_ms;
	int64_t agent_gone_after_ms;
	int64_t retention_hours;
	int64_t max_names;
	int64_t max_series;
	int64_t max_points;
	int64_t max_read;
	int64_t max_answer;
	int64_t max_unread;
	int64_t read_timeout_ms;
	int64_t query_timeout_ms;
	int64_t cache; /* bytes; 0: none */
	char *cors_origins;
	char *hosts;
	bool allow_open;
	int64_t log_level; /* index: error, warn, info, debug */
	char *tokens;      /* lines, see tokens.h */
	bool make_token;   /* --token */
	char *get;         /* --get, or NULL */
};

/* The table. Static. */
const struct conf_spec *config_spec(void);

/* Applies what a reload may change outside this struct: the log level. */
void config_apply(const struct config *c);

/* Whether a browser page of this origin may read answers. */
bool config_allows_origin(const struct config *c, const char *origin);

#endif
