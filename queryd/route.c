// SPDX-License-Identifier: Apache-2.0
/*
 * route.c - fixed paths first, then what a key may be.
 *
 * A path is cut at its slashes before anything is decoded, so %2F belongs to a key. One buffer
 * is enough for all decoding, because each text is read before the next is decoded. The request
 * is 16 KiB and mostly a key that is not there: only what lies before the key is cleared.
 */
#include "queryd/route.h"

#include "proto/daemon/http.h"
#include "proto/err.h"
#include "proto/hour.h"
#include "proto/series.h"
#include "queryd/route_private.h"
#include "queryd/route_time.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define PARTS 4

static const struct {
	const char *path;
	enum route route;
} fixed[] = {
	{ "/v1/keys", ROUTE_KEYS },
	{ "/metrics", ROUTE_METRICS },
	{ "/healthz", ROUTE_HEALTH },
	{ "/readyz", ROUTE_READY },
	{ "/v1/query", ROUTE_QUERY },
	{ "/v1/top", ROUTE_TOP_KEYS },
	{ "/v1/ledger", ROUTE_LEDGER },
	{ "/render", ROUTE_RENDER },
	{ "/metrics/find", ROUTE_FIND },
	{ "/metrics/expand", ROUTE_EXPAND },
	{ "/version", ROUTE_VERSION },
	{ "/functions", ROUTE_FUNCTIONS },
	{ "/tags/autoComplete/tags", ROUTE_TAG_NAMES },
	{ "/tags/autoComplete/values", ROUTE_TAG_VALUES },
	{ "/events/get_data", ROUTE_EVENTS },
};

/* Without angle brackets, which JSON here escapes. */
static const char forms[] = "try /KEY/STAT/YYYY-MM-DD/HOUR, /KEY/STAT/YYYY-MM-DD, "
			    "/KEY/STAT?from=-24h, /KEY/moving_average/N, /KEY, "
			    "/v1/series?key=KEY, /v1/keys?match=GLOB, /v1/query?match=GLOB&stat=STAT&from=-24h; "
			    "a slash inside a key is %2F";

int route_refuse(struct route_refusal *why, unsigned status, const char *error, const char *format,
		 ...)
{
	va_list args;

	*why = (struct route_refusal){ .status = status, .error = error };
	va_start(args, format);
	(void)vsnprintf(why->message, sizeof(why->message), format, args);
	va_end(args);
	return -EINVAL;
}

const char *route_name(enum route route)
{
	static const char *const names[ROUTE_COUNT] = {
		"hour", "day", "range", "key", "moving", "keys", "query", "top", "ledger", "render", "find",
		"expand", "version", "functions", "tags", "tag_values", "events", "page", "metrics",
		"healthz", "readyz", "none",
	};

	return names[route];
}

/* ---- decoding ------------------------------------------------------------------------------- */

/* Decodes raw into r->text. False for a bad escape. */
static bool decode(struct router *r, struct slice raw, bool plus_is_space, struct slice *text)
{
	size_t size;

	if (http_unescape(raw, plus_is_space, r->text, &size) < 0)
		return false;
	*text = slice_of(r->text, size);
	return true;
}

int route_parameter(struct router *r, const char *name, struct slice *text)
{
	struct slice raw;

	if (!http_parameter(r->query, name, &raw) || raw.size == 0)
		return 0;
	return decode(r, raw, true, text) ? 1 : ERR_MALFORMED;
}

static int read_key(struct router *r, struct slice text, bool decoded)
{
	int status;

	if (!decoded)
		return route_refuse(r->why, 400, "bad_key",
				    "the key holds a %% that is not followed by two hex digits");
	status = series_from_key(text, r->out->key, &r->out->key_size);
	if (status == ERR_BAD_BYTES || status == ERR_BAD_NAME)
		return route_refuse(r->why, 400, "bad_key",
				    "the key is empty, holds control bytes, or is not UTF-8");
	if (status < 0)
		return route_refuse(r->why, 400, "bad_key", "no key can be so: %s",
				    err_text(status));
	return 0;
}

int route_bad_stat(struct router *r, struct slice text, const char *message)
{
	char nearest[STAT_NAME_SIZE] = "";
	bool near = stat_nearest(text, nearest) != NULL;

	(void)route_refuse(r->why, 400, "bad_stat", near ? "%s; did you mean %s?" : "%s%s",
			   message, nearest);
	r->why->list_stats = true;
	if (near)
		memcpy(r->why->nearest, nearest, sizeof(nearest));
	return -EINVAL;
}

