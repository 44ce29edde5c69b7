// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_resp - any bytes as what a Redis, a sentinel or a node of a Cluster sends.
 *
 * The first byte says in how small pieces the rest arrives. Each reply goes to whoever reads one:
 * the map of slots, redirections, a sentinel's answers, INFO, a stream's state, queryd's
 * plans and surveys. Nobody may take more than is there, and a plan ends.
 */
#include "proto/state.h"
#include "proto/store/cluster.h"
#include "proto/store/redis_codec.h"
#include "proto/store/redis_info.h"
#include "proto/store/sentinel.h"
#include "queryd/fetch.h"
#include "queryd/plan.h"
#include "queryd/survey.h"

#include <assert.h>
#include <stdlib.h>

#define HOUR   INT64_C(490000)
#define NOW    (HOUR * 3600 + 1800)

struct fuzz_world {
	struct plan *plan;
	struct survey *survey;
	size_t plan_at, survey_at; /* commands of the round that were answered */
};

static void fuzz_store(const redisReply *reply)
{
	static struct cluster_map map;
	struct addr asked = { .scheme = ADDR_TCP }, address;
	struct sentinel_facts facts;
	struct cluster_redirect redirect;
	struct stream_state state;
	struct redis_info info;
	struct slice text = reply->str ? slice_of(reply->str, reply->len) : slice_text("");
	char out[STATE_TEXT_SIZE];

	cluster_map_init(&map);
	if (cluster_map_take(&map, reply, &asked) == 0)
		for (size_t slot = 0; slot < RKEY_SLOTS; slot++)
			assert(map.owner[slot] == CLUSTER_NO_NODE || map.owner[slot] < CLUSTER_NODES_MAX);
	(void)!sentinel_read_address(reply, &address);
	if (sentinel_read_facts(reply, &facts) == 0)
		assert(facts.down_after_ms >= 0);
	redirect = cluster_read_redirect(text, &asked);
	assert(redirect.word == CLUSTER_OTHER || redirect.slot < RKEY_SLOTS);
	if (redis_info_parse(text, &info))
		assert(info.version[0] != '\0');
	if (state_parse(text, &state) == 0)
		assert(slice_equal(state_format(&state, out), text));
}

/* One answer to what a plan or a survey has asked. False when it is done or refuses it. */
static bool fuzz_put(const struct fetch_verbs *verbs, void *work, size_t *at, const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_ERROR || !verbs->put(work, *at, reply))
		return false;
	if (++*at < verbs->count(work))
		return true;
	*at = 0;
	return verbs->step(work) == 1 && verbs->count(work) > 0;
}

static void fuzz_query(struct fuzz_world *w, const redisReply *reply)
{
	if (w->plan != NULL && !fuzz_put(&fetch_plan, w->plan, &w->plan_at, reply)) {
		fetch_plan.free(w->plan);
		w->plan = NULL;
	}
	if (w->survey != NULL && !fuzz_put(&fetch_survey, w->survey, &w->survey_at, reply)) {
		fetch_survey.free(w->survey);
		w->survey = NULL;
	}
}

static void fuzz_open(struct fuzz_world *w, bool overview)
{
	static struct route_request request;
	const struct plan_settings settings = { .now_second = NOW, .retention_hours = 840 };
	const struct survey_settings many = { .from_hour = HOUR, .to_hour = HOUR + 2, .now_second = NOW,
					      .totals = true, .max_points = 10, .max_bytes = 1 << 20 };
	int status;

	request = (struct route_request){ .route = overview ? ROUTE_KEY : ROUTE_HOUR,
					  .from_hour = HOUR, .to_hour = HOUR + 1, .key = "k",
					  .key_size = 1 };
	status = stat_parse(slice_text("p99"), &request.stat) ? 0 : -1;
	if (status == 0)
		status = plan_new(&request, &settings, &w->plan);
	if (status == 0)
		status = survey_new(&many, &w->survey);
	if (status == 0)
		status = survey_add_group(w->survey, KIND_DISTRIBUTION);
	if (status == 0)
		status = survey_add_stat(w->survey, &request.stat);
	if (status == 0)
		status = survey_add_key(w->survey, 0, slice_text("k"));
	if (status == 0)
		status = survey_start(w->survey, 1, 840);
	assert(status == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct redis_codec codec = { 0 };
	struct fuzz_world w = { 0 };
	size_t piece = size > 0 ? 1 + data[0] : 1;
	redisReply *reply;
	int status = redis_codec_start(&codec);

	assert(status == 0);
	fuzz_open(&w, piece % 2 == 0);
	for (size_t at = 1; status == 0 && at < size; at += piece) {
		status = redis_codec_feed(&codec, slice_of(data + at, size - at < piece ? size - at : piece));
		while (status == 0 && (status = redis_codec_next(&codec, &reply)) == 1) {
			fuzz_store(reply);
			fuzz_query(&w, reply);
			freeReplyObject(reply);
			status = 0;
		}
	}
	redis_codec_release(&codec);
	plan_free(w.plan);
	survey_free(w.survey);
	return 0;
}
