// SPDX-License-Identifier: Apache-2.0
#include "relay/admin.h"

#define ADMIN_METRICS_BYTES (256 * 1024)
#define ADMIN_CONNECTIONS   64

static void admin_metrics(const struct admin_source *source, struct http_request *request)
{
	struct buf out;

	buf_init(&out, ADMIN_METRICS_BYTES);
	tally_render(relay_counter_rows, relay_counter_row_count, source->counters, &out);
	tally_render_process("hourglass-relay", &out);
	if (buf_status(&out) == 0)
		http_reply(request, 200, "text/plain; version=0.0.4; charset=utf-8", &out, NULL, 0);
	else
		http_reply_text(request, 503, "no memory\n");
	buf_release(&out);
}

static void admin_ready(const struct admin_source *source, struct http_request *request)
{
	const char *why = source->unready(source->arg);

	http_reply_text(request, why ? 503 : 200, why ? why : "ready\n");
}

static void admin_handle(void *arg, struct http_request *request)
{
	static const struct {
		const char *path;
		void (*reply)(const struct admin_source *source, struct http_request *request);
	} routes[] = { { "/metrics", admin_metrics }, { "/readyz", admin_ready } };
	const char *method = http_method(request);

	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		http_reply_text(request, 405, "GET only\n");
		return;
	}
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (slice_equal(http_path(request), slice_text(routes[i].path))) {
			routes[i].reply(arg, request);
			return;
		}
	if (slice_equal(http_path(request), slice_text("/healthz")))
		http_reply_text(request, 200, "alive\n");
	else
		http_reply_text(request, 404, "there are /metrics, /healthz and /readyz\n");
}

int admin_listen(uv_loop_t *loop, const char *address, const struct admin_source *source,
		 struct http_server **out)
{
	const struct http_options options = { .max_connections = ADMIN_CONNECTIONS };

	return http_listen(loop, address, "admin", &options, admin_handle,
			   (void *)(uintptr_t)source, out);
}
