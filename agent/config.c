// SPDX-License-Identifier: Apache-2.0
#include "agent/config.h"

#include "agent/listen.h"
#include "agent/receive.h"
#include "agent/spool_file.h"
#include "proto/limits.h"
#include "proto/net/addr.h"

#include <stdlib.h>
#include <string.h>

#define KIB 1024
#define MIB (1024 * KIB)
#define GIB (1024LL * MIB)

static const char *const config_signed[] = { "delta", "set", NULL };
static const char *const config_sanitize[] = { "none", "statsd", NULL };
static const char *const config_fsync[] = { "interval", "always", NULL };

static const char *config_check_relays(const char *text)
{
	struct slice list = slice_text(text);
	struct addr address;
	size_t count = 0;
	int more;

	while ((more = addr_next(&list, &address)) == 1)
		if (++count > CONFIG_RELAYS || address.port == 0 ||
		    (address.scheme != ADDR_NONE && address.scheme != ADDR_TCP))
			return "host:port, comma-separated";
	return more < 0 || count == 0 ? "host:port, comma-separated" : NULL;
}

static const char *config_check_admin(const char *text)
{
	struct addr address;

	if (*text == '\0')
		return NULL;
	return addr_parse(slice_text(text), &address) == 0 && address.scheme == ADDR_NONE ?
		       NULL :
		       "host:port, or nothing for none";
}

/* Takes the next part of a comma-separated list, without blanks around it. */
static bool config_next(struct slice *list, struct slice *part)
{
	const uint8_t *comma;

	if (list->size == 0)
		return false;
	comma = memchr(list->ptr, ',', list->size);
	*part = slice_of(list->ptr, comma ? (size_t)(comma - list->ptr) : list->size);
	*list = comma ? slice_of(comma + 1, list->size - part->size - 1) :
			slice_of(list->ptr + list->size, 0);
	while (part->size > 0 && part->ptr[0] == ' ')
		*part = slice_of(part->ptr + 1, part->size - 1);
	while (part->size > 0 && part->ptr[part->size - 1] == ' ')
		part->size--;
	return true;
}

static bool config_split_tag(struct slice part, struct series_tag *tag)
{
	const uint8_t *equals = part.size ? memchr(part.ptr, '=', part.size) : NULL;

	if (equals == NULL || equals == part.ptr)
		return false;
	tag->key = slice_of(part.ptr, (size_t)(equals - part.ptr));
	tag->value = slice_of(equals + 1, part.size - tag->key.size - 1);
	return true;
}

static const char *config_check_tags(const char *text)
{
	struct slice list = slice_text(text), part;
	struct series_tag tags[CONFIG_TAGS];
	uint8_t series[LIMIT_SERIES_BYTES];
	size_t count = 0, size;

	while (config_next(&list, &part))
		if (count == CONFIG_TAGS || !config_split_tag(part, &tags[count++]))
			return "key=value, comma-separated, at most 16";
	if (series_build(slice_text("x"), tags, count, series, &size) < 0)
		return "key=value of UTF-8 without control bytes";
	return NULL;
}

#define TEXT(key_, member_, fallback_, max_, check_, reloadable_, help_)                       \
	{ .key = (key_), .type = CONF_TEXT, .offset = offsetof(struct config, member_),        \
	  .fallback = (fallback_), .max = (max_), .check = (check_),                           \
	  .reloadable = (reloadable_), .help = (help_) }
#define NUMBER(key_, type_, member_, fallback_, min_, max_, help_)                             \
	{ .key = (key_), .type = (type_), .offset = offsetof(struct config, member_),          \
	  .fallback = (fallback_), .min = (min_), .max = (max_), .help = (help_) }
#define LIMIT(key_, member_, fallback_, min_, max_, help_)                                     \
	{ .key = (key_), .type = CONF_INT, .offset = offsetof(struct config, member_),         \
	  .fallback = (fallback_), .min = (min_), .max = (max_), .reloadable = true,           \
	  .help = (help_) }
#define CHOICE(key_, member_, fallback_, choices_, reloadable_, help_)                         \
	{ .key = (key_), .type = CONF_CHOICE, .offset = offsetof(struct config, member_),      \
	  .fallback = (fallback_), .choices = (choices_), .reloadable = (reloadable_),         \
	  .help = (help_) }

