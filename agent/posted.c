// SPDX-License-Identifier: Apache-2.0
/*
 * posted.c - a ring of entries with chains over it, and a log that says the same.
 *
 * The ring holds the last POSTED_KEYS keys; an entry whose place is taken leaves its chain. Waiting
 * entries are the youngest ones, from `settled` on, because a seal settles all of them at once: so
 * what is logged is a range as well.
 */
#include "agent/posted.h"

#include "proto/buf.h"
#include "proto/daemon/log.h"
#include "proto/err.h"
#include "proto/le.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define POSTED_NONE        UINT32_MAX
#define POSTED_LOG_RECORDS (4 * POSTED_KEYS) /* then the file is written anew */
#define POSTED_SEED        0x706f73746564ULL

struct posted_entry {
	uint64_t key[2];
	uint64_t body;
	int64_t at_ms;
	uint64_t sealed_before, sealed_after; /* of a waiting one that is being sealed */
	struct stream_id stream;
	uint32_t next; /* of its chain */
	uint32_t state;
};

struct posted {
	struct posted_entry *entries; /* a ring, POSTED_KEYS; NULL: no key has come yet */
	uint32_t *heads;              /* chains, POSTED_KEYS */
	uint64_t count;               /* ever added */
	uint64_t settled;             /* of them, the first so many wait no more */
	char path[PATH_MAX];          /* "": in memory only */
	int fd;                       /* -1: likewise */
	uint64_t records;             /* in the file */
};

static_assert((POSTED_KEYS & (POSTED_KEYS - 1)) == 0, "positions are masked");

/* ---- the table ---- */

static struct posted_entry *posted_at(const struct posted *p, uint64_t number)
{
	return &p->entries[number & (POSTED_KEYS - 1)];
}

static uint32_t *posted_head(const struct posted *p, const uint64_t key[2])
{
	return &p->heads[key[0] & (POSTED_KEYS - 1)];
}

static void posted_hash(struct slice key, uint64_t out[2])
{
	out[0] = hash64(key);
	out[1] = hash64_seeded(key, POSTED_SEED);
}

static int posted_allocate(struct posted *p)
{
	if (p->entries != NULL)
		return 0;
	p->entries = calloc(POSTED_KEYS, sizeof(*p->entries));
	p->heads = malloc(POSTED_KEYS * sizeof(*p->heads));
	if (p->entries == NULL || p->heads == NULL) {
		free(p->entries);
		free(p->heads);
		p->entries = NULL;
		p->heads = NULL;
		return -ENOMEM;
	}
	memset(p->heads, 0xff, POSTED_KEYS * sizeof(*p->heads));
	return 0;
}

/* The youngest entry of a key, or NULL. */
static struct posted_entry *posted_lookup(const struct posted *p, const uint64_t key[2])
{
	if (p->entries == NULL)
		return NULL;
	for (uint32_t at = *posted_head(p, key); at != POSTED_NONE; at = p->entries[at].next)
		if (memcmp(p->entries[at].key, key, sizeof(p->entries[at].key)) == 0)
			return &p->entries[at];
	return NULL;
}

static void posted_unchain(struct posted *p, const struct posted_entry *e)
{
	uint32_t *at = posted_head(p, e->key);

	while (&p->entries[*at] != e)
		at = &p->entries[*at].next;
	*at = e->next;
}

/* Puts an entry in the place of the oldest. */
static struct posted_entry *posted_put(struct posted *p, const struct posted_entry *fresh)
{
	struct posted_entry *e = posted_at(p, p->count);
	uint32_t *head = posted_head(p, fresh->key);

	if (p->count >= POSTED_KEYS)
		posted_unchain(p, e);
	*e = *fresh;
	e->next = *head;
	*head = (uint32_t)(e - p->entries);
	p->count++;
	return e;
}

enum posted_state posted_find(const struct posted *p, struct slice key, struct slice body,
			      int64_t now_ms)
{
	const struct posted_entry *e;
	uint64_t hash[2];

	posted_hash(key, hash);
	e = posted_lookup(p, hash);
	if (e == NULL || (e->state != POSTED_WAITING && now_ms - e->at_ms > POSTED_TTL_MS))
		return POSTED_NEW;
	return e->state == POSTED_NEW || e->body == hash64(body) ? (enum posted_state)e->state :
								  POSTED_OTHER;
}

