/*
 * redis_url.h - where a Redis is and who we are to it.
 *
 *     redis://[[user]:password@]host[:port][/db]      port 6379, db 0 unless said
 *     unix://[[user]:password@]/path
 *
 * User and password may hold %XX escapes. IPv6 addresses stand in brackets. Pure text: nothing
 * is resolved. The printable endpoint never holds the password.
 */
#ifndef PROTO_STORE_REDIS_URL_H
#define PROTO_STORE_REDIS_URL_H

#include "proto/net/addr.h"

#include <stdint.h>

#define REDIS_URL_SECRET_SIZE   256 /* a user or password with its terminator */
#define REDIS_URL_ENDPOINT_SIZE 320
#define REDIS_URL_PORT          6379
#define REDIS_URL_DATABASES     65536

struct redis_url {
	struct addr address;
	char user[REDIS_URL_SECRET_SIZE];     /* "": none */
	char password[REDIS_URL_SECRET_SIZE]; /* "": none */
	uint32_t database;
	char endpoint[REDIS_URL_ENDPOINT_SIZE]; /* for logs */
};

/* Reads a URL. 0; -EINVAL (*out is then undefined). */
int redis_url_parse(const char *text, struct redis_url *out) __attribute__((warn_unused_result));

#endif
