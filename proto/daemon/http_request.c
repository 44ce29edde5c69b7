// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/http_private.h"

#include "proto/err.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A body over the limit is read on and thrown away up to so much more, so that its sender gets to
 * read the 413; who sends more is cut off. One that found no room is read to its end. */
#define HTTP_DISCARD_BYTES ((size_t)1 << 20)

/* By number: libmicrohttpd renamed its constant between 0.9.75 and 1.0. */
#define HTTP_TOO_LARGE 413

/* Of what is refused before a handler chooses its own headers: a browser that is made to show it
 * takes it for the text it is, runs nothing and loads nothing. */
static const struct http_header http_refusal_headers[] = {
	{ "X-Content-Type-Options", "nosniff" },
	{ "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'" },
};

#define HTTP_REFUSAL_HEADERS (sizeof(http_refusal_headers) / sizeof(*http_refusal_headers))

struct http_request {
	struct http_server *server;
	struct MHD_Connection *connection;
	struct MHD_Response *response;
	const char *method;
	struct buf body;
	size_t came_bytes;     /* of the body, those thrown away too */
	size_t held_bytes;     /* of the server's room for bodies */
	size_t sending_bytes;  /* the answer's */
	unsigned status;       /* of the answer; 0: there is none yet */
	bool begun;       /* the headers were seen */
	bool handed_over; /* the handler has it */
	bool replied;
	bool suspended;
	void (*local)(void *arg, unsigned status, struct slice body); /* or NULL */
	void *local_arg;
	struct http_header added; /* name NULL: none */
	char added_value[HTTP_ADDED_SIZE];
	size_t path_size;
	char uri[]; /* as it was sent: path, `?`, query */
};

size_t http_request_keep_escapes(void *nothing, struct MHD_Connection *connection, char *text)
{
	(void)nothing;
	(void)connection;
	return strlen(text);
}

static struct http_request *request_new(const char *uri)
{
	size_t size = strlen(uri);
	struct http_request *r = calloc(1, sizeof(*r) + size + 1);

	if (r == NULL)
		return NULL;
	memcpy(r->uri, uri, size + 1);
	r->path_size = strcspn(uri, "?");
	return r;
}

struct http_request *http_request_local(const char *uri,
					void (*replied)(void *arg, unsigned status,
							struct slice body),
					void *arg)
{
	struct http_request *r = request_new(uri);

	if (r == NULL)
		return NULL;
	r->method = MHD_HTTP_METHOD_GET;
	r->handed_over = true;
	r->local = replied;
	r->local_arg = arg;
	return r;
}

/* A NULL result (no memory) makes http_request_serve drop the connection. */
void *http_request_begin(void *server, const char *uri, struct MHD_Connection *connection)
{
	struct http_request *r = request_new(uri);

	if (r == NULL)
		return NULL;
	r->server = server;
	r->connection = connection;
	buf_init(&r->body, http_server_body_limit(server));
	return r;
}

void http_request_over(void *server, struct MHD_Connection *connection, void **request,
		       enum MHD_RequestTerminationCode how)
{
	struct http_request *r = *request;

	(void)how;
	http_slow_expect(http_server_slow(server), connection);
	if (r == NULL)
		return;
	assert(!r->handed_over || r->replied);
	if (r->handed_over)
		http_server_over(server);
	if (r->response != NULL)
		MHD_destroy_response(r->response);
	http_server_unreserve(server, &r->held_bytes);
	http_server_sending(server, 0, r->sending_bytes);
	buf_release(&r->body);
	free(r);
	*request = NULL;
}

/* ---- the request's course ---- */

/* Gives the stored response to libmicrohttpd; without one (no memory) the connection ends. */
static enum MHD_Result request_queue(struct http_request *r)
{
	return r->response ? MHD_queue_response(r->connection, r->status, r->response) : MHD_NO;
}

static void request_set_response(struct http_request *r, unsigned status, uint8_t *bytes,
				 size_t size)
{
	r->status = status;
	r->response = MHD_create_response_from_buffer_with_free_callback(size, bytes, free);
	if (r->response == NULL)
		free(bytes);
}

static void request_refuse(struct http_request *r, unsigned status, const char *text)
{
	char *copy = strdup(text);

	request_set_response(r, status, (uint8_t *)copy, copy ? strlen(copy) : 0);
	if (r->response == NULL)
		return;
	MHD_add_response_header(r->response, "Content-Type", "text/plain");
	MHD_add_response_header(r->response, "Connection", "close");
	for (size_t i = 0; i < HTTP_REFUSAL_HEADERS; i++)
		MHD_add_response_header(r->response, http_refusal_headers[i].name,
					http_refusal_headers[i].value);
	if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
		MHD_add_response_header(r->response, "Retry-After", "1");
}

