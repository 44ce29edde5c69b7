/*
 * listen.h - where lines come in: the list `listen`, and the sockets that systemd passes.
 *
 *     udp://host:port    tcp://host:port    unix:///path or unix:@abstract (a stream)
 *     host:port (UDP)                       unixgram:///path or unixgram:@abstract (datagrams)
 *
 * Sockets passed by systemd are told apart by what they are: datagram sockets stand in for the
 * datagram addresses of the list, listening stream sockets for its stream addresses, whatever
 * they are named; those named `admin` are the admin port's.
 */
#ifndef AGENT_LISTEN_H
#define AGENT_LISTEN_H

#include "proto/net/addr.h"

#include <stdbool.h>
#include <stddef.h>

#define LISTEN_ADDRESSES 16
#define LISTEN_TEXT_SIZE 2048

/* Whether a list can be used; NULL when it can, else what is expected (conf.h's check). */
const char *listen_check(const char *list);

/* The list's addresses of one kind. Returns how many. */
size_t listen_addresses(const char *list, bool streams, struct addr out[LISTEN_ADDRESSES]);

/* Binds an address of the list; a path is open to all users. reuse_port: several sockets will. 0
 * with *fd; a negative errno, logged. */
int listen_bind(const char *list, const struct addr *at, bool reuse_port, int *fd)
	__attribute__((warn_unused_result));

/* The sockets of one kind that systemd passed, at most `most`. Returns how many. */
size_t listen_inherited(bool streams, int *fds, size_t most);

/* Appends `udp://127.0.0.1:8125` for a bound socket to a comma-separated text. */
void listen_show(int fd, char text[LISTEN_TEXT_SIZE]);

#endif
