/*
 * admin.h - the relay's own HTTP: /metrics, /healthz, /readyz.
 *
 * Alive is whoever answers; ready is a relay whose store can be committed to. A relay that
 * is not ready keeps its agents: they wait, or prefer another relay with the same store.
 * Loop thread.
 */
#ifndef RELAY_ADMIN_H
#define RELAY_ADMIN_H

#include "proto/daemon/http.h"
#include "relay/counters.h"

#include <uv.h>

struct admin_source {
	const struct relay_counters *counters;
	/* NULL when ready, else why not, as a sentence. */
	const char *(*unready)(void *arg);
	void *arg;
};

/* Serves source (borrowed) on an address. *out: http_close. 0, a negative errno, -EINVAL. */
int admin_listen(uv_loop_t *loop, const char *address, const struct admin_source *source,
		 struct http_server **out) __attribute__((warn_unused_result));

#endif
