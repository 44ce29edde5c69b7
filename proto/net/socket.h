/*
 * socket.h - bound sockets, made by hand.
 *
 * libuv 1.44 cannot bind or connect abstract Unix sockets, cuts a long path silently and
 * cannot set SO_REUSEPORT; libmicrohttpd's own binding reports no errno. So every listener
 * of ours, lines, batches and HTTP, gets its descriptor here and errors are our own.
 *
 * Names are resolved *blocking*: that is for start-up only. Descriptors are non-blocking,
 * close-on-exec, and the caller's.
 */
#ifndef PROTO_NET_SOCKET_H
#define PROTO_NET_SOCKET_H

#include "proto/net/addr.h"

#define SOCKET_REUSE_PORT 1u /* others that say so may bind the same address */
#define SOCKET_V6_ONLY    2u /* [::] is IPv6 alone, so that 0.0.0.0 may stand beside it */

/* Binds a datagram socket (ADDR_UDP, ADDR_UNIXGRAM) or binds and listens on a stream socket
 * (the other schemes). A Unix socket's path that nobody answers on any more is taken over.
 * 0 with *fd; a negative errno (-EADDRNOTAVAIL for a name that does not resolve). */
int socket_bind(const struct addr *at, unsigned flags, int *fd)
	__attribute__((warn_unused_result));

/* Connects to a Unix stream socket, which never takes time. 0 with *fd; a negative errno
 * (-EAGAIN: the listener's backlog is full). */
int socket_connect_unix(const struct addr *to, int *fd) __attribute__((warn_unused_result));

/* The address a socket is really bound to. Returns out. */
const char *socket_local(int fd, char out[ADDR_TEXT_SIZE]);

#endif
