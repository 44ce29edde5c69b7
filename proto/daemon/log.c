// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/log.h"

#include "proto/utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_BYTES 2000
#define LOG_LIMIT_MS   1000

static atomic_int log_level_now = LOG_LEVEL_INFO;

const char *const log_level_choices[] = { "error", "warn", "info", "debug", NULL };

static const enum log_level log_levels[] = {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_level_now, (int)level, memory_order_relaxed);
}

enum log_level log_level_chosen(int64_t choice)
{
	assert(choice >= 0 && (size_t)choice < sizeof(log_levels) / sizeof(log_levels[0]));
	return log_levels[choice];
}

/* Size of the UTF-8 sequence at text, or 0 when it is none. */
static size_t log_utf8_size(struct slice text)
{
	bool valid;
	size_t size = utf8_sequence(text, &valid);

	return valid ? size : 0;
}

/* The line must stay one line whatever a field holds. */
static void log_flatten(char *line, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
}

/* Ends a line that did not fit with "...", without leaving half a character before it. */
static size_t log_cut(char *line)
{
	size_t size = LOG_LINE_BYTES - 4;

	while (size > 0 && ((unsigned char)line[size] & 0xc0) == 0x80)
		size--;
	memcpy(line + size, "...", 3);
	return size + 3;
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
	char line[LOG_LINE_BYTES + 1];
	int saved = errno;
	size_t size = 0;
	va_list args;
	ssize_t ignored;

	if ((int)level > atomic_load_explicit(&log_level_now, memory_order_relaxed))
		return;
	if (!isatty(STDERR_FILENO))
		size = (size_t)snprintf(line, sizeof(line), "<%d>", (int)level);
	size += (size_t)snprintf(line + size, sizeof(line) - size, "%.200s%s", event,
				 format[0] ? " " : "");
	va_start(args, format);
	size += (size_t)vsnprintf(line + size, sizeof(line) - size, format, args);
	va_end(args);
	if (size >= LOG_LINE_BYTES)
		size = log_cut(line);
	log_flatten(line, size);
	line[size++] = '\n';
	/* There is nowhere to say that standard error is gone. */
	ignored = write(STDERR_FILENO, line, size);
	(void)ignored;
	errno = saved;
}

static bool log_is_plain(struct slice bytes)
{
	for (size_t i = 0; i < bytes.size;) {
		struct slice rest = slice_of(bytes.ptr + i, bytes.size - i);
		uint8_t c = rest.ptr[0];
		size_t size = log_utf8_size(rest);

		if (size == 0 || c <= ' ' || c == 0x7f || c == '"' || c == '=' || c == '\\')
			return false;
		if (c == 0xc2 && rest.ptr[1] < 0xa0)
			return false;
		i += size;
	}
	return bytes.size > 0;
}

/* Writes the character at text as it may stand between quotes; at most 12 bytes. Returns how
 * many bytes of text it was. */
static size_t log_escape(struct slice text, char *out, size_t *written)
{
	uint8_t c = text.ptr[0];
	size_t size = log_utf8_size(text);
	bool control = c < ' ' || c == 0x7f || (c == 0xc2 && size == 2 && text.ptr[1] < 0xa0);

	if (size > 0 && !control) {
		*written = 0;
		if (c == '"' || c == '\\')
			out[(*written)++] = '\\';
		memcpy(out + *written, text.ptr, size);
		*written += size;
		return size;
	}
	*written = (size_t)sprintf(out, "\\x%02X", c);
	if (size == 2)
		*written += (size_t)sprintf(out + 4, "\\x%02X", text.ptr[1]);
	return size ? size : 1;
}

const char *log_quote(struct slice bytes, char out[LOG_QUOTE_SIZE])
{
	const size_t room = LOG_QUOTE_SIZE - sizeof("...\"");
	char piece[16];
	size_t at = 1;
	size_t written;

	if (log_is_plain(bytes) && bytes.size < LOG_QUOTE_SIZE) {
		memcpy(out, bytes.ptr, bytes.size);
		out[bytes.size] = '\0';
		return out;
	}
	out[0] = '"';
	while (bytes.size > 0) {
		size_t taken = log_escape(bytes, piece, &written);

		if (at + written > room) {
			at += (size_t)sprintf(out + at, "...");
			break;
		}
		memcpy(out + at, piece, written);
		at += written;
		bytes = slice_of(bytes.ptr + taken, bytes.size - taken);
	}
	memcpy(out + at, "\"", 2);
	return out;
}

bool log_allowed(struct log_limit *limit, int64_t now_ms, uint64_t *suppressed)
{
	if (now_ms < limit->next_ms) {
		limit->suppressed++;
		return false;
	}
	limit->next_ms = now_ms + LOG_LIMIT_MS;
	if (suppressed != NULL)
		*suppressed = limit->suppressed;
	limit->suppressed = 0;
	return true;
}