static void request_refuse_crowded(struct http_request *r)
{
	http_server_crowded(r->server);
	request_refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, "too many bodies at once\n");
}

/* Refusing before the body is read saves reading it; then the library closes. That there is room
 * now for all that was announced takes none of it: who only announces keeps nobody out. */
static enum MHD_Result request_admit(struct http_request *r)
{
	const char *length = http_header(r, "Content-Length");
	uint64_t size = length != NULL ? strtoull(length, NULL, 10) : 0;

	if (http_server_is_closing(r->server))
		request_refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, "shutting down\n");
	else if (size > r->body.ceiling)
		request_refuse(r, HTTP_TOO_LARGE, "the body is too large\n");
	else if (!http_server_fits(r->server, size))
		request_refuse_crowded(r);
	if (r->status != 0)
		return request_queue(r);
	if (size > 0 || http_header(r, "Transfer-Encoding") != NULL)
		http_server_body(r->server, r->connection, 0);
	return MHD_YES;
}

/* libmicrohttpd takes no response in the midst of an upload, so the refusal waits for its
 * end. */
static enum MHD_Result request_collect(struct http_request *r, const char *bytes, size_t *size)
{
	http_server_body(r->server, r->connection, *size);
	r->came_bytes += *size;
	if (r->status == 0 && !http_server_reserve(r->server, r->came_bytes, &r->held_bytes))
		request_refuse_crowded(r);
	if (r->status == 0) {
		buf_put(&r->body, bytes, *size);
		if (buf_status(&r->body) < 0)
			request_refuse(r, HTTP_TOO_LARGE, "the body is too large\n");
	}
	if (r->status != 0) {
		buf_release(&r->body);
		http_server_unreserve(r->server, &r->held_bytes);
	}
	*size = 0;
	return r->came_bytes > r->body.ceiling + HTTP_DISCARD_BYTES ? MHD_NO : MHD_YES;
}

enum MHD_Result http_request_serve(void *server, struct MHD_Connection *connection,
				   const char *url, const char *method, const char *version,
				   const char *upload, size_t *upload_size, void **request)
{
	struct http_request *r = *request;

	(void)url;
	(void)version;
	if (r == NULL)
		return MHD_NO;
	if (!r->begun) {
		r->begun = true;
		r->method = method;
		return request_admit(r);
	}
	if (*upload_size > 0)
		return request_collect(r, upload, upload_size);
	if (r->handed_over || r->status != 0)
		return request_queue(r);
	r->handed_over = true;
	http_slow_pause(connection);
	http_server_hand_over(server, r);
	if (r->replied)
		return request_queue(r);
	r->suspended = true;
	MHD_suspend_connection(connection);
	return MHD_YES;
}

/* ---- what a handler asks and does ---- */

const char *http_method(const struct http_request *r)
{
	return r->method;
}

struct slice http_path(const struct http_request *r)
{
	return slice_of(r->uri, r->path_size);
}

struct slice http_query(const struct http_request *r)
{
	const char *query = r->uri + r->path_size;

	return slice_text(query[0] == '?' ? query + 1 : query);
}

