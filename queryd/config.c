// SPDX-License-Identifier: Apache-2.0
/*
 * config.c - the table of options, and what must hold between them.
 *
 * A row says all that there is to an option; parser, --help, --dump and the manual read the
 * table. What looks at two options at once is check_whole().
 */
#include "queryd/config.h"

#include "proto/daemon/log.h"
#include "proto/net/addr.h"
#include "proto/store/redis.h"
#include "queryd/access.h"
#include "queryd/tokens.h"

#include <stddef.h>
#include <string.h>

static const char *const levels[] = { "error", "warn", "info", "debug", NULL };

static const char *check_listen(const char *text)
{
	struct addr address;

	if (addr_parse(slice_text(text), &address) == 0 &&
	    (address.scheme == ADDR_NONE || address.scheme == ADDR_TCP))
		return NULL;
	return "host:port";
}

/* Takes the next origin of a comma-separated list; blanks around it do not count. */
static bool next_origin(struct slice *list, struct slice *origin)
{
	const uint8_t *comma;

	while (list->size > 0 && (*list->ptr == ' ' || *list->ptr == ','))
		*list = slice_of(list->ptr + 1, list->size - 1);
	if (list->size == 0)
		return false;
	comma = memchr(list->ptr, ',', list->size);
	*origin = slice_of(list->ptr, comma ? (size_t)(comma - list->ptr) : list->size);
	*list = slice_of(list->ptr + origin->size, list->size - origin->size);
	while (origin->size > 0 && origin->ptr[origin->size - 1] == ' ')
		origin->size--;
	return true;
}

static bool is_origin(struct slice text)
{
	bool http = text.size > 7 && memcmp(text.ptr, "http://", 7) == 0;
	bool https = text.size > 8 && memcmp(text.ptr, "https://", 8) == 0;
	size_t start = https ? 8 : 7;

	return (http || https) && !memchr(text.ptr + start, '/', text.size - start) &&
	       !memchr(text.ptr, ' ', text.size);
}

static const char *check_origins(const char *text)
{
	struct slice list = slice_text(text);
	struct slice origin;

	while (next_origin(&list, &origin)) {
		if (!is_origin(origin))
			return "https://host[:port], comma-separated, or nothing";
	}
	return NULL;
}

#define ROW(member) .offset = offsetof(struct config, member)