int route_read_stat(struct router *r, struct slice text, bool decoded)
{
	if (slice_equal(text, slice_text(ROUTE_MOVING_STAT)))
		return route_bad_stat(r, slice_of(NULL, 0),
				      "a moving average is of one key: /KEY/moving_average/N");
	if (!decoded || !stat_parse(text, &r->out->stat))
		return route_bad_stat(r, text, "there is no such stat");
	return 0;
}

int route_read_kind(struct router *r, bool has_stat)
{
	struct route_request *out = r->out;
	struct slice text;
	int present = route_parameter(r, "kind", &text);

	if (present == 0)
		return 0;
	if (present < 0 || !stat_parse_kind(text, &out->kind))
		return route_refuse(r->why, 400, "bad_kind",
				    "kind is one of distribution, counter, gauge, set");
	if (!has_stat || stat_has(out->kind, out->stat.id))
		return 0;
	(void)route_refuse(r->why, 400, "stat_not_for_kind", "a %s has no %s",
			   kind_name(out->kind), out->stat.name);
	r->why->list_stats = true;
	r->why->allowed_kind = out->kind;
	return -EINVAL;
}

/* ---- times ---------------------------------------------------------------------------------- */

static int read_date(struct router *r, struct slice text, bool decoded)
{
	int64_t day;

	if (!decoded || hour_parse_day(text, &day) < 0)
		return route_refuse(r->why, 400, "bad_date",
				    "a date is YYYY-MM-DD, one that the calendar has, in UTC");
	r->out->route = ROUTE_DAY;
	r->out->from_hour = day * DAY_HOURS;
	r->out->to_hour = r->out->from_hour + DAY_HOURS;
	return 0;
}

static int read_hour(struct router *r, struct slice text, bool decoded)
{
	int64_t hour;

	if (!decoded || !route_time_hour(text, &hour))
		return route_refuse(r->why, 400, "bad_hour", "an hour is 0 to 23, in UTC");
	r->out->route = ROUTE_HOUR;
	r->out->from_hour += hour;
	r->out->to_hour = r->out->from_hour + 1;
	return 0;
}

int route_read_end(struct router *r, const char *name, int64_t *hour)
{
	bool is_to = name[0] == 't';
	struct slice text = slice_text("now");
	int present = route_parameter(r, name, &text);

	if (present == 0 && !is_to)
		return route_refuse(r->why, 400, "bad_range",
				    "say when: /KEY/STAT/YYYY-MM-DD/HOUR, or ?from=-24h");
	if (present < 0 || !route_time_end(text, is_to, r->now_second, hour))
		return route_refuse(r->why, 400, "bad_range",
				    "%s is YYYY-MM-DD, YYYY-MM-DDTHH, unix seconds, -24h, -7d or now",
				    name);
	return 0;
}

int route_read_step(struct router *r)
{
	struct slice text;
	int present = route_parameter(r, "step", &text);

	r->out->step = ROUTE_STEP_HOUR;
	if (present == 0 || (present > 0 && slice_equal(text, slice_text("hour"))))
		return 0;
	if (present > 0 && slice_equal(text, slice_text("day")))
		r->out->step = ROUTE_STEP_DAY;
	else if (present > 0 && slice_equal(text, slice_text("total")))
		r->out->step = ROUTE_STEP_TOTAL;
	else
		return route_refuse(r->why, 400, "bad_step", "step is hour, day or total");
	return 0;
}

int route_read_ends(struct router *r)
{
	struct route_request *out = r->out;

	if (route_read_end(r, "from", &out->from_hour) < 0 || route_read_end(r, "to", &out->to_hour) < 0)
		return -EINVAL;
	if (out->from_hour >= out->to_hour)
		return route_refuse(r->why, 400, "bad_range", "from lies before to: [from, to)");
	if (out->to_hour - out->from_hour > ROUTE_RANGE_HOURS)
		return route_refuse(r->why, 400, "bad_range", "a range is at most %d hours",
				    ROUTE_RANGE_HOURS);
	return 0;
}

