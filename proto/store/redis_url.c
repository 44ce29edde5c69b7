// SPDX-License-Identifier: Apache-2.0
#include "proto/store/redis_url.h"

#include "proto/store/redis.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Copies [from, to) with %XX decoded. */
static int read_secret(const char *from, const char *to, char out[REDIS_URL_SECRET_SIZE])
{
	size_t size = 0;

	while (from < to) {
		int byte = (unsigned char)*from;
		if (byte == '%') {
			int high = to - from > 2 ? hex_value(from[1]) : -1;
			int low = to - from > 2 ? hex_value(from[2]) : -1;
			if (high < 0 || low < 0)
				return -EINVAL;
			byte = high << 4 | low;
			from += 2;
		}
		if (byte == 0 || size + 1 >= REDIS_URL_SECRET_SIZE)
			return -EINVAL;
		out[size++] = (char)byte;
		from++;
	}
	out[size] = '\0';
	return 0;
}

/* `user:password`, `:password` or, as redis-cli reads it, `password` alone is refused: too
 * easily a user without a password. */
static int read_userinfo(const char *from, const char *to, struct redis_url *out)
{
	const char *colon = memchr(from, ':', (size_t)(to - from));

	if (!colon || read_secret(from, colon, out->user) < 0)
		return -EINVAL;
	if (read_secret(colon + 1, to, out->password) < 0 || out->password[0] == '\0')
		return -EINVAL;
	return 0;
}

/* Digits only, up to the end; at most max. */
static int read_number(const char *from, const char *to, uint32_t max, uint32_t *out)
{
	uint32_t value = 0;

	if (from == to || to - from > 9)
		return -EINVAL;
	for (; from < to; from++) {
		if (*from < '0' || *from > '9')
			return -EINVAL;
		value = value * 10 + (uint32_t)(*from - '0');
	}
	if (value > max)
		return -EINVAL;
	*out = value;
	return 0;
}

static int copy_host(const char *from, const char *to, struct addr *out)
{
	size_t size = (size_t)(to - from);

	if (size == 0 || size >= sizeof(out->host))
		return -EINVAL;
	memcpy(out->host, from, size);
	out->host[size] = '\0';
	return 0;
}

/* `host`, `host:port`, `[v6]`, `[v6]:port`. */
static int read_host(const char *from, const char *to, uint32_t port, struct addr *out)
{
	const char *end = memchr(from, ':', (size_t)(to - from));
	bool bracket = from < to && *from == '[';

	if (bracket) {
		from++;
		end = memchr(from, ']', (size_t)(to - from));
		if (!end)
			return -EINVAL;
	}
	if (copy_host(from, end ? end : to, out) < 0)
		return -EINVAL;
	if (bracket)
		end++;
	if (end && end < to) {
		if (*end != ':' || read_number(end + 1, to, UINT16_MAX, &port) < 0 || port == 0)
			return -EINVAL;
	}
	out->scheme = ADDR_TCP;
	out->port = (uint16_t)port;
	return 0;
}

/* One host, or several with commas between them. */
static int read_seeds(const char *from, const char *to, uint32_t port, struct redis_url *out)
{
	const char *comma;

	for (;; from = comma + 1) {
		comma = memchr(from, ',', (size_t)(to - from));
		if (out->seed_count == REDIS_URL_SEEDS_MAX ||
		    read_host(from, comma ? comma : to, port, &out->seeds[out->seed_count]) < 0)
			return -EINVAL;
		out->seed_count++;
		if (!comma)
			return 0;
	}
}

static int read_service(const char *from, const char *to, struct redis_url *out)
{
	size_t size = (size_t)(to - from);

	if (size == 0 || size >= sizeof(out->service))
		return -EINVAL;
	memcpy(out->service, from, size);
	return 0;
}

/* What follows the hosts of each kind: `/db`, `/name[/db]`, nothing. */
static int read_path(const char *path, struct redis_url *out)
{
	const char *end = path + strlen(path);

	if (out->kind == REDIS_SENTINEL) {
		const char *slash = *path ? strchr(path + 1, '/') : NULL;
		if (*path == '\0' || read_service(path + 1, slash ? slash : end, out) < 0)
			return -EINVAL;
		path = slash ? slash : end;
	}
	if (*path == '\0' || path[1] == '\0')
		return 0;
	if (out->kind == REDIS_CLUSTER)
		return -EINVAL;
	return read_number(path + 1, end, REDIS_URL_DATABASES - 1, &out->database);
}

