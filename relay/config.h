/*
 * config.h - the relay's configuration, read by proto/daemon/conf.h's table.
 *
 * config.c is the only reader of the text; everybody else sees this struct. What depends on
 * the machine (the host's name, the port really bound) is answered by functions, so that
 * the struct stays what the operator wrote.
 */
#ifndef RELAY_CONFIG_H
#define RELAY_CONFIG_H

#include "proto/daemon/conf.h"
#include "proto/daemon/log.h"
#include "proto/daemon/secret.h"
#include "proto/net/addr.h"

#include <stdbool.h>
#include <stdint.h>

struct config {
	char *listen;
	char *admin;
	char *redis;
	char *name;
	char *advertise;
	int64_t commit_ms;
	int64_t partitions;
	int64_t retention_hours;
	int64_t retention_days;
	int64_t compact_every_ms;
	int64_t compact_partials;
	int64_t close_after_ms;
	bool auto_init;
	int64_t grace_ms;
	int64_t buffer_max;
	int64_t image_max;
	int64_t max_connections;
	int64_t store_share;
	char *fleet_secret;
	bool allow_open;
	int64_t log_level;
	int64_t max_windows;
	char *windows; /* lines for windows_init */

	struct secret secret; /* what fleet_secret names, after config_read_secret */
};

/* What conf_parse needs. Static. */
const struct conf_spec *config_spec(void);

/* Reads the secret that the configuration names. 0, a negative errno (it was there when the
 * configuration was read). */
int config_read_secret(struct config *c) __attribute__((warn_unused_result));

/* The log level of the configuration. */
enum log_level config_log_level(const struct config *c);

/* The relay's name: as configured, else the host's. Borrowed from c or static. */
const char *config_name(const struct config *c);

/* What agents are told to connect to: as configured, else the address really listened on
 * (host:port), with the host's name in place of a wildcard. Returns out. */
const char *config_advertise(const struct config *c, const char *listening,
			     char out[ADDR_TEXT_SIZE]);

#endif
