/*
 * clients.h - lines over TCP and Unix stream sockets.
 *
 * One thread of its own, with an intake of its own, serves all of them, so whatever a client does,
 * datagrams are received as before. A connection that is readable is read once, 64 KiB at most,
 * and then it is the next one's turn: a fast client cannot starve another, and a slow one makes
 * nobody wait. Bounded are: connections (one too many is accepted and closed, so its client
 * knows), the half line of each (framing.h), and how long a connection may go without finishing
 * a line; a client that sends a byte now and then is closed as well.
 *
 * The end of a stream in order ends its last line; a connection that breaks or is closed by us may
 * have been cut in the middle of one, which is then refused. Nothing is ever written to a
 * client. What the kernel has taken from a client and we have not read dies with an agent that is
 * killed; a listening socket that systemd passes does not, so clients connect again at once.
 */
#ifndef AGENT_CLIENTS_H
#define AGENT_CLIENTS_H

#include "agent/intake.h"
#include "agent/listen.h"
#include "proto/line.h"

#include <stddef.h>
#include <stdint.h>

struct clients;

struct clients_options {
	const char *listen;     /* listen.h's list; its stream addresses are meant */
	size_t max_connections;
	int64_t idle_ms;        /* without the end of a line */
	struct line_options lines;
	int64_t max_age_s;      /* ingest.h's */
};

/* Listens, or takes systemd's sockets; there may be none. intake is borrowed. *out: clients_close.
 * 0, a negative errno (logged). */
int clients_open(const struct clients_options *options, struct intake *intake,
		 struct clients **out) __attribute__((warn_unused_result));

/* How its lines are read (ingest.h): the floor, add_tags and where to count. */
struct ingest *clients_ingest(struct clients *s);

/* Starts the thread, if there is anything to listen to. 0, a negative errno. */
int clients_start(struct clients *s) __attribute__((warn_unused_result));

/* Reads what has come over the connections, closes them and ends the thread. May be called
 * twice. */
void clients_stop(struct clients *s);

/* Stops it, closes the sockets, frees it. NULL is allowed. */
void clients_close(struct clients *s);

/* Appends where it really listens (listen_show). */
void clients_addresses(const struct clients *s, char out[LISTEN_TEXT_SIZE]);

#endif
