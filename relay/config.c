// SPDX-License-Identifier: Apache-2.0
#include "relay/config.h"

#include "proto/limits.h"
#include "proto/store/redis.h"
#include "relay/windows.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

static const char *config_check_listen(const char *text)
{
	struct addr address;

	return addr_parse(slice_text(text), &address) == 0 &&
			       (address.scheme == ADDR_NONE || address.scheme == ADDR_TCP) ?
		       NULL :
		       "host:port";
}

static const char *config_check_admin(const char *text)
{
	if (*text == '\0' || config_check_listen(text) == NULL)
		return NULL;
	return "host:port, or nothing for none";
}

static const char *config_check_advertise(const char *text)
{
	struct addr address;

	if (*text == '\0')
		return NULL;
	return addr_parse(slice_text(text), &address) == 0 && address.scheme == ADDR_NONE &&
			       address.port != 0 ?
		       NULL :
		       "host:port that agents can connect to";
}

/* A name stands in a list of words in Redis and in logs. */
static const char *config_check_name(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text == 127)
			return "a word without blanks or control bytes";
	return NULL;
}

#define TEXT(name, member, default_text, most, checker, prose)                                 \
	{ .key = (name), .type = CONF_TEXT, .offset = offsetof(struct config, member),         \
	  .fallback = (default_text), .min = 0, .max = (most), .check = (checker), .help = (prose) }
#define NUMBER(name, kind, member, default_text, least, most, prose)                           \
	{ .key = (name), .type = (kind), .offset = offsetof(struct config, member),            \
	  .fallback = (default_text), .min = (least), .max = (most), .help = (prose) }

static const struct conf_row config_rows[] = {
	TEXT("listen", listen, "127.0.0.1:8127", 280, config_check_listen,
	     "Where agents connect, host:port."),
	TEXT("admin", admin, "127.0.0.1:8128", 280, config_check_admin,
	     "Where HTTP /metrics, /healthz and /readyz are served; empty: nowhere."),
	{ .key = "redis", .type = CONF_TEXT, .offset = offsetof(struct config, redis),
	  .fallback = "redis://127.0.0.1:6379/0", .min = 1, .max = 4096,
	  .password = true, .check = redis_url_check,
	  .help = "The store: redis://[[user]:password@]host:port[/db], unix:///path, "
		  "sentinel://[[user]:password@]host:port,.../name[/db] (the hosts are sentinels) "
		  "or cluster://[[user]:password@]host:port,... (any of its nodes)." },
	TEXT("name", name, "", 64, config_check_name,
	     "This relay's name in logs and in the list of relays; the host's when empty."),
	TEXT("advertise", advertise, "", 279, config_check_advertise,
	     "host:port that agents are told to connect to; where it listens when empty."),
	NUMBER("commit_ms", CONF_MS, commit_ms, "500ms", 1, 60000,
	       "Least time between two commits of a partition; the first after a pause goes at "
	       "once."),
	NUMBER("partitions", CONF_INT, partitions, "32", 1, LIMIT_PARTITIONS,
	       "Partitions of the fleet, fixed when its store is initialised."),
	NUMBER("retention_hours", CONF_INT, retention_hours, "840", 192, 100000,
	       "How long hours are kept; older ones can no longer be written. At least a day more "
	       "than agents keep what they could not deliver."),
	NUMBER("retention_days", CONF_INT, retention_days, "400", 8, 36500,
	       "How long days, rolled up from their hours, are kept."),
	NUMBER("compact_every_ms", CONF_MS, compact_every_ms, "60s", 0, 86400000,
	       "How often hours and days are looked through for what to bring together; 0: never."),
	NUMBER("compact_partials", CONF_INT, compact_partials, "8", 2, 4096,
	       "Partials of an open hour from which on they are brought together; a closed one is "
	       "from two on."),
	NUMBER("close_after_ms", CONF_MS, close_after_ms, "15min", 0, 86400000,
	       "How long after its end an hour counts as closed; late data is counted all the "
	       "same."),
	{ .key = "auto_init", .type = CONF_BOOL, .offset = offsetof(struct config, auto_init),
	  .fallback = "no",
	  .help = "Initialise a store that is empty. Keep it off where an empty store means a "
		  "mishap." },
	NUMBER("grace_ms", CONF_MS, grace_ms, "0", 0, 3600000,
	       "How long agents keep what is committed: longer than the store may forget. 0: by "
	       "its kind, 10 s; Sentinel 2 minutes or 12 x down-after-milliseconds; Cluster 2 "
	       "minutes or 2 x cluster-node-timeout + 1 minute."),
	NUMBER("buffer_max", CONF_BYTES, buffer_max, "256MiB", 1 << 20, 1LL << 40,
	       "Bytes of batches held and not yet committed, above which agents are told to wait."),
	NUMBER("image_max", CONF_BYTES, image_max, "1GiB", 1 << 20, 1LL << 40,
	       "Memory of partials above which hours that are committed leave it early."),
	NUMBER("max_connections", CONF_INT, max_connections, "10000", 1, 1000000,
	       "Connections of agents at a time; more are turned away."),
	NUMBER("store_share", CONF_INT, store_share, "50", 1, 100,
	       "Per cent of Redis' time that commits of this relay may take; over it they are made "
	       "more rarely, and agents are asked to send more rarely."),
	{ .key = "fleet_secret", .type = CONF_TEXT, .offset = offsetof(struct config, fleet_secret),
	  .fallback = "", .max = 4096, .secret = true, .check = secret_check,
	  .help = "What agents must prove to know: 16 bytes or more, or file:/path, or "
		  "credential:name of systemd. Agents have the same key." },
	{ .key = "allow_open", .type = CONF_BOOL, .offset = offsetof(struct config, allow_open),
	  .fallback = "no",
	  .help = "Listen beyond this host without a fleet_secret: whoever can connect can "
		  "write." },
	{ .key = "log_level", .type = CONF_CHOICE, .offset = offsetof(struct config, log_level),
	  .fallback = "info", .choices = log_level_choices, .reloadable = true,
	  .help = "What is logged: error, warn, info or debug, and what is graver." },
	{ .key = "max_windows", .type = CONF_INT, .offset = offsetof(struct config, max_windows),
	  .fallback = "1000", .min = 1, .max = 100000, .reloadable = true,
	  .help = "Windows of last elements held at a time, one a key and hour in memory; keys "
		  "beyond go without and are counted." },
	{ .key = "windows.GLOB", .type = CONF_ENTRIES, .offset = offsetof(struct config, windows),
	  .max = WINDOWS_GLOBS, .check = windows_check, .reloadable = true,
	  .help = "Of which distributions the last elements are kept, for /KEY/moving_average/N, "
		  "and how many, 1 to 1024: `checkout.* = 1000`. The last glob that matches "
		  "decides; ? stands for a colon. The same at all relays." },
};

