// SPDX-License-Identifier: Apache-2.0
/*
 * identity.c - two files of the state folder: who we are, and that nobody else is.
 *
 * `lock` is held by flock(2) for as long as the process lives, and a kill releases it. `agent_id`
 * is read or, only where there is none, made: one that cannot be read is an error and never
 * replaced, because streams in the spool and in Redis bear it.
 */
#include "agent/identity.h"

#include "proto/daemon/advice.h"
#include "proto/daemon/life.h"
#include "proto/daemon/log.h"
#include "proto/err.h"
#include "proto/hex.h"
#include "proto/le.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

const char *identity_text(const struct identity *id, char out[IDENTITY_TEXT_SIZE])
{
	return hex_write(id->agent_id, IDENTITY_BYTES, out);
}

static int identity_parse(const char *text, size_t size, struct identity *id)
{
	if (size != IDENTITY_TEXT_SIZE || text[size - 1] != '\n')
		return ERR_MALFORMED;
	for (size_t i = 0; i < IDENTITY_BYTES; i++) {
		int high = hex_digit((uint8_t)text[2 * i]);
		int low = hex_digit((uint8_t)text[2 * i + 1]);

		if (high < 0 || low < 0)
			return ERR_MALFORMED;
		id->agent_id[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

static int identity_read(int folder, struct identity *id)
{
	char text[IDENTITY_TEXT_SIZE + 1];
	int fd = openat(folder, "agent_id", O_RDONLY | O_CLOEXEC);
	ssize_t size;

	if (fd < 0)
		return -errno;
	size = read(fd, text, sizeof(text));
	close(fd);
	return size < 0 ? -errno : identity_parse(text, (size_t)size, id);
}

/* Written beside and renamed, with both file and folder synced: after a power loss the id is
 * either there or not, never half of it. */
static int identity_write(int folder, struct identity *id)
{
	char text[IDENTITY_TEXT_SIZE];
	int fd, status = 0;

	unlinkat(folder, "agent_id.new", 0);
	fd = openat(folder, "agent_id.new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	life_random(id->agent_id, sizeof(id->agent_id));
	identity_text(id, text);
	text[IDENTITY_TEXT_SIZE - 1] = '\n';
	if (write(fd, text, sizeof(text)) != (ssize_t)sizeof(text))
		status = -EIO;
	if (status == 0 && fsync(fd) < 0)
		status = -errno;
	close(fd);
	if (status == 0 && renameat(folder, "agent_id.new", folder, "agent_id") < 0)
		status = -errno;
	if (status == 0 && fsync(folder) < 0)
		status = -errno;
	return status;
}

static int identity_load(int folder, struct identity *id)
{
	int status;

	id->lock = openat(folder, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (id->lock < 0)
		return -errno;
	if (flock(id->lock, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	status = identity_read(folder, id);
	return status == -ENOENT ? identity_write(folder, id) : status;
}

int identity_open(struct identity *id, const char *state_dir)
{
	char text[IDENTITY_TEXT_SIZE], quoted[LOG_QUOTE_SIZE];
	const char *hint;
	int folder, status;

	*id = (struct identity){ .lock = -1 };
	identity_renew(id);
	if (*state_dir == '\0') {
		life_random(id->agent_id, sizeof(id->agent_id));
		log_info("identity", "agent=%s state_dir=none", identity_text(id, text));
		return 0;
	}
	folder = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	status = folder < 0 ? -errno : identity_load(folder, id);
	if (folder >= 0)
		close(folder);
	if (status < 0) {
		hint = status == ERR_MALFORMED ?
			       "its file agent_id is damaged: put it back, or empty the folder" :
			       advice_folder(status);
		log_error("identity_failed", "state_dir=%s err=%s%s%s%s",
			  log_quote(slice_text(state_dir), quoted), err_name(status),
			  *hint ? " hint=\"" : "", hint, *hint ? "\"" : "");
		identity_close(id);
		return status;
	}
	log_info("identity", "agent=%s state_dir=%s", identity_text(id, text),
		 log_quote(slice_text(state_dir), quoted));
	return 0;
}

void identity_close(struct identity *id)
{
	if (id->lock >= 0)
		close(id->lock);
	id->lock = -1;
}

void identity_renew(struct identity *id)
{
	life_random(&id->incarnation, sizeof(id->incarnation));
}

struct stream_id identity_stream(const struct identity *id)
{
	struct stream_id stream;

	memcpy(stream.bytes, id->agent_id, IDENTITY_BYTES);
	le_put_u64(stream.bytes + IDENTITY_BYTES, id->incarnation);
	return stream;
}