const char *http_header(const struct http_request *r, const char *name)
{
	if (r->local != NULL)
		return NULL;
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

struct request_lines {
	const char *name;
	void (*each)(void *arg, const char *value);
	void *arg;
};

static enum MHD_Result request_on_line(void *lines, enum MHD_ValueKind kind, const char *name,
				       const char *value)
{
	const struct request_lines *l = lines;

	(void)kind;
	if (value != NULL && strcasecmp(name, l->name) == 0)
		l->each(l->arg, value);
	return MHD_YES;
}

void http_header_each(const struct http_request *r, const char *name,
		      void (*each)(void *arg, const char *value), void *arg)
{
	struct request_lines lines = { .name = name, .each = each, .arg = arg };

	if (r->local == NULL)
		(void)MHD_get_connection_values(r->connection, MHD_HEADER_KIND, request_on_line,
						&lines);
}

struct slice http_body(const struct http_request *r)
{
	return buf_view(&r->body);
}

/* Either all headers stand or the response is thrown away: never half an answer. */
static void request_add_headers(struct http_request *r, const char *type,
				const struct http_header *headers, size_t count)
{
	enum MHD_Result done = MHD_add_response_header(r->response, "Content-Type", type);

	for (size_t i = 0; i < count && done == MHD_YES; i++)
		done = MHD_add_response_header(r->response, headers[i].name, headers[i].value);
	if (done == MHD_YES)
		return;
	MHD_destroy_response(r->response);
	r->response = NULL;
}

void http_add_header(struct http_request *r, const char *name, const char *value)
{
	size_t size = strlen(value);

	assert(size < sizeof(r->added_value));
	memcpy(r->added_value, value, size + 1);
	r->added = (struct http_header){ name, r->added_value };
}

static void request_reply_local(struct http_request *r, unsigned status, struct buf *body)
{
	uint8_t *bytes;
	size_t size;

	if (buf_status(body) < 0)
		status = MHD_HTTP_INTERNAL_SERVER_ERROR;
	buf_take(body, &bytes, &size);
	r->local(r->local_arg, status, slice_of(bytes, size));
	free(bytes);
	free(r);
}

bool http_has_room(const struct http_request *r, size_t bytes)
{
	return r->local != NULL || http_server_has_room(r->server, bytes);
}

void http_reply(struct http_request *r, unsigned status, const char *type, struct buf *body,
		const struct http_header *headers, size_t header_count)
{
	int failed = buf_status(body);
	uint8_t *bytes;
	size_t size;

	assert(r->handed_over && !r->replied);
	r->replied = true;
	if (r->local != NULL) {
		request_reply_local(r, status, body);
		return;
	}
	buf_take(body, &bytes, &size);
	if (failed) {
		free(bytes);
		request_refuse(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "the answer is too large\n");
	} else {
		request_set_response(r, status, bytes, size);
		if (r->response != NULL)
			request_add_headers(r, type, headers, header_count);
		if (r->response != NULL && r->added.name != NULL)
			MHD_add_response_header(r->response, r->added.name, r->added.value);
	}
	r->sending_bytes = failed ? 0 : size;
	http_server_sending(r->server, r->sending_bytes, 0);
	http_slow_send(http_server_slow(r->server), r->connection, size);
	http_server_replied(r->server);
	if (!r->suspended)
		return;
	/* Without a thread of its own the library makes no pipe to wake itself (0.9.75, by
	 * strace): it sees the resumed connection when it is run next. */
	r->suspended = false;
	MHD_resume_connection(r->connection);
	http_server_resumed(r->server);
}

void http_reply_text(struct http_request *r, unsigned status, const char *text)
{
	struct buf body;

	buf_init(&body, strlen(text) + 1);
	buf_put_text(&body, text);
	http_reply(r, status, "text/plain", &body, http_refusal_headers, HTTP_REFUSAL_HEADERS);
	buf_release(&body);
}

/* ---- text ---- */

static int http_hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

int http_unescape(struct slice text, bool plus_is_space, uint8_t *out, size_t *written)
{
	size_t size = 0;

	for (size_t i = 0; i < text.size; i++) {
		uint8_t c = text.ptr[i];
		int high;
		int low;

		if (c == '+' && plus_is_space)
			c = ' ';
		if (c != '%') {
			out[size++] = c;
			continue;
		}
		high = i + 2 < text.size ? http_hex(text.ptr[i + 1]) : -1;
		low = i + 2 < text.size ? http_hex(text.ptr[i + 2]) : -1;
		if (high < 0 || low < 0)
			return ERR_MALFORMED;
		out[size++] = (uint8_t)(high << 4 | low);
		i += 2;
	}
	*written = size;
	return 0;
}

/* Names are compared as they were sent: ours need no escapes. */
static bool http_pair_is(struct slice pair, const char *name, struct slice *value)
{
	size_t size = strlen(name);

	if (pair.size < size || memcmp(pair.ptr, name, size) != 0)
		return false;
	if (pair.size > size && pair.ptr[size] != '=')
		return false;
	*value = pair.size > size ? slice_of(pair.ptr + size + 1, pair.size - size - 1)
				  : slice_of(NULL, 0);
	return true;
}

bool http_parameter(struct slice query, const char *name, struct slice *value)
{
	while (query.size > 0) {
		const uint8_t *end = memchr(query.ptr, '&', query.size);
		size_t size = end ? (size_t)(end - query.ptr) : query.size;

		if (http_pair_is(slice_of(query.ptr, size), name, value))
			return true;
		if (end == NULL)
			return false;
		query = slice_of(end + 1, query.size - size - 1);
	}
	return false;
}