/* Whoever reaches an open relay can write what they like into everybody's metrics. */
static const char *config_check_whole(const void *values)
{
	const struct config *c = values;
	struct addr listen;

	if (*c->fleet_secret != '\0' || c->allow_open ||
	    addr_parse(slice_text(c->listen), &listen) < 0 || addr_is_loopback(&listen))
		return NULL;
	return "listen is reachable from other hosts and there is no fleet_secret: set one here "
	       "and at the agents (16 bytes or more, or file:/path), or say allow_open = yes where "
	       "whoever can connect may write";
}

int config_read_secret(struct config *c)
{
	return secret_read(c->fleet_secret, &c->secret);
}

const struct conf_spec *config_spec(void)
{
	static const struct conf_spec spec = {
		.program = "hourglass-relay",
		.summary = "merges batches of agents and commits them to Redis",
		.rows = config_rows,
		.row_count = sizeof(config_rows) / sizeof(config_rows[0]),
		.struct_size = sizeof(struct config),
		.check = config_check_whole,
	};

	return &spec;
}

enum log_level config_log_level(const struct config *c)
{
	return log_level_chosen(c->log_level);
}

static const char *config_host(void)
{
	static char host[256];

	if (host[0] == '\0' && gethostname(host, sizeof(host) - 1) < 0)
		strcpy(host, "localhost");
	return host;
}

const char *config_name(const struct config *c)
{
	return *c->name != '\0' ? c->name : config_host();
}

const char *config_advertise(const struct config *c, const char *listening,
			     char out[ADDR_TEXT_SIZE])
{
	const char *text = *c->advertise != '\0' ? c->advertise : listening;
	struct addr address;

	if (addr_parse(slice_text(text), &address) < 0)
		address = (struct addr){ 0 };
	if (strcmp(address.host, "0.0.0.0") == 0 || strcmp(address.host, "::") == 0)
		strcpy(address.host, config_host());
	return addr_format(&address, out);
}