static int read_range(struct router *r)
{
	if (route_read_ends(r) < 0 || route_read_step(r) < 0)
		return -EINVAL;
	r->out->route = ROUTE_RANGE;
	return 0;
}

/* ---- routes --------------------------------------------------------------------------------- */

/* Cuts the path at `/`, without a last empty part. More than PARTS parts count as PARTS + 1. */
static size_t split(struct slice path, struct slice parts[PARTS])
{
	const uint8_t *at = path.ptr + 1;
	const uint8_t *end = path.ptr + path.size;
	size_t count = 0;

	while (at < end) {
		const uint8_t *slash = memchr(at, '/', (size_t)(end - at));
		const uint8_t *stop = slash ? slash : end;
		if (count == PARTS)
			return PARTS + 1;
		parts[count++] = slice_of(at, (size_t)(stop - at));
		at = slash ? slash + 1 : end;
	}
	return count;
}

/* Decodes a part and hands it on. */
static int part(struct router *r, struct slice raw,
		int (*read)(struct router *r, struct slice text, bool decoded))
{
	struct slice text = raw;
	bool decoded = decode(r, raw, false, &text);

	return read(r, text, decoded);
}

static int parse_parts(struct router *r, const struct slice *parts, size_t count)
{
	bool of_v1 = slice_equal(parts[0], slice_text("v1"));
	bool of_page = of_v1 && count == 3 && slice_equal(parts[1], slice_text("page"));

	if ((count == 2 && of_v1) || of_page)
		return route_refuse(r->why, 404, "not_found", "nothing is there; %s", forms);
	if (part(r, parts[0], read_key) < 0)
		return -EINVAL;
	if ((count == 2 || count == 3) && slice_equal(parts[1], slice_text(ROUTE_MOVING_STAT)))
		return part(r, count == 3 ? parts[2] : slice_of("", 0), route_read_moving);
	if (count > 1 && part(r, parts[1], route_read_stat) < 0)
		return -EINVAL;
	if (route_read_kind(r, count > 1) < 0)
		return -EINVAL;
	if (count == 2)
		return read_range(r);
	r->out->route = ROUTE_KEY;
	if (count > 2 && part(r, parts[2], read_date) < 0)
		return -EINVAL;
	if (count > 3 && part(r, parts[3], read_hour) < 0)
		return -EINVAL;
	return 0;
}

/* One parameter of /v1/series that must be readable if it is there. 1, 0 when absent, -EINVAL. */
static int series_part(struct router *r, const char *name,
		       int (*read)(struct router *r, struct slice text, bool decoded))
{
	struct slice text = { 0 };
	int present = route_parameter(r, name, &text);

	if (present == 0)
		return 0;
	return read(r, text, present > 0) < 0 ? -EINVAL : 1;
}

static int parse_series_stat(struct router *r)
{
	struct slice ignored;
	int stat = series_part(r, "stat", route_read_stat);
	int date = stat >= 0 ? series_part(r, "date", read_date) : 0;

	if (stat < 0 || date < 0 || route_read_kind(r, stat > 0) < 0)
		return -EINVAL;
	if (date > 0)
		date = series_part(r, "hour", read_hour) < 0 ? -EINVAL : 1;
	else if (http_parameter(r->query, "hour", &ignored))
		return route_refuse(r->why, 400, "bad_date", "hour= needs date=YYYY-MM-DD");
	if (date < 0)
		return -EINVAL;
	if (stat > 0)
		return date > 0 ? 0 : read_range(r);
	if (date > 0 || http_parameter(r->query, "from", &ignored))
		return route_bad_stat(r, slice_of(NULL, 0), "stat= is missing");
	r->out->route = ROUTE_KEY;
	return 0;
}

/* Whether moving_average is asked for; text is then its n, or empty. */
static bool series_is_moving(struct router *r, struct slice *text)
{
	if (route_parameter(r, "stat", text) <= 0 ||
	    !slice_equal(*text, slice_text(ROUTE_MOVING_STAT)))
		return false;
	if (route_parameter(r, "n", text) <= 0)
		*text = slice_of("", 0);
	return true;
}

static int parse_series(struct router *r)
{
	struct slice n;
	int key = series_part(r, "key", read_key);

	if (key == 0)
		return route_refuse(r->why, 400, "bad_key", "key= is missing");
	if (key < 0)
		return -EINVAL;
	return series_is_moving(r, &n) ? route_read_moving(r, n, true) : parse_series_stat(r);
}

