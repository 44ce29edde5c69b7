/*
 * addr.h - addresses as people write them.
 *
 *     127.0.0.1:8127   [::1]:8127   relay-1.example:8127   unix:///run/x.sock   udp://...
 *
 * Text only: nothing is resolved here.
 */
#ifndef PROTO_NET_ADDR_H
#define PROTO_NET_ADDR_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDR_TEXT_SIZE 280 /* 255 of a host name, brackets, port, terminator */

enum addr_scheme {
	ADDR_NONE, /* bare host:port */
	ADDR_UDP,
	ADDR_TCP,
	ADDR_UNIX,     /* unix:///path or unix:@abstract: stream */
	ADDR_UNIXGRAM, /* unixgram:///path: datagram */
};

struct addr {
	enum addr_scheme scheme;
	char host[256]; /* or the path; an abstract name keeps its @ */
	uint16_t port;
};

/* Reads one address. 0, -EINVAL. */
int addr_parse(struct slice text, struct addr *out) __attribute__((warn_unused_result));

/* Takes the next of a comma-separated list (blanks around it allowed) off *list. 1 with *out, 0
 * at the end, -EINVAL. */
int addr_next(struct slice *list, struct addr *out) __attribute__((warn_unused_result));

/* Whether only this host can reach it: a Unix socket, 127.0.0.0/8, ::1 or the name localhost. */
bool addr_is_loopback(const struct addr *a);

/* `host:port` (IPv6 in brackets), or scheme and path. Returns out. */
const char *addr_format(const struct addr *a, char out[ADDR_TEXT_SIZE]);

/* The same for a socket address. Returns out. */
const char *addr_format_socket(const struct sockaddr *sa, socklen_t size, char out[ADDR_TEXT_SIZE]);

#endif
