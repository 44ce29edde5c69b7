// SPDX-License-Identifier: Apache-2.0
#include "agent/listen.h"

#include "proto/daemon/advice.h"
#include "proto/daemon/log.h"
#include "proto/err.h"
#include "proto/net/socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

static const char listen_expected[] =
	"udp://host:port, tcp://host:port, unixgram:///path or unix:///path (`@name` in the place "
	"of `///path` is abstract), comma-separated, at most 16";

const char *listen_check(const char *list)
{
	struct slice rest = slice_text(list);
	struct addr address;
	size_t count = 0;
	int more;

	while ((more = addr_next(&rest, &address)) == 1)
		count++;
	return more < 0 || count == 0 || count > LISTEN_ADDRESSES ? listen_expected : NULL;
}

static bool listen_is_stream(const struct addr *a)
{
	return a->scheme == ADDR_TCP || a->scheme == ADDR_UNIX;
}

size_t listen_addresses(const char *list, bool streams, struct addr out[LISTEN_ADDRESSES])
{
	struct slice rest = slice_text(list);
	size_t count = 0;

	while (count < LISTEN_ADDRESSES && addr_next(&rest, &out[count]) == 1) {
		if (out[count].scheme == ADDR_NONE)
			out[count].scheme = ADDR_UDP;
		count += listen_is_stream(&out[count]) == streams;
	}
	return count;
}

static bool listen_is_v6(const struct addr *a)
{
	return a->scheme != ADDR_UNIX && a->scheme != ADDR_UNIXGRAM &&
	       strchr(a->host, ':') != NULL;
}

/* `[::]` alone takes IPv4 too. With an IPv4 address of the same port beside it, it must not. */
static bool listen_is_v6_only(const char *list, const struct addr *at)
{
	struct addr all[LISTEN_ADDRESSES];
	size_t count = listen_addresses(list, listen_is_stream(at), all);

	if (!listen_is_v6(at))
		return false;
	for (size_t i = 0; i < count; i++)
		if (all[i].scheme == at->scheme && all[i].port == at->port &&
		    !listen_is_v6(&all[i]))
			return true;
	return false;
}

int listen_bind(const char *list, const struct addr *at, bool reuse_port, int *fd)
{
	unsigned flags = (reuse_port ? SOCKET_REUSE_PORT : 0) |
			 (listen_is_v6_only(list, at) ? SOCKET_V6_ONLY : 0);
	char text[ADDR_TEXT_SIZE];
	int status = socket_bind(at, flags, fd);

	if (status < 0)
		advice_listen(addr_format(at, text), status);
	/* As on loopback, whoever is on this host may send. */
	else if (at->host[0] == '/' && chmod(at->host, 0666) < 0)
		log_warn("socket_mode", "path=%s err=%s", at->host, err_name(-errno));
	return status;
}

size_t listen_inherited(bool streams, int *fds, size_t most)
{
	char **names = NULL;
	int passed = sd_listen_fds_with_names(0, &names);
	size_t count = 0;

	for (int i = 0; i < passed; i++) {
		int fd = SD_LISTEN_FDS_START + i;
		bool wanted = streams ? sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) > 0 :
					sd_is_socket(fd, AF_UNSPEC, SOCK_DGRAM, -1) > 0;

		if (wanted && strcmp(names[i], "admin") != 0 && count < most)
			fds[count++] = fd;
		free(names[i]);
	}
	free(names);
	return count;
}

void listen_show(int fd, char text[LISTEN_TEXT_SIZE])
{
	bool stream = sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, -1) > 0;
	const char *scheme = stream ? "tcp://" : "udp://";
	char storage[ADDR_TEXT_SIZE];
	const char *local = socket_local(fd, storage);
	size_t at = strlen(text);

	if (strncmp(local, "unix:", 5) == 0) {
		scheme = stream ? "unix:" : "unixgram:";
		local += 5;
	}
	snprintf(text + at, LISTEN_TEXT_SIZE - at, "%s%s%s", at > 0 ? "," : "", scheme, local);
}