int route_read_limit(struct router *r, const char *name, uint32_t fallback)
{
	struct slice text;
	int present = route_parameter(r, name, &text);

	r->out->limit = fallback;
	if (present == 0 || (present > 0 && route_count(text, ROUTE_LIMIT_MAX, &r->out->limit)))
		return 0;
	return route_refuse(r->why, 400, "bad_limit", "%s is 1 to %d", name, ROUTE_LIMIT_MAX);
}

int route_read_match(struct router *r)
{
	struct slice text = slice_text("*");
	int present = route_parameter(r, "match", &text);
	const char *wrong = present < 0 ? "match holds a bad escape" :
					  glob_compile(&r->out->match, text);

	if (wrong)
		return route_refuse(r->why, 400, "bad_match", "%s", wrong);
	memcpy(r->out->key, text.ptr, text.size);
	r->out->key_size = text.size;
	return 0;
}

static int parse_keys(struct router *r)
{
	struct slice text;
	int present;

	if (route_read_match(r) < 0 || route_read_limit(r, "limit", ROUTE_LIMIT) < 0)
		return -EINVAL;
	present = route_parameter(r, "after", &text);
	if (present < 0 || (present > 0 && text.size > LIMIT_SERIES_BYTES))
		return route_refuse(r->why, 400, "bad_key", "after is the `next` of an answer");
	r->out->key_size = present > 0 ? text.size : 0;
	if (present > 0)
		memcpy(r->out->key, text.ptr, text.size);
	r->out->route = ROUTE_KEYS;
	return 0;
}

/* What a fixed path takes as parameters. */
static int parse_fixed_query(struct router *r, enum route route)
{
	r->out->route = route;
	switch (route) {
	case ROUTE_KEYS:
		return parse_keys(r);
	case ROUTE_QUERY:
		return route_read_query(r);
	case ROUTE_TOP_KEYS:
		return route_read_top(r);
	case ROUTE_LEDGER:
		return route_read_ledger(r);
	default:
		return 0;
	}
}

/* 1 when the path is not one of the fixed ones. */
static int parse_fixed(struct router *r, struct slice path)
{
	size_t i;

	if (slice_equal(path, slice_text("/v1/series")))
		return parse_series(r);
	r->out->page = page_find(path);
	if (r->out->page)
		return parse_fixed_query(r, ROUTE_PAGE);
	for (i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		if (slice_equal(path, slice_text(fixed[i].path)))
			return parse_fixed_query(r, fixed[i].route);
	return 1;
}

/* A proxy may send the absolute form (RFC 9112, 3.2.2): what stands before the path is not
 * ours to judge. */
static struct slice without_authority(struct slice path)
{
	static const char scheme[] = "http://";
	const size_t size = sizeof(scheme) - 1;
	const uint8_t *slash;

	if (path.size < size || memcmp(path.ptr, scheme, size) != 0)
		return path;
	slash = memchr(path.ptr + size, '/', path.size - size);
	if (!slash)
		return slice_text("/");
	return slice_of(slash, (size_t)(path.ptr + path.size - slash));
}

int route_parse(struct slice path, struct slice query, int64_t now_second,
		struct route_request *out, struct route_refusal *why)
{
	struct router r; /* but for its text, which is not cleared for each request */
	struct slice parts[PARTS];
	size_t count;
	int status;

	r.query = query;
	r.now_second = now_second;
	r.out = out;
	r.why = why;
	memset(out, 0, offsetof(struct route_request, key));
	out->route = ROUTE_NONE;
	if (path.size + query.size > ROUTE_URL_BYTES)
		return route_refuse(why, 414, "too_large", "a URL is at most %d bytes",
				    ROUTE_URL_BYTES);
	path = without_authority(path);
	if (path.size == 0 || path.ptr[0] != '/')
		return route_refuse(why, 404, "not_found", "a path begins with a slash");
	status = parse_fixed(&r, path);
	if (status > 0) {
		count = split(path, parts);
		status = count == 0 || count > PARTS ?
				 route_refuse(why, 404, "not_found", "nothing is there; %s", forms) :
				 parse_parts(&r, parts, count);
	}
	if (status < 0)
		out->route = ROUTE_NONE;
	return status;
}
