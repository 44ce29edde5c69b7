// SPDX-License-Identifier: Apache-2.0
#include "proto/err.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define ERR_RANGE(code, name, text)                                                            \
	static_assert((code) <= -1000 && (code) >= -1999, #name " lies outside our range");
ERR_LIST(ERR_RANGE)
#undef ERR_RANGE

static const struct {
	int code;
	const char *name;
	const char *text;
} err_table[] = {
#define ERR_ROW(code, name, text) { (code), #name, (text) },
	ERR_LIST(ERR_ROW)
#undef ERR_ROW
};

#define ERR_COUNT (sizeof(err_table) / sizeof(err_table[0]))
#define ERR_NAME_BYTES 32

const char *err_text(int code)
{
	static char other[32];

	for (size_t i = 0; i < ERR_COUNT; i++)
		if (err_table[i].code == code)
			return err_table[i].text;
	if (code < 0 && code > -1000)
		return strerror(-code);
	snprintf(other, sizeof(other), "error %d", code);
	return other;
}

static char err_names[ERR_COUNT][ERR_NAME_BYTES];

/* The table spells names as the enum does; counters and answers want lower case. Once, for
 * threads may ask at the same time. */
static void err_lower_names(void)
{
	for (size_t i = 0; i < ERR_COUNT; i++) {
		const char *from = err_table[i].name;

		for (size_t j = 0; from[j] != '\0' && j + 1 < ERR_NAME_BYTES; j++)
			err_names[i][j] = (char)(from[j] == '_' ? '_' : from[j] | 0x20);
	}
}

const char *err_name(int code)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const char *name = NULL;

	pthread_once(&once, err_lower_names);
	for (size_t i = 0; i < ERR_COUNT; i++)
		if (err_table[i].code == code)
			return err_names[i];
	if (code < 0 && code > -1000)
		name = strerrorname_np(-code);
	return name ? name : "errno";
}
