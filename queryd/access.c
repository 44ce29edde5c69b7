// SPDX-License-Identifier: Apache-2.0
/*
 * access.c - one switch over all routes, and names that a browser may have been lied to about.
 *
 * The switch has no default, so that the compiler asks of a new route what it needs. Host is
 * judged because a page from elsewhere can make its own name resolve to this host (DNS
 * rebinding); an address in digits and localhost cannot be made to.
 */
#include "queryd/access.h"

#include "proto/net/addr.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

bool access_is_open(enum route route)
{
	return route == ROUTE_HEALTH || route == ROUTE_READY || route == ROUTE_PAGE;
}

/* ---- scope ---------------------------------------------------------------------------------- */

static int judge_key(const struct route_request *asked, const struct scope *scope,
		     struct route_refusal *why)
{
	if (scope_allows(scope, slice_of(asked->key, asked->key_size)))
		return 0;
	return route_refuse(why, 403, "not_allowed",
			    "this token may not ask for that key; /v1/keys lists what it may");
}

static int judge_own(const struct scope *scope, struct route_refusal *why)
{
	if (scope_covers(scope, slice_text(SCOPE_OWN)))
		return 0;
	return route_refuse(why, 403, "not_allowed",
			    "this token may not ask for Hourglass' own figures: it needs the prefix "
			    "hourglass. or *");
}

int access_judge(const struct route_request *asked, const struct scope *scope,
		 struct route_refusal *why)
{
	switch (asked->route) {
	case ROUTE_HOUR:
	case ROUTE_DAY:
	case ROUTE_RANGE:
	case ROUTE_KEY:
	case ROUTE_MOVING:
		return judge_key(asked, scope, why);
	case ROUTE_LEDGER:
	case ROUTE_METRICS:
		return judge_own(scope, why);
	case ROUTE_KEYS:
	case ROUTE_QUERY:
	case ROUTE_TOP_KEYS:
	case ROUTE_RENDER:
	case ROUTE_FIND:
	case ROUTE_EXPAND:
	case ROUTE_TAG_NAMES:
	case ROUTE_TAG_VALUES:
		return 0; /* what they find is what the scope shows */
	case ROUTE_VERSION:
	case ROUTE_FUNCTIONS:
	case ROUTE_EVENTS:
	case ROUTE_PAGE:
	case ROUTE_HEALTH:
	case ROUTE_READY:
	case ROUTE_NONE:
	case ROUTE_COUNT:
		return 0; /* no data */
	}
	return route_refuse(why, 403, "not_allowed", "this token may not ask that");
}

/* ---- host ----------------------------------------------------------------------------------- */

/* Without port, brackets and the root's dot. */
static struct slice bare_host(struct slice host)
{
	const uint8_t *colon = host.size ? memrchr(host.ptr, ':', host.size) : NULL;
	const uint8_t *end = host.size ? memrchr(host.ptr, ']', host.size) : NULL;

	if (host.size > 0 && *host.ptr == '[' && end)
		return slice_of(host.ptr + 1, (size_t)(end - host.ptr) - 1);
	if (colon)
		host.size = (size_t)(colon - host.ptr);
	if (host.size > 0 && host.ptr[host.size - 1] == '.')
		host.size--;
	return host;
}

static bool same_host(struct slice a, struct slice b)
{
	return a.size == b.size && strncasecmp((const char *)a.ptr, (const char *)b.ptr, a.size) == 0;
}

/* An address in digits was typed, not looked up, so nobody can have rebound it. */
static bool is_address(struct slice host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (host.size == 0 || host.size >= sizeof(text))
		return false;
	memcpy(text, host.ptr, host.size);
	text[host.size] = '\0';
	return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

static bool is_local(struct slice host)
{
	const struct slice local = slice_text("localhost");

	if (host.size > local.size && host.ptr[host.size - local.size - 1] == '.')
		host = slice_of(host.ptr + host.size - local.size, local.size);
	return same_host(host, local);
}

/* The next of a comma-separated list, blanks around it taken off. */
static bool next_host(const char **list, struct slice *host)
{
	size_t size;

	*list += strspn(*list, ", ");
	size = strcspn(*list, ", ");
	*host = slice_of(*list, size);
	*list += size;
	return size > 0;
}

bool access_knows_host(const char *header, const char *listen, const char *hosts)
{
	struct slice host, known;

	/* Only HTTP/1.0 may come without, and no browser speaks that. */
	if (!header)
		return true;
	host = bare_host(slice_text(header));
	if (is_address(host) || is_local(host) || same_host(host, bare_host(slice_text(listen))))
		return true;
	while (next_host(&hosts, &known)) {
		if (slice_equal(known, slice_text("*")) || same_host(host, known))
			return true;
	}
	return false;
}

const char *access_check_hosts(const char *hosts)
{
	struct slice host;

	while (next_host(&hosts, &host)) {
		if (memchr(host.ptr, ':', host.size) || memchr(host.ptr, '/', host.size) ||
		    (host.size > 1 && memchr(host.ptr, '*', host.size)))
			return "names of hosts without ports, comma-separated, or `*` for any";
	}
	return NULL;
}
