// SPDX-License-Identifier: Apache-2.0
#include "agent/admin.h"

#include "proto/daemon/http.h"

#include <stdint.h>
#include <string.h>

#define ADMIN_METRICS_BYTES (256 * 1024)
#define ADMIN_CONNECTIONS   64

static void admin_metrics(const struct admin_source *source, struct http_request *request)
{
	struct buf out;

	buf_init(&out, ADMIN_METRICS_BYTES);
	source->metrics(source->arg, &out);
	if (buf_status(&out) < 0) {
		buf_release(&out);
		http_reply_text(request, 503, "no memory\n");
		return;
	}
	http_reply(request, 200, "text/plain; version=0.0.4; charset=utf-8", &out, NULL, 0);
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
	else
		http_reply_text(request, 404, "there are /metrics, /healthz and /readyz\n");
}

int admin_listen(uv_loop_t *loop, const char *address, const struct admin_source *source,
		 struct http_server **out)
{
	struct http_options options = { .max_connections = ADMIN_CONNECTIONS };

	return http_listen(loop, address, "admin", &options, admin_handle,
			   (void *)(uintptr_t)source, out);
}