static const struct conf_row config_rows[] = {
	TEXT("listen", listen, "udp://127.0.0.1:8125", 4096, listen_check, false,
	     "Where lines are taken, comma-separated: udp://host:port and unixgram:///path for "
	     "datagrams, tcp://host:port and unix:///path for streams; unixgram:@name and "
	     "unix:@name are abstract. Sockets passed by systemd stand in for those of their "
	     "kind."),
	NUMBER("receivers", CONF_INT, receivers, "1", 1, RECEIVE_THREADS,
	       "Threads that receive datagrams; several share each UDP address."),
	NUMBER("stream_connections", CONF_INT, stream_connections, "256", 1, 10000,
	       "Clients that may be connected to stream sockets; one more is closed at once."),
	NUMBER("stream_idle_ms", CONF_MS, stream_idle_ms, "10min", 100, 86400000,
	       "A client that ends no line for so long is closed."),
	TEXT("relays", relays, "127.0.0.1:8127", 8192, config_check_relays, true,
	     "Relays to begin with, host:port, comma-separated; they tell of the others."),
	TEXT("state_dir", state_dir, "", 4096, NULL, false,
	     "Folder that keeps the agent's identity and its spool; systemd's StateDirectory when "
	     "empty. Without either there is a new identity at each start, and what is not "
	     "delivered dies with the process."),
	TEXT("admin", admin, "127.0.0.1:8126", 280, config_check_admin, false,
	     "Where HTTP /metrics, /healthz, /readyz, /top and POST /v1/samples are served, and "
	     "statsd's management commands; empty: nowhere."),
	TEXT("add_tags", add_tags, "", 4096, config_check_tags, true,
	     "Tags put on every series that does not have them, key=value, comma-separated."),
	CHOICE("gauge_signed", gauge_signed, "delta", config_signed, false,
	       "What `+3|g` means: delta changes the gauge, set makes it absolute (DogStatsD)."),
	CHOICE("sanitize", sanitize, "none", config_sanitize, false,
	       "statsd rewrites names as statsd does; none keeps them."),
	NUMBER("seal_ms", CONF_MS, seal_ms, "500ms", 10, 60000,
	       "How often what was received is sealed and sent."),
	LIMIT("max_keys", max_keys, "100000", 1, 10000000,
	      "Series that one seal interval may have; samples of more count in "
	      "hourglass.overflow;prefix=<first segment of the name>."),
	LIMIT("max_keys_per_prefix", max_keys_per_prefix, "50000", 1, 10000000,
	      "Of these, series whose names begin with the same segment (up to the first dot)."),
	LIMIT("max_new_keys_per_second", max_new_keys_per_second, "20000", 1, 10000000,
	      "Series not seen in the last minutes that a second may bring; a start may bring "
	      "max_keys."),
	LIMIT("max_tags", max_tags, "32", 1, LIMIT_TAGS,
	      "Tags that a line may have, add_tags included; a line with more is refused."),
	LIMIT("max_series_bytes", max_series_bytes, "1024", 16, LIMIT_SERIES_BYTES,
	      "Bytes that a name, a name with its tags, or a set's member may have; a line with "
	      "more is refused."),
	{ .key = "ledger", .type = CONF_BOOL, .offset = offsetof(struct config, ledger),
	  .fallback = "yes", .reloadable = true,
	  .help = "Report what was received, refused and lost as counters named hourglass.*." },
	NUMBER("table_max", CONF_BYTES, table_max, "128MiB", MIB, 64 * GIB,
	       "Memory for what is received and not yet sealed; samples over it are refused."),
	NUMBER("receive_buffer", CONF_BYTES, receive_buffer, "16MiB", 4 * KIB, GIB,
	       "The sockets' receive buffer to ask for (the system may grant less)."),
	NUMBER("spool_max", CONF_BYTES, spool_max, "1GiB", 64 * KIB, 1024 * GIB,
	       "Bytes of sealed batches to keep, in state_dir or, without one, in memory; at the "
	       "limit sealing waits."),
	NUMBER("segment_bytes", CONF_BYTES, segment_bytes, "8MiB", MIB, SPOOL_FILE_MAX_BYTES,
	       "Size of a spool file; at most a quarter of spool_max is used."),
	NUMBER("spool_memory_max", CONF_BYTES, spool_memory_max, "64MiB", MIB, 64 * GIB,
	       "Memory of a spool on disk: batches not yet synced, or all while the disk fails, "
	       "and 128 bytes for each batch that is kept."),
	NUMBER("spool_age_max", CONF_MS, spool_age_max, "7d", 3600000, 29 * 86400000LL,
	       "Batches that could not be delivered for so long are given up."),
	CHOICE("spool_fsync", spool_fsync, "interval", config_fsync, false,
	       "interval: the spool is synced every 500 ms; always: before a batch is sent, which "
	       "makes sealing wait for the disk."),
	NUMBER("grace_ms", CONF_MS, grace_ms, "0", 0, 3600000,
	       "How long a commit must have stood before its batch is dropped; 0: as the relays "
	       "say, who know the store."),
	NUMBER("confirm_ms", CONF_MS, confirm_ms, "10s", 50, 600000,
	       "How often relays are asked whether kept batches are still stored."),
	NUMBER("peer_timeout_ms", CONF_MS, peer_timeout_ms, "1s", 300, 60000,
	       "A relay that owes an answer for so long is given up."),
	NUMBER("drain_ms", CONF_MS, drain_ms, "5s", 0, 600000,
	       "How long to try to deliver what is held when asked to stop."),
	{ .key = "fleet_secret", .type = CONF_TEXT, .offset = offsetof(struct config, fleet_secret),
	  .fallback = "", .max = 4096, .secret = true, .check = secret_check,
	  .help = "What this agent and its relays prove to each other to know: 16 bytes or more, "
		  "or file:/path, or credential:name of systemd. Relays that cannot are refused." },
	{ .key = "admin_secret", .type = CONF_TEXT, .offset = offsetof(struct config, admin_secret),
	  .fallback = "", .max = 4096, .secret = true, .check = secret_check,
	  .help = "What `Authorization: Bearer` must show to POST samples: 16 bytes or more, or "
		  "file:/path, or credential:name." },
	{ .key = "allow_open", .type = CONF_BOOL, .offset = offsetof(struct config, allow_open),
	  .fallback = "no",
	  .help = "Take samples by POST from whoever reaches the admin port, also beyond loopback "
		  "without an admin_secret." },
	CHOICE("log_level", log_level, "info", log_level_choices, true,
	       "What is logged: error, warn, info or debug, and what is graver."),
};

