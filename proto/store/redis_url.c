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
static int read_host(const char *from, const char *to, struct addr *out)
{
	const char *end = memchr(from, ':', (size_t)(to - from));
	uint32_t port = REDIS_URL_PORT;
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

static int parse_tcp(const char *rest, struct redis_url *out)
{
	const char *end = rest + strlen(rest);
	const char *slash;
	const char *at = strrchr(rest, '@');

	if (at && read_userinfo(rest, at, out) < 0)
		return -EINVAL;
	if (at)
		rest = at + 1;
	slash = strchr(rest, '/');
	if (read_host(rest, slash ? slash : end, &out->address) < 0)
		return -EINVAL;
	if (slash && slash[1] != '\0' &&
	    read_number(slash + 1, end, REDIS_URL_DATABASES - 1, &out->database) < 0)
		return -EINVAL;
	(void)snprintf(out->endpoint, sizeof(out->endpoint),
		       strchr(out->address.host, ':') ? "redis://[%s]:%u/%u" : "redis://%s:%u/%u",
		       out->address.host, out->address.port, out->database);
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
	(void)snprintf(out->endpoint, sizeof(out->endpoint), "unix://%s", out->address.host);
	return 0;
}

int redis_url_parse(const char *text, struct redis_url *out)
{
	memset(out, 0, sizeof(*out));
	if (strncmp(text, "redis://", 8) == 0)
		return parse_tcp(text + 8, out);
	if (strncmp(text, "unix://", 7) == 0)
		return parse_unix(text + 7, out);
	return -EINVAL;
}

const char *redis_url_check(const char *url)
{
	struct redis_url parsed;

	if (redis_url_parse(url, &parsed) == 0)
		return NULL;
	return "redis://[[user]:password@]host[:port][/db] or unix:///path";
}
