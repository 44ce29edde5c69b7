// SPDX-License-Identifier: Apache-2.0
/*
 * commands.c - guests in an array, each with the line that it types and the answer it reads.
 *
 * A guest is either typing (readable is watched), reading (writable is watched, until all is sent),
 * or waiting for a seal (nothing is watched: it can neither type more nor be answered). Lines that
 * came behind a question wait in the buffer and are obeyed after its answer, so answers stand in
 * the order of questions. One timer looks for those that have been idle.
 */
#include "agent/commands.h"

#include "proto/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define COMMANDS_LINE_BYTES   256
#define COMMANDS_ANSWER_BYTES (8 * 1024 * 1024)

struct commands_guest {
	uv_poll_t poll;
	struct commands *commands;
	int fd;
	uint64_t since_ms;
	char line[COMMANDS_LINE_BYTES];
	size_t size;
	struct buf out; /* of which `sent` bytes have gone */
	size_t sent;
	int asked; /* a kind, waiting for a seal; -1 */
	bool ended; /* it says no more */
	bool quit;  /* when all is sent */
};

struct commands {
	uv_loop_t *loop;
	uv_timer_t timer;
	commands_state_fn state;
	void *arg;
	struct commands_guest *guests[COMMANDS_GUESTS];
	bool closing;
};

static void commands_on_ready(uv_poll_t *poll, int status, int events);

/* ---- connections ---- */

static void commands_on_gone(uv_handle_t *handle)
{
	struct commands_guest *g = handle->data;

	close(g->fd);
	buf_release(&g->out);
	free(g);
}

static void commands_drop(struct commands_guest *g)
{
	struct commands *c = g->commands;

	for (size_t i = 0; i < COMMANDS_GUESTS; i++)
		if (c->guests[i] == g)
			c->guests[i] = NULL;
	uv_close((uv_handle_t *)&g->poll, commands_on_gone);
}