int posted_add(struct posted *p, struct slice key, struct slice body, int64_t now_ms)
{
	struct posted_entry e = { .body = hash64(body), .at_ms = now_ms, .state = POSTED_WAITING };
	int status = posted_allocate(p);

	if (status < 0)
		return status;
	posted_hash(key, e.key);
	posted_put(p, &e);
	return 0;
}

/* ---- the file ---- */

static void posted_encode(const struct posted_entry *e, struct buf *out)
{
	size_t at = out->size;
	uint32_t crc;

	buf_put_u32(out, 0);
	buf_put_u32(out, e->state);
	buf_put_u64(out, e->key[0]);
	buf_put_u64(out, e->key[1]);
	buf_put_u64(out, e->body);
	buf_put_u64(out, (uint64_t)e->at_ms);
	buf_put_u64(out, e->sealed_before);
	buf_put_u64(out, e->sealed_after);
	buf_put(out, e->stream.bytes, STREAM_ID_BYTES);
	if (buf_status(out) < 0)
		return;
	crc = hash_crc32c(0, slice_of(out->data + at + 4, POSTED_RECORD_SIZE - 4));
	le_put_u32(out->data + at, crc);
}

static bool posted_decode(struct slice bytes, struct posted_entry *e)
{
	struct reader r = reader_of(bytes);
	uint32_t crc = reader_u32(&r);
	struct slice stream;

	*e = (struct posted_entry){ .state = reader_u32(&r) };
	e->key[0] = reader_u64(&r);
	e->key[1] = reader_u64(&r);
	e->body = reader_u64(&r);
	e->at_ms = (int64_t)reader_u64(&r);
	e->sealed_before = reader_u64(&r);
	e->sealed_after = reader_u64(&r);
	stream = reader_bytes(&r, STREAM_ID_BYTES);
	if (reader_finish(&r) < 0 || e->state > POSTED_PARTLY ||
	    crc != hash_crc32c(0, slice_of(bytes.ptr + 4, bytes.size - 4)))
		return false;
	memcpy(e->stream.bytes, stream.ptr, STREAM_ID_BYTES);
	return true;
}

