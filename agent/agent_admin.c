// SPDX-License-Identifier: Apache-2.0
#include "agent/agent_private.h"

#include "proto/err.h"
#include "proto/net/addr.h"

/* ---- what it shows ---- */

static void agent_metrics(void *arg, struct buf *out)
{
	struct agent *a = arg;

	receive_count_drops(a->inputs.receiver);
	if (a->delivery != NULL)
		delivery_count(a->delivery);
	accounts_metrics(&a->accounts, out);
	tally_render_process("hourglass-agent", out);
}

static void agent_top(void *arg, enum top_by by, size_t n, struct buf *out)
{
	struct agent *a = arg;

	accounts_top(&a->accounts, by, n, out);
}

static const char *agent_unready(void *arg)
{
	struct agent *a = arg;

	if (a->phase != AGENT_RUNNING)
		return "stopping\n";
	return delivery_ready(a->delivery) ? NULL : "no relay is ready; lines are kept\n";
}

/* ---- what it takes ---- */

static const char *agent_posts_unready(void *arg, size_t bytes)
{
	struct agent *a = arg;

	if (a->phase != AGENT_RUNNING)
		return "the agent stops";
	if (delivery_partitions(a->delivery) == 0)
		return "no relay has been reached yet";
	if (!agent_is_durable(a))
		return "the disk fails, and nothing can be made durable";
	if (!delivery_has_room(a->delivery, accounts_level(&a->accounts).bytes + 2 * bytes))
		return "the spool is full";
	return NULL;
}

static void agent_posts_seal(void *arg)
{
	struct agent *a = arg;

	agent_seal(a, false);
	agent_work(a);
}

static const struct posts_effects agent_posts_effects = {
	.unready = agent_posts_unready,
	.seal = agent_posts_seal,
};

static void agent_post(void *arg, struct http_request *request)
{
	struct agent *a = arg;

	posts_handle(&a->inputs.posts, request);
}

bool agent_is_durable(const struct agent *a)
{
	return *config_state_dir(a->config) == '\0' || delivery_durable(a->delivery);
}

int agent_open_admin(struct agent *a)
{
	struct addr at;
	int status;

	a->admin_source = (struct admin_source){ .metrics = agent_metrics,
						 .unready = agent_unready, .top = agent_top,
						 .post = agent_post, .arg = a,
						 .secret = secret_view(&a->config->writers) };
	if (*a->config->admin == '\0')
		return 0;
	status = admin_listen(&a->loop, a->config->admin, &a->admin_source, &a->admin);
	if (status < 0)
		log_error("listen_failed", "address=%s err=%s", a->config->admin,
			  err_name(status));
	if (status == 0)
		a->admin_source.open = a->config->allow_open ||
				       (addr_parse(slice_text(http_address(a->admin)), &at) == 0 &&
					addr_is_loopback(&at));
	return status;
}

/* What earlier agents have counted of POSTs. */
int agent_open_posts(struct agent *a)
{
	struct stream_id before;
	uint64_t sealed = delivery_before(a->delivery, &before);
	int status = posted_open(config_state_dir(a->config), &before, sealed, &a->posted);

	posts_init(&a->inputs.posts, &agent_posts_effects, a);
	posts_set_posted(&a->inputs.posts, a->posted);
	return status;
}

