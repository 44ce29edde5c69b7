/*
 * redis_url.h - where a Redis is and who we are to it.
 *
 *     redis://[[user]:password@]host[:port][/db]                 port 6379, db 0 unless said
 *     unix://[[user]:password@]/path
 *     sentinel://[[user]:password@]host[:port],.../name[/db]     port 26379
 *     cluster://[[user]:password@]host[:port],...                port 6379
 *
 * User and password may hold %XX escapes. IPv6 addresses stand in brackets. Pure text: nothing
 * is resolved. The printable endpoint never holds the password.
 */
#ifndef PROTO_STORE_REDIS_URL_H
#define PROTO_STORE_REDIS_URL_H

#include "proto/net/addr.h"
#include "proto/store/redis.h"

#include <stdint.h>

#define REDIS_URL_SECRET_SIZE   256 /* a user or password with its terminator */
#define REDIS_URL_ENDPOINT_SIZE 640
#define REDIS_URL_PORT          6379
#define REDIS_URL_SENTINEL_PORT 26379
#define REDIS_URL_DATABASES     65536
#define REDIS_URL_SEEDS_MAX     16
#define REDIS_URL_SERVICE_SIZE  128

struct redis_url {
	enum redis_kind kind;
	struct addr address; /* the first, or only, seed */
	struct addr seeds[REDIS_URL_SEEDS_MAX];
	size_t seed_count;
	char service[REDIS_URL_SERVICE_SIZE]; /* what sentinels call the master */
	char user[REDIS_URL_SECRET_SIZE];     /* "": none */
	char password[REDIS_URL_SECRET_SIZE]; /* "": none */
	uint32_t database;
	char endpoint[REDIS_URL_ENDPOINT_SIZE]; /* for logs; a long list is cut */
};

/* Reads a URL. 0; -EINVAL (*out is then undefined). */
int redis_url_parse(const char *text, struct redis_url *out) __attribute__((warn_unused_result));

/* How one server is called in logs; mode is INFO's redis_mode. */
void redis_url_endpoint(const char *mode, const struct addr *address, uint32_t database,
			char out[REDIS_URL_ENDPOINT_SIZE]);

#endif
