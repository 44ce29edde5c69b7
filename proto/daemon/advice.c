// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/advice.h"

#include "proto/daemon/log.h"
#include "proto/err.h"

#include <errno.h>
#include <string.h>
#include <uv.h>

static const char *advice_for_path(int status)
{
	switch (status) {
	case -EADDRINUSE:
		return "another process listens there, or what is there is no socket";
	case -EACCES:
	case -EPERM:
	case -EROFS:
		return "this user may not make a socket in that folder";
	case -ENOENT:
	case -ENOTDIR:
		return "its folder is not there: make it first";
	default:
		return "";
	}
}

static const char *advice_for_port(int status)
{
	switch (status) {
	case -EADDRINUSE:
		return "another process has that port (ss -lntup shows which): end it or take another";
	case -EACCES:
	case -EPERM:
		return "this user may not take that port: take one above 1023, or let a unit of "
		       "systemd hold it";
	case -EADDRNOTAVAIL:
		return "no interface of this host has that address, or its name does not resolve";
	case -EAFNOSUPPORT:
		return "this host has no such kind of address; is IPv6 turned off?";
	default:
		return "";
	}
}

void advice_listen(const char *address, int status)
{
	const char *hint = strchr(address, '/') || *address == '@' || strstr(address, ":@") ?
				   advice_for_path(status) :
				   advice_for_port(status);
	char quoted[LOG_QUOTE_SIZE];

	log_error("listen_failed", "address=%s err=%s%s%s%s",
		  log_quote(slice_text(address), quoted), err_name(status), *hint ? " hint=\"" : "",
		  hint, *hint ? "\"" : "");
}

const char *advice_folder(int status)
{
	switch (status) {
	case -EBUSY:
		return "another agent uses this folder: each needs one of its own";
	case -ENOENT:
		return "make it first, owned by the user of this process";
	case -ENOTDIR:
		return "that is a file: name a folder";
	case -EACCES:
	case -EPERM:
		return "the user of this process must own it";
	case -EROFS:
		return "its file system is read-only (under systemd: StateDirectory= or "
		       "ReadWritePaths=)";
	case -ENOSPC:
	case -EDQUOT:
		return "its file system is full";
	default:
		return "";
	}
}

/* What any connection may meet; "" for what depends on who should be there. */
static const char *advice_link(int status)
{
	switch (status) {
	case -ETIMEDOUT:
		return "it does not answer: it hangs, or a firewall stands between";
	case -EHOSTUNREACH:
	case -ENETUNREACH:
		return "no route leads there from this host";
	default:
		return "";
	}
}

const char *advice_relay(int status)
{
	switch (status) {
	case -ECONNREFUSED:
		return "start a relay there, or say in `relays` where one is";
	case UV_EOF:
	case -ECONNRESET:
		return "what listens there hung up: is it a relay?";
	case UV_EAI_AGAIN:
		return "no name server answers for this host";
	case UV_EAI_NONAME:
	case UV_EAI_NODATA:
		return "this host's name does not resolve";
	default:
		return advice_link(status);
	}
}

const char *advice_redis(const char *said, int status)
{
	static const struct {
		const char *begins;
		const char *hint;
	} refusals[] = {
		{ "NOAUTH", "it wants a password: redis = redis://:password@host:port/db, or user:password@" },
		{ "WRONGPASS", "user or password in `redis` is not the one that Redis knows" },
		{ "NOPERM", "this user's ACL lacks that command (ACL SETUSER, or another user)" },
		{ "ERR DB index", "that Redis has no database of this number (`databases`)" },
		{ "ERR max number of clients", "Redis takes no more clients (its `maxclients`)" },
		{ "DENIED", "Redis runs in protected mode: give it a password or a bind address" },
	};

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (strncmp(said, refusals[i].begins, strlen(refusals[i].begins)) == 0)
			return refusals[i].hint;
	switch (*said ? 0 : status) {
	case -ECONNREFUSED:
	case -ENOENT:
		return "start Redis there, or say in `redis` where it is";
	case -EACCES:
		return "this user may not use that socket (Redis' `unixsocketperm`)";
	case ERR_MALFORMED:
		return "what listens there does not speak as Redis does";
	case UV_EOF:
	case -ECONNRESET:
		return "what listens there hung up: is it Redis, and without TLS?";
	case UV_EAI_AGAIN:
		return "no name server answers for the host in `redis`";
	case UV_EAI_NONAME:
	case UV_EAI_NODATA:
		return "the host's name in `redis` does not resolve";
	default:
		return advice_link(*said ? 0 : status);
	}
}
