// SPDX-License-Identifier: Apache-2.0
#include "proto/net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

/* sun_path with its terminator; an abstract name's leading NUL takes the place of its @. */
#define ADDR_PATH_BYTES (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

static const struct {
	const char *prefix;
	enum addr_scheme scheme;
} addr_schemes[] = {
	{ "udp://", ADDR_UDP },
	{ "tcp://", ADDR_TCP },
	{ "unixgram:", ADDR_UNIXGRAM },
	{ "unix:", ADDR_UNIX },
};

#define ADDR_SCHEMES (sizeof(addr_schemes) / sizeof(addr_schemes[0]))

static struct slice addr_skip(struct slice text, size_t size)
{
	return slice_of(text.ptr + size, text.size - size);
}

static bool addr_starts(struct slice text, const char *prefix)
{
	size_t size = strlen(prefix);

	return text.size >= size && memcmp(text.ptr, prefix, size) == 0;
}

static enum addr_scheme addr_take_scheme(struct slice *text)
{
	for (size_t i = 0; i < ADDR_SCHEMES; i++) {
		if (!addr_starts(*text, addr_schemes[i].prefix))
			continue;
		*text = addr_skip(*text, strlen(addr_schemes[i].prefix));
		return addr_schemes[i].scheme;
	}
	return ADDR_NONE;
}

static bool addr_is_alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A name is what DNS and /etc/hosts may hold, underscores included (container names); inside
 * brackets stand hex digits, colons, a mapped IPv4 part and a %zone. */
static bool addr_is_host(struct slice host, bool bracketed)
{
	if (host.size == 0 || host.size > 255)
		return false;
	for (size_t i = 0; i < host.size; i++) {
		uint8_t c = host.ptr[i];

		if (addr_is_alnum(c) || c == '.' || c == '-' || c == '_')
			continue;
		if (!bracketed || (c != ':' && c != '%'))
			return false;
	}
	return !bracketed || memchr(host.ptr, ':', host.size) != NULL;
}

static int addr_read_port(struct slice text, uint16_t *port)
{
	unsigned value = 0;

	if (text.size == 0 || text.size > 5)
		return -EINVAL;
	for (size_t i = 0; i < text.size; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return -EINVAL;
		value = value * 10 + (unsigned)(text.ptr[i] - '0');
	}
	if (value > UINT16_MAX)
		return -EINVAL;
	*port = (uint16_t)value;
	return 0;
}

static int addr_read_inet(struct slice text, struct addr *a)
{
	bool bracketed = text.size > 0 && text.ptr[0] == '[';
	struct slice host = bracketed ? addr_skip(text, 1) : text;
	const uint8_t *end = text.size ? memchr(host.ptr, bracketed ? ']' : ':', host.size) : NULL;
	struct slice port;

	if (end == NULL)
		return -EINVAL;
	port = addr_skip(host, (size_t)(end - host.ptr) + (bracketed ? 1 : 0));
	host.size = (size_t)(end - host.ptr);
	if (!addr_is_host(host, bracketed) || port.size == 0 || port.ptr[0] != ':')
		return -EINVAL;
	memcpy(a->host, host.ptr, host.size);
	a->host[host.size] = '\0';
	return addr_read_port(addr_skip(port, 1), &a->port);
}

static int addr_read_path(struct slice text, struct addr *a)
{
	if (addr_starts(text, "//"))
		text = addr_skip(text, 2);
	if (text.size < 2 || text.size > ADDR_PATH_BYTES)
		return -EINVAL;
	if (text.ptr[0] != '/' && text.ptr[0] != '@')
		return -EINVAL;
	for (size_t i = 0; i < text.size; i++)
		if (text.ptr[i] <= ' ' || text.ptr[i] == 0x7f || text.ptr[i] == ',')
			return -EINVAL;
	memcpy(a->host, text.ptr, text.size);
	a->host[text.size] = '\0';
	return 0;
}

int addr_parse(struct slice text, struct addr *out)
{
	struct addr a = { 0 };
	int status;

	if (text.size == 0)
		return -EINVAL;
	a.scheme = addr_take_scheme(&text);
	if (a.scheme == ADDR_UNIX || a.scheme == ADDR_UNIXGRAM)
		status = addr_read_path(text, &a);
	else
		status = addr_read_inet(text, &a);
	if (status == 0)
		*out = a;
	return status;
}