/* Sends what there is; what the kernel does not take waits until it does. False: it has gone. */
static bool commands_flush(struct commands_guest *g)
{
	ssize_t sent = 0;

	while (g->sent < g->out.size && sent >= 0) {
		sent = send(g->fd, g->out.data + g->sent, g->out.size - g->sent,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
		g->sent += sent > 0 ? (size_t)sent : 0;
	}
	if ((sent < 0 && errno != EAGAIN) || buf_status(&g->out) < 0 ||
	    ((g->quit || (g->ended && g->asked < 0)) && g->sent == g->out.size)) {
		commands_drop(g);
		return false;
	}
	if (g->sent == g->out.size) {
		buf_release(&g->out);
		g->sent = 0;
	}
	/* Nothing more is read from a client that does not read, or waits for a seal. */
	if (g->out.size > 0 || g->asked < 0)
		uv_poll_start(&g->poll, g->out.size > 0 ? UV_WRITABLE : UV_READABLE,
			      commands_on_ready);
	else
		uv_poll_stop(&g->poll);
	return true;
}

/* ---- words ---- */

static void commands_stats(struct commands_guest *g)
{
	struct commands_state s = g->commands->state(g->commands->arg);

	buf_printf(&g->out, "uptime: %" PRId64 "\nmessages.last_msg_seen: %" PRId64
		   "\nmessages.bad_lines_seen: %" PRIu64 "\nhourglass.samples_received: %" PRIu64
		   "\nEND\n\n", s.uptime_s, s.last_line_s, s.bad_lines, s.samples);
}

static void commands_health(struct commands_guest *g)
{
	buf_put_text(&g->out, g->commands->state(g->commands->arg).healthy ? "health: up\n" :
									     "health: down\n");
}

static void commands_help(struct commands_guest *g)
{
	buf_put_text(&g->out, "Commands: stats, counters, timers, gauges, sets, health, quit\n\n");
}

static void commands_quit(struct commands_guest *g)
{
	g->quit = true;
}

/* A word is answered at once, or, where it asks for a kind of series, at the next seal. */
static const struct commands_word {
	const char *word;
	void (*answer)(struct commands_guest *g); /* NULL: it asks for this kind */
	enum kind kind;
} commands_words[] = {
	{ .word = "stats", .answer = commands_stats },
	{ .word = "health", .answer = commands_health },
	{ .word = "help", .answer = commands_help },
	{ .word = "quit", .answer = commands_quit },
	{ .word = "counters", .kind = KIND_COUNTER },
	{ .word = "timers", .kind = KIND_DISTRIBUTION },
	{ .word = "gauges", .kind = KIND_GAUGE },
	{ .word = "sets", .kind = KIND_SET },
};

static const struct commands_word *commands_find(struct slice text)
{
	for (size_t i = 0; i < sizeof(commands_words) / sizeof(commands_words[0]); i++)
		if (slice_equal(text, slice_text(commands_words[i].word)))
			return &commands_words[i];
	return NULL;
}

static void commands_obey(struct commands_guest *g, struct slice text)
{
	const struct commands_word *word = commands_find(text);

	if (text.size == 0)
		return; /* the newline of a word that was obeyed without it */
	if (word == NULL)
		buf_put_text(&g->out, "ERROR\n");
	else if (word->answer != NULL)
		word->answer(g);
	else
		g->asked = (int)word->kind;
}

/* Obeys the lines that are whole, up to one that has to wait. all: the rest is one too. */
static void commands_obey_lines(struct commands_guest *g, bool all)
{
	while (g->asked < 0 && !g->quit && g->size > 0) {
		char *newline = memchr(g->line, '\n', g->size);
		size_t size = newline ? (size_t)(newline - g->line) : g->size;
		char word[COMMANDS_LINE_BYTES + 1];

		if (newline == NULL && !all)
			return;
		memcpy(word, g->line, size);
		word[size] = '\0';
		word[strcspn(word, "\r")] = '\0';
		g->size -= size + (newline != NULL);
		memmove(g->line, g->line + size + (newline != NULL), g->size);
		commands_obey(g, slice_text(word));
	}
}

/* statsd takes what comes in one packet for a command, with or without a newline; so a word that is
 * whole needs none, if nothing else has come. */
static bool commands_is_word(const struct commands_guest *g)
{
	return commands_find(slice_of(g->line, g->size)) != NULL;
}

static void commands_on_ready(uv_poll_t *poll, int status, int events)
{
	struct commands_guest *g = poll->data;
	ssize_t got;

	if (status < 0) {
		commands_drop(g);
		return;
	}
	g->since_ms = uv_now(g->commands->loop);
	if (events & UV_READABLE) {
		got = recv(g->fd, g->line + g->size, sizeof(g->line) - g->size, MSG_DONTWAIT);
		if (got < 0 && errno == EAGAIN)
			return;
		g->size += got > 0 ? (size_t)got : 0;
		g->ended = got <= 0;
		commands_obey_lines(g, g->ended || commands_is_word(g));
		/* A line that is none: what is answered already goes out. */
		g->quit = g->quit || (g->asked < 0 && g->size == sizeof(g->line));
	}
	(void)commands_flush(g);
}

/* ---- what is in the tables ---- */

/* A name as statsd's dump would quote it. */
static void commands_put_name(struct buf *out, const struct table_series *s)
{
	buf_put_text(out, "'");
	for (size_t i = 0; i < s->size; i++) {
		if (s->bytes[i] == '\'' || s->bytes[i] == '\\')
			buf_put_text(out, "\\");
		buf_put_u8(out, s->bytes[i]);
	}
	buf_put_text(out, "': ");
}

static void commands_put_number(struct buf *out, double value)
{
	char text[JSON_NUMBER_SIZE];

	buf_put_text(out, json_format_number(value, text));
}

static double commands_total(const struct table_series *s)
{
	double total = 0, value;
	uint64_t run;

	for (const struct table_group *g = s->groups; g != NULL; g = g->next) {
		struct values_reader reader = values_read(&g->values);

		while (g->samples > 0 && values_next(&reader, &value, &run))
			total += value * (double)run;
	}
	return total;
}

static void commands_put_values(struct buf *out, const struct table_series *s)
{
	size_t shown = 0;
	double value;
	uint64_t run, samples = 0;

	buf_put_text(out, "[");
	for (const struct table_group *g = s->groups; g != NULL; g = g->next) {
		struct values_reader reader = values_read(&g->values);

		samples += g->samples;
		while (g->samples > 0 && values_next(&reader, &value, &run))
			for (; run > 0 && shown < COMMANDS_VALUES; run--) {
				buf_put_text(out, shown++ ? ", " : " ");
				commands_put_number(out, value);
			}
	}
	if (samples > shown)
		buf_printf(out, ", ... %" PRIu64 " more items", samples - shown);
	buf_put_text(out, " ]");
}

static void commands_put_value(struct buf *out, const struct table_series *s)
{
	const struct table_group *g = s->groups;
	uint64_t samples = 0;

	switch ((enum kind)s->kind) {
	case KIND_COUNTER:
		commands_put_number(out, commands_total(s));
		break;
	case KIND_DISTRIBUTION:
		commands_put_values(out, s);
		break;
	case KIND_GAUGE:
		while (g->next != NULL && g->samples == 0)
			g = g->next;
		if (!g->gauge->has_set)
			buf_put_text(out, g->gauge->delta < 0 ? "" : "+");
		commands_put_number(out, g->gauge->last + g->gauge->delta);
		break;
	default: /* of a set the members are not kept, only their hashes */
		for (; g != NULL; g = g->next)
			samples += g->samples;
		buf_printf(out, "%" PRIu64, samples);
		break;
	}
}

/* The series of one kind in the tables: `{ 'a': 1,\n  'b': 2 }` and END. */
static void commands_dump(struct buf *out, enum kind kind, struct table *const *tables,
			  size_t count)
{
	const struct table_series *s;
	size_t shown = 0, cursor;

	buf_put_text(out, "{");
	for (size_t i = 0; i < count; i++) {
		cursor = 0;
		while (shown < COMMANDS_SERIES && (s = table_next(tables[i], &cursor)) != NULL) {
			if (s->kind != kind || s->role == TABLE_OWN || s->groups->series == NULL)
				continue;
			buf_put_text(out, shown++ ? ",\n  " : " ");
			commands_put_name(out, s);
			commands_put_value(out, s);
		}
	}
	buf_put_text(out, shown ? " }\nEND\n\n" : "}\nEND\n\n");
}

bool commands_is_waiting(const struct commands *c)
{
	for (size_t i = 0; c != NULL && i < COMMANDS_GUESTS; i++)
		if (c->guests[i] != NULL && c->guests[i]->asked >= 0)
			return true;
	return false;
}

void commands_interval(struct commands *c, struct table *const *tables, size_t count)
{
	for (size_t i = 0; c != NULL && i < COMMANDS_GUESTS; i++) {
		struct commands_guest *g = c->guests[i];

		if (g == NULL || g->asked < 0)
			continue;
		commands_dump(&g->out, (enum kind)g->asked, tables, count);
		g->asked = -1;
		commands_obey_lines(g, g->ended);
		(void)commands_flush(g);
	}
}

/* ---- life ---- */

static void commands_on_timer(uv_timer_t *timer)
{
	struct commands *c = timer->data;
	bool some = false;

	for (size_t i = 0; i < COMMANDS_GUESTS; i++) {
		struct commands_guest *g = c->guests[i];

		if (g != NULL && uv_now(c->loop) - g->since_ms >= COMMANDS_IDLE_MS)
			commands_drop(g);
		some = some || c->guests[i] != NULL;
	}
	if (some)
		uv_timer_start(timer, commands_on_timer, COMMANDS_IDLE_MS / 10, 0);
}

int commands_new(uv_loop_t *loop, commands_state_fn state, void *arg, struct commands **out)
{
	struct commands *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	c->loop = loop;
	c->state = state;
	c->arg = arg;
	uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	*out = c;
	return 0;
}

void commands_serve(struct commands *c, int fd)
{
	struct commands_guest *g = NULL;
	size_t place = 0;

	while (place < COMMANDS_GUESTS && c->guests[place] != NULL)
		place++;
	if (place < COMMANDS_GUESTS)
		g = calloc(1, sizeof(*g));
	if (g == NULL || uv_poll_init(c->loop, &g->poll, fd) < 0) {
		free(g);
		close(fd);
		return;
	}
	g->poll.data = g;
	g->commands = c;
	g->fd = fd;
	g->asked = -1;
	g->since_ms = uv_now(c->loop);
	buf_init(&g->out, COMMANDS_ANSWER_BYTES);
	c->guests[place] = g;
	uv_poll_start(&g->poll, UV_READABLE, commands_on_ready);
	if (!uv_is_active((uv_handle_t *)&c->timer))
		uv_timer_start(&c->timer, commands_on_timer, COMMANDS_IDLE_MS / 10, 0);
}

static void commands_on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void commands_close(struct commands *c)
{
	if (c == NULL || c->closing)
		return;
	c->closing = true;
	for (size_t i = 0; i < COMMANDS_GUESTS; i++)
		if (c->guests[i] != NULL)
			commands_drop(c->guests[i]);
	uv_close((uv_handle_t *)&c->timer, commands_on_closed);
}