static const struct conf_flag config_flags[] = {
	{ .name = "explain", .offset = offsetof(struct config, explain),
	  .help = "Read lines from standard input and say in JSON how each is understood." },
	{ .name = "datagram", .offset = offsetof(struct config, datagram),
	  .help = "With --explain: take all of standard input as one datagram." },
};

const struct conf_spec *config_spec(void)
{
	static const struct conf_spec spec = {
		.program = "hourglass-agent",
		.summary = "takes statsd lines on this host and delivers them to relays",
		.rows = config_rows,
		.row_count = sizeof(config_rows) / sizeof(config_rows[0]),
		.flags = config_flags,
		.flag_count = sizeof(config_flags) / sizeof(config_flags[0]),
		.struct_size = sizeof(struct config),
	};

	return &spec;
}

bool config_spool_always(const struct config *c)
{
	return c->spool_fsync == 1;
}

int config_read_secrets(struct config *c)
{
	int status = secret_read(c->fleet_secret, &c->secret);

	return status < 0 ? status : secret_read(c->admin_secret, &c->writers);
}

enum log_level config_log_level(const struct config *c)
{
	return log_level_chosen(c->log_level);
}

size_t config_relays(const struct config *c, struct slice out[CONFIG_RELAYS])
{
	struct slice list = slice_text(c->relays);
	size_t count = 0;

	while (count < CONFIG_RELAYS && config_next(&list, &out[count]))
		count += out[count].size > 0;
	return count;
}

size_t config_tags(const char *add_tags, struct series_tag out[CONFIG_TAGS])
{
	struct slice list = slice_text(add_tags), part;
	size_t count = 0;

	while (count < CONFIG_TAGS && config_next(&list, &part))
		count += config_split_tag(part, &out[count]);
	return count;
}

struct limits_options config_limits(const struct config *c)
{
	return (struct limits_options){
		.max_keys = (size_t)c->max_keys,
		.max_keys_per_prefix = (size_t)c->max_keys_per_prefix,
		.max_new_keys_per_second = (size_t)c->max_new_keys_per_second,
	};
}

struct line_options config_line_options(const struct config *c, const struct series_tag *tags,
					size_t tag_count)
{
	return (struct line_options){
		.gauge_signed_sets = c->gauge_signed == 1,
		.sanitize_statsd = c->sanitize == 1,
		.add_tags = tags,
		.add_tag_count = tag_count,
	};
}

const char *config_state_dir(const struct config *c)
{
	const char *systemd = getenv("STATE_DIRECTORY");

	if (*c->state_dir != '\0')
		return c->state_dir;
	return systemd ? systemd : "";
}
