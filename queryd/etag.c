// SPDX-License-Identifier: Apache-2.0
/*
 * etag.c - a hash over what was read and over how it would be answered.
 *
 * The digest of partials and versions says what was read; question, verdict and version of the
 * program say what is made of it. Time is in it only where the answer changes by itself. The
 * compressed form has a tag of its own, as RFC 9110 (8.8.3.3) wants it.
 */
#include "queryd/etag.h"

#include "proto/daemon/conf.h"
#include "proto/hash.h"
#include "proto/hex.h"

#include <string.h>

static uint64_t mix(uint64_t seed, const void *bytes, size_t size)
{
	return hash64_seeded(slice_of(bytes, size), seed);
}

const char *etag_make(const struct answer_about *about, uint64_t digest,
		      int64_t now_second, char out[ETAG_SIZE])
{
	const uint64_t numbers[] = {
		digest,
		(uint64_t)about->route,
		(uint64_t)about->from_hour,
		(uint64_t)about->to_hour,
		(uint64_t)about->kind,
		about->verdict.complete,
		about->verdict.waiting,
		about->verdict.gone,
		/* Only a rate changes while nothing is written: time passes under it. */
		about->stat.id != STAT_RATE ? 0 :
			(uint64_t)stat_seconds_passed(about->from_hour, about->to_hour, now_second),
	};
	uint64_t hash = mix(0, conf_version(), strlen(conf_version()));

	hash = mix(hash, about->key.ptr, about->key.size);
	hash = mix(hash, about->stat.name, strlen(about->stat.name));
	hash = mix(hash, numbers, sizeof(numbers));
	out[0] = '"';
	(void)stpcpy(hex_put_u64(hash, out + 1), "\"");
	return out;
}

const char *etag_form(const char *plain, bool gzip, char out[ETAG_FORM_SIZE])
{
	char *end = stpcpy(out, plain);

	if (gzip)
		(void)stpcpy(end - 1, "-gzip\"");
	return out;
}

bool etag_matches(const char *header, const char *tag)
{
	size_t size = strlen(tag);

	while (header && *header) {
		header += strspn(header, " \t,");
		if (*header == '*')
			return true;
		if (header[0] == 'W' && header[1] == '/')
			header += 2;
		if (strncmp(header, tag, size) == 0)
			return true;
		header += strcspn(header, ",");
	}
	return false;
}