/* The disk fails: keys are in memory from now on. */
static void posted_give_up(struct posted *p, int status)
{
	log_error("posted_unusable",
		  "path=%s err=%s hint=\"keys of POST are kept in memory: after a kill a retry may "
		  "count twice\"", p->path, err_name(status));
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

/* Appends records of the entries from number `first` on. */
static int posted_write(struct posted *p, int fd, uint64_t first)
{
	struct buf out;
	ssize_t wrote;
	int status;

	buf_init(&out, (size_t)POSTED_KEYS * POSTED_RECORD_SIZE);
	for (uint64_t n = first; n < p->count; n++)
		posted_encode(posted_at(p, n), &out);
	status = buf_status(&out);
	if (status == 0 && out.size > 0) {
		wrote = write(fd, out.data, out.size);
		if (wrote != (ssize_t)out.size)
			status = wrote < 0 ? -errno : -ENOSPC;
	}
	buf_release(&out);
	return status;
}

static uint64_t posted_oldest(const struct posted *p)
{
	return p->count > POSTED_KEYS ? p->count - POSTED_KEYS : 0;
}

/* Only then a power cut leaves the new file under its name, with all that is appended later. */
static int posted_sync_folder(const struct posted *p)
{
	char folder[PATH_MAX];
	int fd, status;

	snprintf(folder, sizeof(folder), "%s", p->path);
	*strrchr(folder, '/') = '\0';
	fd = open(*folder != '\0' ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	status = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return status;
}

/* Writes the file anew, with what is still known, and keeps it open for appending. */
static int posted_rewrite(struct posted *p)
{
	char fresh[PATH_MAX + 8];
	int fd, status;

	snprintf(fresh, sizeof(fresh), "%s.new", p->path);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	status = posted_write(p, fd, posted_oldest(p));
	if (status == 0 && (fdatasync(fd) < 0 || rename(fresh, p->path) < 0))
		status = -errno;
	if (status == 0)
		status = posted_sync_folder(p);
	if (status < 0) {
		close(fd);
		return status;
	}
	if (p->fd >= 0)
		close(p->fd);
	p->fd = fd;
	p->records = p->count - posted_oldest(p);
	return 0;
}

static void posted_log(struct posted *p, uint64_t first, bool sync)
{
	int status;

	if (p->fd < 0)
		return;
	status = posted_write(p, p->fd, first);
	p->records += p->count - first;
	if (status == 0 && sync && fdatasync(p->fd) < 0)
		status = -errno;
	if (status == 0 && p->records > POSTED_LOG_RECORDS)
		status = posted_rewrite(p);
	if (status < 0)
		posted_give_up(p, status);
}

/* ---- a start ---- */

/* What came of a key that was about to be sealed when the process before died. */
static enum posted_state posted_resolve(const struct posted_entry *e,
					const struct stream_id *before, uint64_t before_sealed)
{
	/* Of another stream nothing is known: rather lost once than counted twice. */
	if (memcmp(e->stream.bytes, before->bytes, STREAM_ID_BYTES) != 0 ||
	    before_sealed >= e->sealed_after)
		return POSTED_SEALED;
	return before_sealed <= e->sealed_before ? POSTED_NEW : POSTED_PARTLY;
}

/* A later record of a key says what came of an earlier one. */
static void posted_take(struct posted *p, const struct posted_entry *e)
{
	struct posted_entry *known = posted_lookup(p, e->key);
	uint32_t next;

	if (known == NULL || known->state != POSTED_WAITING) {
		posted_put(p, e);
		return;
	}
	next = known->next;
	*known = *e;
	known->next = next;
}

static int posted_read(struct posted *p, int fd)
{
	uint8_t record[POSTED_RECORD_SIZE];
	FILE *file = fdopen(fd, "r");
	struct posted_entry e;
	int status;

	if (file == NULL) {
		close(fd);
		return -ENOMEM;
	}
	status = posted_allocate(p);
	/* A record that is none was not written whole: it is the last. */
	while (status == 0 && fread(record, sizeof(record), 1, file) == 1 &&
	       posted_decode(slice_of(record, sizeof(record)), &e))
		posted_take(p, &e);
	fclose(file);
	return status;
}

static int posted_load(struct posted *p, const struct stream_id *before, uint64_t before_sealed)
{
	int fd = open(p->path, O_RDONLY | O_CLOEXEC);
	int status = 0;

	if (fd >= 0)
		status = posted_read(p, fd);
	else if (errno != ENOENT)
		status = -errno;
	for (uint64_t n = posted_oldest(p); n < p->count; n++) {
		struct posted_entry *e = posted_at(p, n);

		if (e->state == POSTED_WAITING)
			e->state = posted_resolve(e, before, before_sealed);
	}
	p->settled = p->count;
	return status < 0 ? status : posted_rewrite(p);
}

int posted_open(const char *state_dir, const struct stream_id *before, uint64_t before_sealed,
		struct posted **out)
{
	struct posted *p = calloc(1, sizeof(*p));
	int status;

	if (p == NULL)
		return -ENOMEM;
	p->fd = -1;
	if (*state_dir != '\0' &&
	    snprintf(p->path, sizeof(p->path), "%s/posted", state_dir) < (int)sizeof(p->path)) {
		status = posted_load(p, before, before_sealed);
		if (status < 0)
			posted_give_up(p, status);
	}
	*out = p;
	return 0;
}

void posted_close(struct posted *p)
{
	if (p == NULL)
		return;
	if (p->fd >= 0)
		close(p->fd);
	free(p->entries);
	free(p->heads);
	free(p);
}

/* ---- a seal ---- */

void posted_sealing(struct posted *p, const struct stream_id *stream, uint64_t sealed,
		    uint64_t samples, bool sync)
{
	if (p->settled == p->count)
		return;
	for (uint64_t n = p->settled; n < p->count; n++) {
		struct posted_entry *e = posted_at(p, n);

		e->stream = *stream;
		e->sealed_before = sealed;
		e->sealed_after = sealed + samples;
	}
	posted_log(p, p->settled, sync);
}

void posted_sealed(struct posted *p, bool whole)
{
	uint64_t first = p->settled;

	if (first == p->count)
		return;
	for (uint64_t n = first; n < p->count; n++)
		posted_at(p, n)->state = whole ? POSTED_SEALED : POSTED_PARTLY;
	p->settled = p->count;
	posted_log(p, first, false);
}
