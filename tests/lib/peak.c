// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/peak.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PEAK_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PEAK_SANITIZED true
#endif
#endif
#ifndef PEAK_SANITIZED
#define PEAK_SANITIZED false
#endif

static bool peak_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

long peak_kib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

long peak_growth_kib(long before)
{
	return PEAK_SANITIZED || peak_valgrind() ? 0 : peak_kib() - before;
}
