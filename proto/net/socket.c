// SPDX-License-Identifier: Apache-2.0
#include "proto/net/socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* As many as may come back at once; net.core.somaxconn (4096 by default) bounds it. */
#define SOCKET_BACKLOG 4096

static int socket_type(const struct addr *a)
{
	return a->scheme == ADDR_UDP || a->scheme == ADDR_UNIXGRAM ? SOCK_DGRAM : SOCK_STREAM;
}

static int socket_new(int family, int type, int *fd)
{
	*fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return *fd < 0 ? -errno : 0;
}

static socklen_t socket_unix_address(const struct addr *a, struct sockaddr_un *un)
{
	size_t size = strlen(a->host);

	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(un->sun_path, a->host,
	       size < sizeof(un->sun_path) ? size : sizeof(un->sun_path) - 1);
	if (un->sun_path[0] == '@')
		un->sun_path[0] = '\0';
	else
		size++;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
}

static int socket_unix_open(const struct addr *to, int *fd)
{
	struct sockaddr_un un;
	socklen_t size = socket_unix_address(to, &un);
	int status = socket_new(AF_UNIX, socket_type(to), fd);

	if (status == 0 && connect(*fd, (struct sockaddr *)&un, size) < 0) {
		status = -errno;
		close(*fd);
	}
	return status;
}

/* A process that was killed leaves its socket behind. It may be removed when it is a socket
 * and connecting is refused: then nobody listens. */
static void socket_remove_stale(const struct addr *at)
{
	struct stat st;
	int fd;

	if (at->host[0] != '/' || lstat(at->host, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	switch (socket_unix_open(at, &fd)) {
	case 0:
		close(fd);
		break;
	case -ECONNREFUSED:
		unlink(at->host);
		break;
	default:
		break;
	}
}

static int socket_settle(int fd, const struct sockaddr *sa, socklen_t size, int type)
{
	if (bind(fd, sa, size) < 0)
		return -errno;
	if (type == SOCK_STREAM && listen(fd, SOCKET_BACKLOG) < 0)
		return -errno;
	return 0;
}

static int socket_bind_unix(const struct addr *at, int *fd)
{
	struct sockaddr_un un;
	socklen_t size = socket_unix_address(at, &un);
	int status;

	socket_remove_stale(at);
	status = socket_new(AF_UNIX, socket_type(at), fd);
	if (status < 0)
		return status;
	status = socket_settle(*fd, (struct sockaddr *)&un, size, socket_type(at));
	if (status < 0)
		close(*fd);
	return status;
}

static int socket_bind_inet(const struct addrinfo *ai, unsigned flags, int *fd)
{
	int status = socket_new(ai->ai_family, ai->ai_socktype, fd);
	int on = 1;

	if (status < 0)
		return status;
	/* For a datagram socket SO_REUSEADDR would let two processes share the port unasked. */
	if (ai->ai_socktype == SOCK_STREAM)
		setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if ((flags & SOCKET_V6_ONLY) && ai->ai_family == AF_INET6)
		setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if ((flags & SOCKET_REUSE_PORT) &&
	    setsockopt(*fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0)
		status = -errno;
	else
		status = socket_settle(*fd, ai->ai_addr, ai->ai_addrlen, ai->ai_socktype);
	if (status < 0)
		close(*fd);
	return status;
}

int socket_bind(const struct addr *at, unsigned flags, int *fd)
{
	struct addrinfo hints = { .ai_socktype = socket_type(at), .ai_flags = AI_PASSIVE };
	struct addrinfo *list = NULL;
	char port[8];
	int status = -EADDRNOTAVAIL;
	int got = -1;

	if (at->scheme == ADDR_UNIX || at->scheme == ADDR_UNIXGRAM) {
		status = socket_bind_unix(at, &got);
	} else {
		snprintf(port, sizeof(port), "%u", (unsigned)at->port);
		if (getaddrinfo(at->host, port, &hints, &list) != 0)
			return -EADDRNOTAVAIL;
		for (struct addrinfo *ai = list; ai != NULL && status != 0; ai = ai->ai_next)
			status = socket_bind_inet(ai, flags, &got);
		freeaddrinfo(list);
	}
	if (status == 0)
		*fd = got;
	return status;
}

int socket_connect_unix(const struct addr *to, int *fd)
{
	int got;
	int status = socket_unix_open(to, &got);

	if (status == 0)
		*fd = got;
	return status;
}

const char *socket_local(int fd, char out[ADDR_TEXT_SIZE])
{
	struct sockaddr_storage sa = { 0 };
	socklen_t size = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &size) < 0)
		snprintf(out, ADDR_TEXT_SIZE, "unknown");
	else
		addr_format_socket((struct sockaddr *)&sa, size, out);
	return out;
}
