// SPDX-License-Identifier: Apache-2.0
#include "agent/admin.h"

#include "proto/daemon/http.h"

#include <stdint.h>
#include <string.h>

#define ADMIN_METRICS_BYTES (256 * 1024)
#define ADMIN_CONNECTIONS   64
#define ADMIN_TOP_DEFAULT   10

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

static void admin_handle(void *arg, struct http_request *request)
{
	const struct admin_source *source = arg;
	struct slice path = http_path(request);
	const char *method = http_method(request);

	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		http_reply_text(request, 405, "GET only\n");
	else if (slice_equal(path, slice_text("/metrics")))
		admin_metrics(source, request);
	else if (slice_equal(path, slice_text("/healthz")))
		http_reply_text(request, 200, "alive\n");
	else if (slice_equal(path, slice_text("/readyz")))
		admin_readyz(source, request);
	else if (slice_equal(path, slice_text("/top")))
		admin_top(source, request);
	else
		http_reply_text(request, 404, "there are /metrics, /healthz, /readyz and /top\n");
}

int admin_listen(uv_loop_t *loop, const char *address, const struct admin_source *source,
		 struct http_server **out)
{
	struct http_options options = { .max_connections = ADMIN_CONNECTIONS };

	return http_listen(loop, address, "admin", &options, admin_handle,
			   (void *)(uintptr_t)source, out);
}
