// SPDX-License-Identifier: Apache-2.0
#include "proto/store/redis_info.h"

/* Copies the value behind name ("\nrole:") up to the line's end, cut to fit; "" when absent. */
static void copy_value(struct slice text, const char *name, char out[REDIS_INFO_TEXT_SIZE])
{
	const char *at = memmem(text.ptr, text.size, name, strlen(name));
	const char *end = (const char *)text.ptr + text.size;
	size_t size = 0;

	if (at)
		at += strlen(name);
	while (at && at < end && *at > ' ' && *at < 127 && size + 1 < REDIS_INFO_TEXT_SIZE)
		out[size++] = *at++;
	out[size] = '\0';
}

bool redis_info_parse(struct slice text, struct redis_info *out)
{
	char loading[REDIS_INFO_TEXT_SIZE];

	copy_value(text, "\nredis_version:", out->version);
	copy_value(text, "\nrole:", out->role);
	copy_value(text, "\nredis_mode:", out->mode);
	if (out->mode[0] == '\0') /* Valkey's name for it, unless told to speak as Redis */
		copy_value(text, "\nserver_mode:", out->mode);
	copy_value(text, "\nloading:", loading);
	out->loading = loading[0] == '1';
	return out->version[0] != '\0';
}
