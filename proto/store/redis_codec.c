// SPDX-License-Identifier: Apache-2.0
#include "proto/store/redis_codec.h"

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/store/redis.h"

#include <errno.h>
#include <pthread.h>

/* hiredis 1.0 widened the count. */
#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

static redisReplyObjectFunctions bounded_functions;
static void *(*create_array)(const redisReadTask *task, element_count elements);
static pthread_once_t functions_once = PTHREAD_ONCE_INIT;

/* hiredis 0.14 allocates what an array header claims, 1.x grows its stack with the nesting and
 * frees by recursion. NULL makes the reader fail. */
static void *create_bounded_array(const redisReadTask *task, element_count elements)
{
	const redisReadTask *up = task;
	int depth = 0;

	while (up->parent && depth <= REDIS_REPLY_DEPTH_MAX) {
		up = up->parent;
		depth++;
	}
	if (depth > REDIS_REPLY_DEPTH_MAX || elements > REDIS_REPLY_ELEMENTS_MAX)
		return NULL;
	return create_array(task, elements);
}

static void make_functions(void)
{
	redisReader *reader = redisReaderCreate();

	if (!reader)
		return;
	bounded_functions = *reader->fn;
	create_array = bounded_functions.createArray;
	bounded_functions.createArray = create_bounded_array;
	redisReaderFree(reader);
}

int redis_codec_start(struct redis_codec *c)
{
	redis_codec_release(c);
	(void)pthread_once(&functions_once, make_functions);
	if (!create_array)
		return -ENOMEM;
	c->reader = redisReaderCreate();
	if (!c->reader)
		return -ENOMEM;
	c->reader->fn = &bounded_functions;
	c->reply_bytes = 0;
	return 0;
}

int redis_codec_feed(struct redis_codec *c, struct slice bytes)
{
	if (bytes.size == 0)
		return 0;
	c->reply_bytes += bytes.size;
	if (c->reply_bytes > REDIS_REPLY_BYTES_MAX)
		return ERR_TOO_LARGE;
	if (redisReaderFeed(c->reader, (const char *)bytes.ptr, bytes.size) != REDIS_OK)
		return -ENOMEM;
	return 0;
}

int redis_codec_next(struct redis_codec *c, redisReply **out)
{
	void *reply = NULL;

	if (redisReaderGetReply(c->reader, &reply) != REDIS_OK)
		return ERR_MALFORMED;
	if (!reply)
		return 0;
	c->reply_bytes = c->reader->len - c->reader->pos;
	*out = reply;
	return 1;
}

void redis_codec_release(struct redis_codec *c)
{
	if (c->reader)
		redisReaderFree(c->reader);
	c->reader = NULL;
}

/* `<mark><n>\r\n`, without printf: a query formats hundreds of fields. */
static void put_count(struct buf *out, char mark, size_t n)
{
	char text[24];
	size_t at = sizeof(text);

	text[--at] = '\n';
	text[--at] = '\r';
	do {
		text[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	text[--at] = mark;
	buf_put(out, text + at, sizeof(text) - at);
}

void redis_format(struct buf *out, size_t argc, const struct slice *argv)
{
	size_t i;

	put_count(out, '*', argc);
	for (i = 0; i < argc; i++) {
		put_count(out, '$', argv[i].size);
		buf_put_slice(out, argv[i]);
		buf_put(out, "\r\n", 2);
	}
}
