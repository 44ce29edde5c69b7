/*
 * door.h - one listening socket for HTTP and for an older protocol of plain words.
 *
 * The first byte tells them apart: methods of HTTP are written in capitals, the words (statsd's
 * `health`, `stats`) in small letters. A connection waits at the door until that byte is there,
 * DOOR_WAIT_MS at most and DOOR_GUESTS of them; the byte is only looked at. The loop's thread.
 */
#ifndef PROTO_DAEMON_DOOR_H
#define PROTO_DAEMON_DOOR_H

#include <uv.h>

#define DOOR_GUESTS  64
#define DOOR_WAIT_MS 10000

struct door;

struct door_events {
	void (*http)(void *arg, int fd);  /* takes the descriptor over */
	void (*words)(void *arg, int fd); /* likewise */
};

/* Accepts from a listening socket, which becomes the door's when it succeeds. *out: door_close. 0,
 * a negative errno. */
int door_open(uv_loop_t *loop, int fd, const struct door_events *events, void *arg,
	      struct door **out) __attribute__((warn_unused_result));

/* Closes it and whoever waits at it; frees it when the loop comes round. */
void door_close(struct door *d);

#endif
