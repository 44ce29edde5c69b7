// SPDX-License-Identifier: Apache-2.0
#include "agent/admin.h"

#include "proto/daemon/http.h"

#include <sodium.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define ADMIN_METRICS_BYTES (256 * 1024)
#define ADMIN_CONNECTIONS   64
#define ADMIN_TOP_DEFAULT   10
#define ADMIN_BODY_BYTES    ((size_t)4 * 1024 * 1024)
#define ADMIN_BODIES_BYTES  (4 * ADMIN_BODY_BYTES)

static void admin_reply(struct http_request *request, const char *type, struct buf *out)
{
	if (buf_status(out) < 0) {
		buf_release(out);
		http_reply_text(request, 503, "no memory\n");
		return;
	}
	http_reply(request, 200, type, out, NULL, 0);
}

static void admin_metrics(const struct admin_source *source, struct http_request *request)
{
	struct buf out;

	buf_init(&out, ADMIN_METRICS_BYTES);
	source->metrics(source->arg, &out);
	admin_reply(request, "text/plain; version=0.0.4; charset=utf-8", &out);
}

/* Reads 1 to TOP_ENTRIES. */
static bool admin_number(struct slice text, size_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < text.size; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9' || n > TOP_ENTRIES)
			return false;
		n = 10 * n + (size_t)(text.ptr[i] - '0');
	}
	*out = n;
	return n >= 1 && n <= TOP_ENTRIES;
}

static void admin_top(const struct admin_source *source, struct http_request *request)
{
	struct slice query = http_query(request), word;
	enum top_by by = TOP_LINES;
	size_t n = ADMIN_TOP_DEFAULT;
	struct buf out;

	if ((http_parameter(query, "by", &word) && !top_by_parse(word, &by)) ||
	    (http_parameter(query, "n", &word) && !admin_number(word, &n))) {
		http_reply_text(request, 400, "/top?by=lines|keys|rejects&n=1..1024\n");
		return;
	}
	buf_init(&out, ADMIN_METRICS_BYTES);
	source->top(source->arg, by, n, &out);
	admin_reply(request, "application/json", &out);
}

static void admin_readyz(const struct admin_source *source, struct http_request *request)
{
	const char *why = source->unready(source->arg);

	http_reply_text(request, why ? 503 : 200, why ? why : "ready\n");
}

/* Whether the request shows the secret, in time that does not tell how much of it is right. */
static bool admin_shows_secret(const struct admin_source *source, struct http_request *request)
{
	static const char scheme[] = "Bearer ";
	const char *shown = http_header(request, "Authorization");
	size_t skip = sizeof(scheme) - 1;

	if (shown == NULL || strncasecmp(shown, scheme, skip) != 0)
		return false;
	return strlen(shown + skip) == source->secret.size &&
	       sodium_memcmp(shown + skip, source->secret.ptr, source->secret.size) == 0;
}

static void admin_post(const struct admin_source *source, struct http_request *request)
{
	struct http_header how = { .name = "WWW-Authenticate", .value = "Bearer" };
	struct buf empty;

	if (strcmp(http_method(request), "POST") != 0) {
		http_reply_text(request, 405, "samples come by POST; there is nothing to get\n");
	} else if (http_header(request, "Origin") != NULL) {
		http_reply_text(request, 403, "not from a web page\n");
	} else if (source->secret.size > 0 && !admin_shows_secret(source, request)) {
		buf_init(&empty, 1);
		http_reply(request, 401, "text/plain", &empty, &how, 1);
	} else if (source->secret.size == 0 && !source->open) {
		http_reply_text(request, 403, "this port is not on loopback: samples need an "
				"admin_secret, or allow_open = yes\n");
	} else {
		source->post(source->arg, request);
	}
}

static void admin_handle(void *arg, struct http_request *request)
{
	const struct admin_source *source = arg;
	struct slice path = http_path(request);
	const char *method = http_method(request);

	if (slice_equal(path, slice_text("/v1/samples")))
		admin_post(source, request);
	else if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		http_reply_text(request, 405, "GET only; samples are posted to /v1/samples\n");
	else if (slice_equal(path, slice_text("/metrics")))
		admin_metrics(source, request);
	else if (slice_equal(path, slice_text("/healthz")))
		http_reply_text(request, 200, "alive\n");
	else if (slice_equal(path, slice_text("/readyz")))
		admin_readyz(source, request);
	else if (slice_equal(path, slice_text("/top")))
		admin_top(source, request);
	else
		http_reply_text(request, 404, "there are /metrics, /healthz, /readyz, /top and "
				"/v1/samples\n");
}

static void admin_words(void *arg, int fd)
{
	const struct admin_source *source = arg;

	source->words(source->arg, fd);
}

int admin_listen(uv_loop_t *loop, const char *address, const struct admin_source *source,
		 struct http_server **out)
{
	struct http_options options = { .max_connections = ADMIN_CONNECTIONS,
					.max_body_bytes = ADMIN_BODY_BYTES,
					.max_bodies_bytes = ADMIN_BODIES_BYTES,
					.slow = source->slow,
					.crowded = source->crowded,
					.words = admin_words };

	return http_listen(loop, address, "admin", &options, admin_handle,
			   (void *)(uintptr_t)source, out);
}
