// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_http_path - any bytes as the path and query of a request; the first line feed parts them.
 *
 * What is taken asks for a canonical key, a range that is one, and a stat that its kind has, so that
 * a plan or a survey can be made of it; what is refused has a status, a code of the closed list
 * and a sentence, and none of it holds what was not there.
 */
#include "queryd/route.h"

#include "proto/series.h"

#include <assert.h>
#include <string.h>

#define NOW INT64_C(1764001800)

static void check_refusal(const struct route_refusal *why)
{
	static const char *const codes[] = {
		"bad_key", "bad_stat", "bad_kind", "stat_not_for_kind", "bad_date", "bad_hour", "bad_range",
		"bad_step", "bad_limit", "bad_match", "not_found", "too_large",
	};
	size_t i = 0;

	assert(why->status >= 400 && why->status < 500);
	assert(why->message[0] != '\0' && memchr(why->message, '\0', sizeof(why->message)));
	while (strcmp(codes[i], why->error) != 0) {
		i++;
		assert(i < sizeof(codes) / sizeof(*codes));
	}
}

static void check_range(const struct route_request *request)
{
	assert(request->from_hour >= 0 && request->from_hour < request->to_hour);
	assert(request->to_hour - request->from_hour <= ROUTE_RANGE_HOURS);
}

static void check_key(const struct route_request *request)
{
	struct series series;
	int status = series_parse(slice_of(request->key, request->key_size), &series);

	assert(status == 0);
}

static void check_request(const struct route_request *request)
{
	bool about_key = request->route <= ROUTE_KEY;

	assert(request->route < ROUTE_NONE);
	if (about_key)
		check_key(request);
	if (request->route <= ROUTE_RANGE || request->route == ROUTE_QUERY ||
	    request->route == ROUTE_TOP_KEYS) {
		check_range(request);
		assert(request->stat.name[0] != '\0');
		assert(!request->kind || stat_has(request->kind, request->stat.id));
	}
	if (request->route == ROUTE_LEDGER)
		check_range(request);
	if (request->route == ROUTE_KEYS || request->route == ROUTE_TOP_KEYS)
		assert(request->limit > 0 && request->limit <= ROUTE_LIMIT_MAX);
	if (request->route >= ROUTE_KEYS && request->route <= ROUTE_TOP_KEYS)
		(void)glob_match(&request->match, slice_of(request->key, request->key_size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct route_request request;
	struct route_refusal why = { 0 };
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t path_size = end ? (size_t)(end - data) : size;
	size_t rest = end ? size - path_size - 1 : 0;
	struct slice path = slice_of(data, path_size);
	struct slice query = slice_of(end ? end + 1 : NULL, rest);

	if (route_parse(path, query, NOW, &request, &why) == 0) {
		check_request(&request);
	} else {
		assert(request.route == ROUTE_NONE);
		check_refusal(&why);
	}
	return 0;
}
