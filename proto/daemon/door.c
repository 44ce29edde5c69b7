// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define DOOR_BURST    16 /* connections taken in one turn of the loop */
#define DOOR_PAUSE_MS 100

struct door_guest {
	uv_poll_t poll;
	struct door *door;
	struct door_guest *before, *after;
	uint64_t since_ms;
	int fd; /* -1: handed on */
};

struct door {
	uv_loop_t *loop;
	uv_poll_t poll;
	uv_timer_t timer; /* who has waited too long; ends a pause */
	struct door_events events;
	void *arg;
	struct door_guest *guests;
	unsigned guest_count;
	unsigned handles;
	int fd;
};

static void door_on_listen(uv_poll_t *poll, int status, int events);

/* ---- guests ---- */

static void door_on_guest_closed(uv_handle_t *handle)
{
	struct door_guest *g = handle->data;

	if (g->fd >= 0)
		close(g->fd);
	free(g);
}

/* Takes a guest off the list. keep: its descriptor has another owner now. */
static void door_let_go(struct door *d, struct door_guest *g, bool keep)
{
	if (g->before != NULL)
		g->before->after = g->after;
	else
		d->guests = g->after;
	if (g->after != NULL)
		g->after->before = g->before;
	d->guest_count--;
	if (keep)
		g->fd = -1;
	uv_close((uv_handle_t *)&g->poll, door_on_guest_closed);
}

/* Looks at the first byte. -EAGAIN when it is not there yet, -EPIPE when it never will be. */
static int door_look(int fd)
{
	char byte;
	ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (got == 1)
		return (unsigned char)byte;
	return got < 0 && (errno == EAGAIN || errno == EINTR) ? -EAGAIN : -EPIPE;
}

static void door_hand_on(struct door *d, int fd, int byte)
{
	if (byte >= 'a' && byte <= 'z')
		d->events.words(d->arg, fd);
	else
		d->events.http(d->arg, fd);
}

static void door_on_guest(uv_poll_t *poll, int status, int events)
{
	struct door_guest *g = poll->data;
	struct door *d = g->door;
	int byte = door_look(g->fd), fd = g->fd;

	(void)status;
	(void)events;
	if (byte == -EAGAIN)
		return;
	/* The poll goes first: the next owner polls the descriptor by itself. */
	door_let_go(d, g, byte >= 0);
	if (byte >= 0)
		door_hand_on(d, fd, byte);
}

static void door_wait_for(struct door *d, int fd)
{
	struct door_guest *g = d->guest_count < DOOR_GUESTS ? calloc(1, sizeof(*g)) : NULL;

	if (g == NULL || uv_poll_init(d->loop, &g->poll, fd) < 0) {
		free(g);
		close(fd);
		return;
	}
	g->poll.data = g;
	g->door = d;
	g->fd = fd;
	g->since_ms = uv_now(d->loop);
	g->after = d->guests;
	if (g->after != NULL)
		g->after->before = g;
	d->guests = g;
	d->guest_count++;
	uv_poll_start(&g->poll, UV_READABLE, door_on_guest);
}

/* ---- the door ---- */

static void door_on_timer(uv_timer_t *timer)
{
	struct door *d = timer->data;
	struct door_guest *next;

	for (struct door_guest *g = d->guests; g != NULL; g = next) {
		next = g->after;
		if (uv_now(d->loop) - g->since_ms >= DOOR_WAIT_MS)
			door_let_go(d, g, false);
	}
	uv_poll_start(&d->poll, UV_READABLE, door_on_listen);
	if (d->guests != NULL)
		uv_timer_start(timer, door_on_timer, DOOR_WAIT_MS / 10, 0);
}

static void door_on_listen(uv_poll_t *poll, int status, int events)
{
	struct door *d = poll->data;

	(void)status;
	(void)events;
	for (int i = 0; i < DOOR_BURST; i++) {
		int fd = accept4(d->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		int byte;

		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
			uv_poll_stop(&d->poll);
			uv_timer_start(&d->timer, door_on_timer, DOOR_PAUSE_MS, 0);
		}
		if (fd < 0)
			return;
		byte = door_look(fd);
		if (byte >= 0)
			door_hand_on(d, fd, byte);
		else
			door_wait_for(d, fd);
		if (d->guests != NULL && !uv_is_active((uv_handle_t *)&d->timer))
			uv_timer_start(&d->timer, door_on_timer, DOOR_WAIT_MS / 10, 0);
	}
}

int door_open(uv_loop_t *loop, int fd, const struct door_events *events, void *arg,
	      struct door **out)
{
	struct door *d = calloc(1, sizeof(*d));
	int status;

	if (d == NULL)
		return -ENOMEM;
	*d = (struct door){ .loop = loop, .events = *events, .arg = arg, .fd = fd, .handles = 2 };
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	status = uv_poll_init(loop, &d->poll, fd);
	if (status < 0) {
		free(d);
		return status;
	}
	uv_timer_init(loop, &d->timer);
	d->poll.data = d;
	d->timer.data = d;
	uv_poll_start(&d->poll, UV_READABLE, door_on_listen);
	*out = d;
	return 0;
}

static void door_on_closed(uv_handle_t *handle)
{
	struct door *d = handle->data;

	if (--d->handles > 0)
		return;
	close(d->fd);
	free(d);
}

void door_close(struct door *d)
{
	while (d->guests != NULL)
		door_let_go(d, d->guests, false);
	uv_close((uv_handle_t *)&d->poll, door_on_closed);
	uv_close((uv_handle_t *)&d->timer, door_on_closed);
}
