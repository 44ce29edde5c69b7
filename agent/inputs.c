// SPDX-License-Identifier: Apache-2.0
#include "agent/inputs.h"

#include "agent/ingest.h"

#include <errno.h>
#include <stdlib.h>

/* Retention is 35 days (CONTRACT.md); until a relay has named the floor, a day less is safe. */
#define INPUTS_MAX_AGE_S (34 * 86400)

static int inputs_open_intakes(struct inputs *in, const struct config *config)
{
	struct limits_options limits = config_limits(config);
	size_t count = (size_t)config->receivers + 2;
	int status = 0;

	in->intakes = calloc(count, sizeof(*in->intakes));
	if (in->intakes == NULL)
		return -ENOMEM;
	while (in->intake_count < count && status == 0) {
		struct intake *one = &in->intakes[in->intake_count++];

		status = intake_init(one, limits.max_keys, (size_t)config->table_max);
		intake_limit(one, &limits);
		if (in->intake_count > 1)
			intake_share(one, &in->intakes[0]);
	}
	return status;
}

/* Those of the receivers come first. */
static struct intake *inputs_clients_intake(struct inputs *in)
{
	return &in->intakes[in->intake_count - 2];
}

struct intake *inputs_posts_intake(struct inputs *in)
{
	return &in->intakes[in->intake_count - 1];
}

static int inputs_open_clients(struct inputs *in, const struct config *config,
			       const struct reading *reading)
{
	struct clients_options options = {
		.listen = config->listen,
		.max_connections = (size_t)config->stream_connections,
		.idle_ms = config->stream_idle_ms,
		.lines = reading->options,
		.max_age_s = INPUTS_MAX_AGE_S,
	};

	return clients_open(&options, inputs_clients_intake(in), &in->clients);
}

int inputs_open(struct inputs *in, const struct config *config, const struct reading *reading,
		struct ledger *ledger)
{
	struct receive_options options = {
		.listen = config->listen,
		.receivers = (size_t)config->receivers,
		.buffer_bytes = (size_t)config->receive_buffer,
		.lines = reading->options,
		.max_age_s = INPUTS_MAX_AGE_S,
		.state_dir = config_state_dir(config),
	};
	int status = inputs_open_intakes(in, config);

	if (status < 0)
		return status;
	ingest_init(&in->posts.ingest, inputs_posts_intake(in), &reading->options,
		    INPUTS_MAX_AGE_S);
	status = receive_open(&options, in->intakes, ledger, &in->receiver);
	if (status == 0)
		status = inputs_open_clients(in, config, reading);
	return status;
}

void inputs_set_taken(struct inputs *in, tally_count *taken)
{
	receive_set_taken(in->receiver, taken);
	ingest_set_taken(clients_ingest(in->clients), taken);
	ingest_set_taken(&in->posts.ingest, taken);
}

int inputs_start(struct inputs *in)
{
	int status = receive_start(in->receiver);

	return status < 0 ? status : clients_start(in->clients);
}

void inputs_stop(struct inputs *in)
{
	receive_stop(in->receiver);
	clients_stop(in->clients);
}

void inputs_change(struct inputs *in, const struct config *config, const struct reading *reading)
{
	struct limits_options limits = config_limits(config);

	for (size_t i = 0; i < in->intake_count; i++) {
		intake_lock(&in->intakes[i]);
		intake_limit(&in->intakes[i], &limits);
		intake_unlock(&in->intakes[i]);
	}
	receive_set_lines(in->receiver, &reading->options);
	ingest_set_lines(clients_ingest(in->clients), &reading->options);
	ingest_set_lines(&in->posts.ingest, &reading->options);
}

void inputs_set_floor(struct inputs *in, int64_t floor_second)
{
	receive_set_floor(in->receiver, floor_second);
	ingest_set_floor(clients_ingest(in->clients), floor_second);
	ingest_set_floor(&in->posts.ingest, floor_second);
}

void inputs_set_full(struct inputs *in, bool full)
{
	for (size_t i = 0; i < in->intake_count; i++) {
		intake_lock(&in->intakes[i]);
		intake_set_full(&in->intakes[i], full);
		intake_unlock(&in->intakes[i]);
	}
}

void inputs_addresses(const struct inputs *in, char out[LISTEN_TEXT_SIZE])
{
	receive_addresses(in->receiver, out);
	clients_addresses(in->clients, out);
}

void inputs_close(struct inputs *in)
{
	receive_close(in->receiver);
	clients_close(in->clients);
	in->receiver = NULL;
	in->clients = NULL;
}

void inputs_release(struct inputs *in)
{
	/* The first one's pool has the ceiling of all. */
	while (in->intake_count > 0)
		intake_release(&in->intakes[--in->intake_count]);
	free(in->intakes);
	in->intakes = NULL;
}
