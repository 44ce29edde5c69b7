/*
 * access.h - what a request needs before it is served: the right host, the right scope.
 *
 * Every route is judged here, by one switch that the compiler checks for wholeness, before anything
 * is looked up: what is about one key by that key alone, so a refusal does not tell whether
 * the key exists. Requests over many keys pass, and see only what scope.h shows them. Pure.
 */
#ifndef QUERYD_ACCESS_H
#define QUERYD_ACCESS_H

#include "queryd/route.h"
#include "queryd/scope.h"

/* Whether a route is for everybody: liveness, readiness, and the page's files, which hold no data. */
bool access_is_open(enum route route);

/* Whether the scope (NULL: everything) may ask this. 0, or -EINVAL with *why: 403. */
int access_judge(const struct route_request *asked, const struct scope *scope,
		 struct route_refusal *why) __attribute__((warn_unused_result));

/* Whether a Host header (NULL: none was sent) is a name of this daemon: an address in digits, a name
 * below localhost, that of `listen`, or one of the comma-separated `hosts` (`*`: any). A page that
 * had its own name changed to our address (DNS rebinding) sends its own name. */
bool access_knows_host(const char *header, const char *listen, const char *hosts);

/* For the configuration's table: what is wrong with `hosts`, or NULL. */
const char *access_check_hosts(const char *hosts);

#endif