void redis_url_endpoint(const char *mode, const struct addr *address, uint32_t database,
			char out[REDIS_URL_ENDPOINT_SIZE])
{
	char text[ADDR_TEXT_SIZE];
	struct addr bare = *address;

	bare.scheme = ADDR_NONE;
	if (address->scheme == ADDR_UNIX)
		(void)snprintf(out, REDIS_URL_ENDPOINT_SIZE, "unix://%s", address->host);
	else if (strcmp(mode, "standalone") != 0)
		(void)snprintf(out, REDIS_URL_ENDPOINT_SIZE, "%s://%s", mode,
			       addr_format(&bare, text));
	else
		(void)snprintf(out, REDIS_URL_ENDPOINT_SIZE, "redis://%s/%u",
			       addr_format(&bare, text), database);
}

/* The whole of a list. A list that is too long for a log line is cut. */
static void name_list(struct redis_url *u)
{
	size_t room = sizeof(u->endpoint), used = 0, i;
	char text[ADDR_TEXT_SIZE];

	for (i = 0; i < u->seed_count && used < room; i++) {
		struct addr bare = u->seeds[i];
		bare.scheme = ADDR_NONE;
		used += (size_t)snprintf(u->endpoint + used, room - used, "%s%s",
					 i > 0 ? "," : u->service[0] ? "sentinel://" : "cluster://",
					 addr_format(&bare, text));
	}
	if (u->service[0] && used < room)
		(void)snprintf(u->endpoint + used, room - used, "/%s/%u", u->service, u->database);
}

static int parse_tcp(const char *rest, struct redis_url *out)
{
	uint32_t port = out->kind == REDIS_SENTINEL ? REDIS_URL_SENTINEL_PORT : REDIS_URL_PORT;
	const char *path;
	const char *at = strrchr(rest, '@');

	if (at && read_userinfo(rest, at, out) < 0)
		return -EINVAL;
	if (at)
		rest = at + 1;
	path = rest + strcspn(rest, "/");
	if (read_seeds(rest, path, port, out) < 0 || read_path(path, out) < 0)
		return -EINVAL;
	if (out->kind == REDIS_SINGLE && out->seed_count > 1)
		return -EINVAL;
	out->address = out->seeds[0];
	if (out->kind == REDIS_SINGLE)
		redis_url_endpoint("standalone", &out->address, out->database, out->endpoint);
	else
		name_list(out);
	return 0;
}

static int parse_unix(const char *rest, struct redis_url *out)
{
	if (*rest != '/') {
		const char *at = strchr(rest, '@');
		if (!at || read_userinfo(rest, at, out) < 0)
			return -EINVAL;
		rest = at + 1;
	}
	if (*rest != '/' || copy_host(rest, rest + strlen(rest), &out->address) < 0)
		return -EINVAL;
	out->address.scheme = ADDR_UNIX;
	out->seeds[out->seed_count++] = out->address;
	redis_url_endpoint("standalone", &out->address, 0, out->endpoint);
	return 0;
}

int redis_url_parse(const char *text, struct redis_url *out)
{
	static const struct {
		const char *scheme;
		enum redis_kind kind;
		int (*parse)(const char *rest, struct redis_url *out);
	} known[] = {
		{ "redis://", REDIS_SINGLE, parse_tcp },
		{ "unix://", REDIS_SINGLE, parse_unix },
		{ "sentinel://", REDIS_SENTINEL, parse_tcp },
		{ "cluster://", REDIS_CLUSTER, parse_tcp },
	};
	size_t i;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t size = strlen(known[i].scheme);
		out->kind = known[i].kind;
		if (strncmp(text, known[i].scheme, size) == 0)
			return known[i].parse(text + size, out);
	}
	return -EINVAL;
}

const char *redis_url_check(const char *url)
{
	struct redis_url parsed;

	if (redis_url_parse(url, &parsed) == 0)
		return NULL;
	return "redis://[[user]:password@]host[:port][/db], unix:///path, "
	       "sentinel://[[user]:password@]host[:port],.../name[/db] or "
	       "cluster://[[user]:password@]host[:port],...";
}

enum redis_kind redis_url_kind(const char *url)
{
	struct redis_url parsed;

	return redis_url_parse(url, &parsed) == 0 ? parsed.kind : REDIS_SINGLE;
}