static bool addr_is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct slice addr_trim(struct slice text)
{
	while (text.size > 0 && addr_is_blank(text.ptr[0]))
		text = addr_skip(text, 1);
	while (text.size > 0 && addr_is_blank(text.ptr[text.size - 1]))
		text.size--;
	return text;
}

int addr_next(struct slice *list, struct addr *out)
{
	struct slice rest = addr_trim(*list);
	struct slice item = rest;
	const uint8_t *comma = rest.size ? memchr(rest.ptr, ',', rest.size) : NULL;
	int status;

	if (rest.size == 0)
		return 0;
	if (comma != NULL)
		item.size = (size_t)(comma - rest.ptr);
	status = addr_parse(addr_trim(item), out);
	if (status < 0)
		return status;
	*list = addr_skip(rest, item.size + (comma != NULL ? 1 : 0));
	return 1;
}

bool addr_is_loopback(const struct addr *a)
{
	struct in_addr in;
	struct in6_addr in6;

	if (a->scheme == ADDR_UNIX || a->scheme == ADDR_UNIXGRAM)
		return true;
	if (inet_pton(AF_INET, a->host, &in) == 1)
		return ntohl(in.s_addr) >> 24 == IN_LOOPBACKNET;
	if (inet_pton(AF_INET6, a->host, &in6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&in6);
	return strcasecmp(a->host, "localhost") == 0;
}

const char *addr_format(const struct addr *a, char out[ADDR_TEXT_SIZE])
{
	if (a->scheme == ADDR_UNIX || a->scheme == ADDR_UNIXGRAM)
		snprintf(out, ADDR_TEXT_SIZE, "%s:%s%s",
			 a->scheme == ADDR_UNIX ? "unix" : "unixgram",
			 a->host[0] == '@' ? "" : "//", a->host);
	else if (strchr(a->host, ':') != NULL)
		snprintf(out, ADDR_TEXT_SIZE, "[%s]:%u", a->host, (unsigned)a->port);
	else
		snprintf(out, ADDR_TEXT_SIZE, "%s:%u", a->host, (unsigned)a->port);
	return out;
}

/* An abstract name is not terminated, and may hold any byte: odd ones are shown as `?`. */
static void addr_format_unix(const struct sockaddr_un *un, socklen_t size, char *out)
{
	size_t head = offsetof(struct sockaddr_un, sun_path);
	size_t path_size = size > head ? (size_t)size - head : 0;
	char path[sizeof(un->sun_path) + 1] = "";

	if (path_size > sizeof(un->sun_path))
		path_size = sizeof(un->sun_path);
	memcpy(path, un->sun_path, path_size);
	if (path_size > 0 && path[0] == '\0') {
		path[0] = '@';
		for (size_t i = 1; i < path_size; i++)
			if (path[i] <= ' ' || path[i] >= 0x7f)
				path[i] = '?';
	}
	snprintf(out, ADDR_TEXT_SIZE, "unix:%s%s", path[0] == '/' ? "//" : "", path);
}

const char *addr_format_socket(const struct sockaddr *sa, socklen_t size, char out[ADDR_TEXT_SIZE])
{
	char host[INET6_ADDRSTRLEN] = "";

	if (sa->sa_family == AF_INET && size >= sizeof(struct sockaddr_in)) {
		const struct sockaddr_in *in = (const void *)sa;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(out, ADDR_TEXT_SIZE, "%s:%u", host, (unsigned)ntohs(in->sin_port));
	} else if (sa->sa_family == AF_INET6 && size >= sizeof(struct sockaddr_in6)) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(out, ADDR_TEXT_SIZE, "[%s]:%u", host, (unsigned)ntohs(in6->sin6_port));
	} else if (sa->sa_family == AF_UNIX) {
		addr_format_unix((const void *)sa, size, out);
	} else {
		snprintf(out, ADDR_TEXT_SIZE, "unknown");
	}
	return out;
}
