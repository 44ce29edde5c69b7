// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_http_query - a raw query: parameters lie inside of it, and decoding never writes more than it read,
 * refuses exactly the bad escapes, and leaves text without escapes alone.
 */
#include "proto/daemon/http.h"

#include "proto/err.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void check_unescape(struct slice text, bool plus_is_space)
{
	uint8_t *out = malloc(text.size + 1);
	size_t escapes = 0;
	size_t written = SIZE_MAX;
	int status;

	assert(out != NULL);
	status = http_unescape(text, plus_is_space, out, &written);
	assert(status == 0 || (status == ERR_MALFORMED && written == SIZE_MAX));
	for (size_t i = 0; i < text.size; i++)
		if (text.ptr[i] == '%') {
			escapes++;
			i += 2;
		}
	if (status == 0)
		assert(written == text.size - 2 * escapes);
	if (escapes == 0)
		assert(status == 0);
	if (escapes == 0 && !plus_is_space && text.size > 0)
		assert(memcmp(out, text.ptr, text.size) == 0);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "a", "from", "match", "" };
	struct slice query = slice_of(data, size);
	struct slice value;

	check_unescape(query, false);
	check_unescape(query, true);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!http_parameter(query, names[i], &value))
			continue;
		assert(value.size <= size);
		assert(value.size == 0 || (value.ptr >= data && value.ptr + value.size <= data + size));
		assert(value.size == 0 || memchr(value.ptr, '&', value.size) == NULL);
	}
	return 0;
}
