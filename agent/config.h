/*
 * config.h - the agent's configuration, read by proto/daemon/conf.h's table.
 *
 * config.c is the only reader of the text; everybody else sees this struct. Texts that
 * are lists (`relays`, `add_tags`) are taken apart here once.
 */
#ifndef AGENT_CONFIG_H
#define AGENT_CONFIG_H

#include "agent/limits.h"
#include "proto/daemon/conf.h"
#include "proto/daemon/log.h"
#include "proto/daemon/secret.h"
#include "proto/line.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_RELAYS 64
#define CONFIG_TAGS   16

struct config {
	char *listen;
	int64_t receivers;
	int64_t stream_connections;
	int64_t stream_idle_ms;
	char *relays;
	char *state_dir;
	char *admin;
	char *add_tags;
	int64_t seal_ms;
	int64_t spool_max;
	int64_t segment_bytes;
	int64_t spool_memory_max;
	int64_t spool_age_max;
	int64_t spool_fsync;
	int64_t grace_ms;
	int64_t confirm_ms;
	int64_t peer_timeout_ms;
	int64_t drain_ms;
	int64_t max_keys;
	int64_t max_keys_per_prefix;
	int64_t max_new_keys_per_second;
	int64_t max_tags;
	int64_t max_series_bytes;
	bool ledger;
	int64_t table_max;
	int64_t receive_buffer;
	int64_t gauge_signed;
	int64_t sanitize;
	int64_t log_level;
	char *fleet_secret;
	char *admin_secret;
	bool allow_open;

	struct secret secret; /* what fleet_secret names, after config_read_secrets */
	struct secret writers; /* what admin_secret names, likewise */
	bool explain;
	bool datagram;
};

/* What conf_parse needs. Static. */
const struct conf_spec *config_spec(void);

/* Whether what is sealed must be on disk before it is sent. */
bool config_spool_always(const struct config *c);

/* Reads the secrets that the configuration names. 0, a negative errno (they were there when the
 * configuration was read). */
int config_read_secrets(struct config *c) __attribute__((warn_unused_result));

/* The log level of the configuration. */
enum log_level config_log_level(const struct config *c);

/* The relays as text, borrowed from the configuration; at most CONFIG_RELAYS. Returns how many. */
size_t config_relays(const struct config *c, struct slice out[CONFIG_RELAYS]);

/* The text of add_tags taken apart, borrowed. Returns how many. */
size_t config_tags(const char *add_tags, struct series_tag out[CONFIG_TAGS]);

/* The limits on series. */
struct limits_options config_limits(const struct config *c);

/* How lines are read, within the format's limits; tags as config_tags gave them, borrowed. */
struct line_options config_line_options(const struct config *c, const struct series_tag *tags,
					size_t tag_count);

/* state_dir, or systemd's STATE_DIRECTORY, or "" for none. Borrowed. */
const char *config_state_dir(const struct config *c);

#endif
