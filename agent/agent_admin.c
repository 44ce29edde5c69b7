// SPDX-License-Identifier: Apache-2.0
#include "agent/agent_private.h"

#include "proto/daemon/advice.h"
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

/* When the last line came, or when we began. */
static int64_t agent_last_line_s(const struct agent *a)
{
	int64_t last_s = a->start_ms / 1000;

	for (size_t i = 0; i < a->inputs.intake_count; i++) {
		int64_t at_s = (int64_t)tally_get(&a->inputs.intakes[i].last_line_s);

		last_s = at_s > last_s ? at_s : last_s;
	}
	return last_s;
}

static struct commands_state agent_state(void *arg)
{
	struct agent *a = arg;
	int64_t now_ms = life_wall_ms();
	struct ledger counts;
	uint64_t bad = 0;

	accounts_counts(&a->accounts, &counts);
#define AGENT_ADD(name, member) bad += tally_get(&counts.lines_rejected.member);
	LEDGER_LINE_REASONS(AGENT_ADD)
#undef AGENT_ADD
	return (struct commands_state){
		.healthy = a->phase == AGENT_RUNNING && delivery_quarters(a->delivery) < 4,
		.uptime_s = (now_ms - a->start_ms) / 1000,
		.last_line_s = now_ms / 1000 - agent_last_line_s(a),
		.bad_lines = bad,
		.samples = tally_get(&counts.samples),
	};
}

static void agent_words(void *arg, int fd)
{
	struct agent *a = arg;

	commands_serve(a->commands, fd);
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
						 .post = agent_post, .words = agent_words,
						 .arg = a,
						 .slow = &a->ledger.admin_slow,
						 .crowded = &a->ledger.posts_crowded,
						 .secret = secret_view(&a->config->writers) };
	if (*a->config->admin == '\0')
		return 0;
	a->start_ms = life_wall_ms();
	status = commands_new(&a->loop, agent_state, a, &a->commands);
	if (status < 0)
		return status;
	status = admin_listen(&a->loop, a->config->admin, &a->admin_source, &a->admin);
	if (status < 0)
		advice_listen(a->config->admin, status);
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