static const struct conf_row rows[] = {
	{ .key = "listen", .type = CONF_TEXT, ROW(listen), .fallback = "127.0.0.1:8129",
	  .min = 1, .max = 300, .check = check_listen,
	  .help = "where people ask, over HTTP; port 0 takes any free one" },
	{ .key = "redis", .type = CONF_TEXT, ROW(redis), .fallback = "redis://127.0.0.1:6379/0",
	  .min = 1, .max = 4096, .password = true, .check = redis_url_check,
	  .help = "where the numbers are: redis://[[user]:password@]host:port/db, unix:///path, "
		  "sentinel://[[user]:password@]host:port,.../name/db or "
		  "cluster://[[user]:password@]host:port,..." },
	{ .key = "stale_ok", .type = CONF_BOOL, ROW(stale_ok), .fallback = "no",
	  .help = "read from a replica where one is in step, and from the master else; answers then say "
		  "how old they may be, by Hourglass-Stale. Of a Cluster masters are read all the same" },
	{ .key = "stale_max", .type = CONF_MS, ROW(stale_max_ms), .fallback = "60s",
	  .min = 2000, .max = 3600000,
	  .help = "what is older is not read, for stale_ok; so long too answers go on without a master" },
	{ .key = "max_connections", .type = CONF_INT, ROW(max_connections), .fallback = "4000",
	  .min = 1, .max = 60000,
	  .help = "HTTP connections at once; further ones wait until one ends" },
	{ .key = "slow_client", .type = CONF_MS, ROW(slow_client_ms), .fallback = "60s",
	  .min = 1000, .max = 3600000,
	  .help = "how long a client may take over a request, and over an answer beside 16 KiB a "
		  "second; then it is cut off" },
	{ .key = "agent_gone_after", .type = CONF_MS, ROW(agent_gone_after_ms), .fallback = "1h",
	  .min = 1000, .max = INT64_C(31536000000), .reloadable = true,
	  .help = "an agent not heard of for so long does not keep an hour from being complete" },
	{ .key = "retention_hours", .type = CONF_INT, ROW(retention_hours), .fallback = "840",
	  .min = 1, .max = 87600, .reloadable = true,
	  .help = "the relays' retention while they do not say it themselves: older hours are said to have "
		  "expired" },
	{ .key = "max_names", .type = CONF_INT, ROW(max_names), .fallback = "1000000",
	  .min = 1, .max = 100000000,
	  .help = "keys kept in memory for /v1/keys; asking for a key by name needs none" },
	{ .key = "max_series", .type = CONF_INT, ROW(max_series), .fallback = "10000",
	  .min = 1, .max = 1000000, .reloadable = true,
	  .help = "keys that one answer may merge or show; of the ledger, agents" },
	{ .key = "max_points", .type = CONF_INT, ROW(max_points), .fallback = "200000",
	  .min = 1, .max = 10000000, .reloadable = true,
	  .help = "points of one answer over many keys, of all its series together" },
	{ .key = "max_read", .type = CONF_BYTES, ROW(max_read), .fallback = "256MiB",
	  .min = 65536, .max = INT64_C(1) << 36, .reloadable = true,
	  .help = "bytes of cells that one answer over many keys may read" },
	{ .key = "max_answer", .type = CONF_BYTES, ROW(max_answer), .fallback = "32MiB",
	  .min = 4096, .max = INT64_C(1) << 30, .reloadable = true,
	  .help = "bytes of one answer, before it is compressed; a longer one is refused, never cut" },
	{ .key = "max_unread", .type = CONF_BYTES, ROW(max_unread), .fallback = "256MiB",
	  .min = 1 << 20, .max = INT64_C(1) << 40,
	  .help = "bytes of answers that clients have not read yet, all together; one over 64 KiB that finds "
		  "no room is refused" },
	{ .key = "read_timeout", .type = CONF_MS, ROW(read_timeout_ms), .fallback = "1s",
	  .min = 10, .max = 300000, .reloadable = true,
	  .help = "how long Redis may take over an answer about one key" },
	{ .key = "query_timeout", .type = CONF_MS, ROW(query_timeout_ms), .fallback = "5s",
	  .min = 100, .max = 300000, .reloadable = true,
	  .help = "how long an answer over many keys may take, waiting for other globs included" },
	{ .key = "cache", .type = CONF_BYTES, ROW(cache), .fallback = "16MiB",
	  .min = 0, .max = INT64_C(1) << 36,
	  .help = "bytes for the cells of hours that were asked for; one is used as long as nothing was "
		  "written to its hour. 0 keeps none" },
	{ .key = "cors_origins", .type = CONF_TEXT, ROW(cors_origins), .fallback = "",
	  .min = 0, .max = 4000, .reloadable = true, .check = check_origins,
	  .help = "origins whose pages may read answers in a browser, comma-separated" },
	{ .key = "hosts", .type = CONF_TEXT, ROW(hosts), .fallback = "",
	  .min = 0, .max = 4000, .reloadable = true, .check = access_check_hosts,
	  .help = "names of this daemon that a Host header may hold beside addresses, localhost and "
		  "that of listen, comma-separated; * takes any" },
	{ .key = "allow_open", .type = CONF_BOOL, ROW(allow_open), .fallback = "no",
	  .help = "listen beyond this host without tokens: whoever can connect can read" },
	{ .key = "log_level", .type = CONF_CHOICE, ROW(log_level), .fallback = "info",
	  .choices = levels, .reloadable = true,
	  .help = "how much is logged: error, warn, info, debug" },
	{ .key = "tokens.NAME", .type = CONF_ENTRIES, ROW(tokens), .max = TOKENS_MAX,
	  .reloadable = true, .check = tokens_check,
	  .help = "who may ask, and which keys: `acme = HASH shop. checkout.`, the hash of a token and "
		  "prefixes of names, or * for all. --token makes one. Without tokens whoever can "
		  "connect may ask everything" },
};

static const struct conf_flag flags[] = {
	{ .name = "token", .offset = offsetof(struct config, make_token),
	  .help = "make a token, print it and its line for the configuration, and end" },
	{ .name = "get", .argument = "URLPATH", .offset = offsetof(struct config, get),
	  .help = "print the answer to URLPATH without serving, and end: 0 for an answer of 200, 1 "
		  "for any other, which goes to standard error" },
};

/* A path that cannot be one is not worth a wait for Redis; whoever reaches an open daemon can read
 * everybody's figures. */
static const char *check_whole(const void *values)
{
	const struct config *c = values;
	struct addr listen;

	if (c->get && *c->get != '/')
		return "--get takes a path of queryd's, which begins with a slash: --get /v1/keys";
	if (*c->tokens || c->allow_open || c->make_token || c->get ||
	    addr_parse(slice_text(c->listen), &listen) < 0 || addr_is_loopback(&listen))
		return NULL;
	return "listen is reachable from other hosts and there are no [tokens]: make one with "
	       "hourglass-queryd --token, or say allow_open = yes where whoever can connect may read";
}

const struct conf_spec *config_spec(void)
{
	static const struct conf_spec spec = {
		.program = "hourglass-queryd",
		.summary = "answers questions about keys and hours over HTTP",
		.rows = rows,
		.row_count = sizeof(rows) / sizeof(*rows),
		.flags = flags,
		.flag_count = sizeof(flags) / sizeof(*flags),
		.check = check_whole,
		.struct_size = sizeof(struct config),
	};

	return &spec;
}

void config_apply(const struct config *c)
{
	static const enum log_level values[] = {
		LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG,
	};

	log_set_level(values[c->log_level]);
}

bool config_allows_origin(const struct config *c, const char *origin)
{
	struct slice list = slice_text(c->cors_origins);
	struct slice allowed;

	while (next_origin(&list, &allowed)) {
		if (slice_equal(allowed, slice_text(origin)))
			return true;
	}
	return false;
}
