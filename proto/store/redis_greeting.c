// SPDX-License-Identifier: Apache-2.0
#include "proto/store/redis_link_private.h"

#include "proto/err.h"
#include "proto/store/script.h"

#include <stdio.h>
#include <stdlib.h>

/* Earlier ones know neither `#!lua` nor what comes with it: all or nothing. */
#define VERSION_MAJOR 7

static void refuse(struct redis_link *l, struct slice why)
{
	size_t size = why.size < REDIS_LINK_REASON_SIZE ? why.size : REDIS_LINK_REASON_SIZE;

	(void)snprintf(l->reason, sizeof(l->reason), "%.*s", (int)size, (const char *)why.ptr);
	redis_link_drop(l, ERR_STORE_UNFIT);
}

/* The answer to SELECT, and the start of every other's judgement. */
static bool greeting_good(struct redis_link *l, const redisReply *reply)
{
	if (l->state != REDIS_LINK_GREETING || !reply)
		return false;
	if (reply->type != REDIS_REPLY_ERROR)
		return true;
	refuse(l, slice_of(reply->str, reply->len));
	return false;
}

static void on_accepted(void *arg, int status, const redisReply *reply)
{
	(void)status;
	(void)greeting_good(arg, reply);
}

/* A sentinel need not have the password that its master has; one that wants it says so when it
 * is asked something. */
static void on_authenticated(void *arg, int status, const redisReply *reply)
{
	struct redis_link *l = arg;

	(void)status;
	if (strcmp(l->o.mode, "sentinel") != 0)
		(void)greeting_good(l, reply);
}

/* ---- scripts ---- */

static void on_script(void *arg, int status, const redisReply *reply)
{
	struct redis_link *l = arg;
	enum script script = (enum script)(SCRIPT_COUNT - l->scripts_pending);

	if (status < 0 || l->scripts_pending == 0)
		return;
	if (reply->type != REDIS_REPLY_STRING ||
	    !script_set_sha(script, slice_of(reply->str, reply->len))) {
		refuse(l, reply->type == REDIS_REPLY_ERROR ?
				  slice_of(reply->str, reply->len) :
				  slice_text("SCRIPT LOAD names no sha"));
		return;
	}
	if (--l->scripts_pending == 0 && l->state == REDIS_LINK_GREETING)
		redis_link_greeted(l);
}

void redis_greet_scripts(struct redis_link *l)
{
	int i, status = 0;

	if (l->scripts_pending > 0)
		return;
	l->scripts_pending = SCRIPT_COUNT;
	for (i = 0; i < SCRIPT_COUNT && status == 0; i++) {
		const struct slice argv[] = { slice_text("SCRIPT"), slice_text("LOAD"),
					      script_text((enum script)i) };
		status = redis_link_send(l, 3, argv, on_script, l);
	}
	if (status < 0)
		redis_link_drop(l, status);
}

/* ---- INFO ---- */

/* What keeps this server from being used; NULL when nothing does. */
static const char *find_fault(const struct redis_link *l)
{
	const struct redis_info *info = &l->info;

	if (info->loading)
		return "Redis is loading its data";
	if (info->mode[0] && strcmp(info->mode, l->o.mode) != 0) {
		if (strcmp(info->mode, "cluster") == 0)
			return "this Redis is part of a Cluster: its URL is cluster://host:port,...";
		if (strcmp(info->mode, "sentinel") == 0)
			return "this is a sentinel: its URL is sentinel://host:port,.../name";
		return strcmp(l->o.mode, "cluster") == 0 ? "this Redis is not part of a Cluster" :
							   "this is no sentinel";
	}
	if (l->o.master && strcmp(info->role, "master") != 0)
		return "this Redis is a replica";
	if (l->o.scripts && atoi(info->version) < VERSION_MAJOR)
		return "this Redis is older than 7.0";
	return NULL;
}

static void on_info(void *arg, int status, const redisReply *reply)
{
	struct redis_link *l = arg;
	struct slice text;
	const char *fault;

	(void)status;
	if (!greeting_good(l, reply))
		return;
	text = slice_of(reply->str, reply->type == REDIS_REPLY_STRING ? reply->len : 0);
	fault = redis_info_parse(text, &l->info) ? find_fault(l) : "INFO names no redis_version";
	if (fault)
		refuse(l, slice_text(fault));
	else if (l->o.scripts)
		redis_greet_scripts(l);
	else
		redis_link_greeted(l);
}

void redis_greet(struct redis_link *l)
{
	const struct redis_url *url = l->o.url;
	struct slice auth[3] = { slice_text("AUTH") };
	struct slice selecting[2] = { slice_text("SELECT") };
	struct slice info[1] = { slice_text("INFO") };
	size_t argc = 1;
	char database[16];
	int status = 0;

	l->scripts_pending = 0;
	if (url->user[0])
		auth[argc++] = slice_text(url->user);
	auth[argc++] = slice_text(url->password);
	(void)snprintf(database, sizeof(database), "%u", url->database);
	selecting[1] = slice_text(database);
	if (url->password[0])
		status = redis_link_send(l, argc, auth, on_authenticated, l);
	if (status == 0 && url->database > 0 && strcmp(l->o.mode, "sentinel") != 0)
		status = redis_link_send(l, 2, selecting, on_accepted, l);
	if (status == 0)
		status = redis_link_send(l, 1, info, on_info, l);
	if (status < 0)
		redis_link_drop(l, status);
}
