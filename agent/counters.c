// SPDX-License-Identifier: Apache-2.0
/*
 * counters.c - one page of atomics, mapped shared, so that the kernel keeps it when we are killed.
 *
 * It outlives the process and not the machine: nothing is synced. Without a folder or a file the
 * same struct stands in our own memory. Whether a mark was left by a kill or by a power cut is told
 * by the time of the system's start, which is the same only in the first case.
 */
#include "agent/counters.h"

#include "proto/daemon/life.h"
#include "proto/daemon/log.h"
#include "proto/err.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* No system is up and an agent of its running again so soon. */
#define COUNTERS_SAME_MS 1000

static const uint8_t counters_magic[8] = "HGCOUNT1";

static_assert(sizeof(struct counters_page) <= COUNTERS_BYTES, "it fits its page");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "counts are shared with the kernel, not with a lock");

/* The page of an open file, which is made as long as it must be: a page behind the end of its file
 * would kill us. 0, a negative errno. */
static int counters_map(int fd, struct counters_page **page)
{
	void *at;
	int status = posix_fallocate(fd, 0, COUNTERS_BYTES);

	if (status != 0)
		return -status;
	at = mmap(NULL, COUNTERS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	*page = at;
	return 0;
}

/* Unix ms of the system's start: it moves only when the clock is set. */
static int64_t counters_boot_ms(void)
{
	struct timespec up;

	clock_gettime(CLOCK_BOOTTIME, &up);
	return life_wall_ms() - ((int64_t)up.tv_sec * 1000 + up.tv_nsec / 1000000);
}

void counters_open(struct counters *c, const char *state_dir)
{
	char path[PATH_MAX];
	int fd, status = 0;

	*c = (struct counters){ .page = NULL };
	c->page = &c->own;
	if (*state_dir == '\0')
		return;
	if (snprintf(path, sizeof(path), "%s/counters", state_dir) >= (int)sizeof(path))
		return;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	status = fd < 0 ? -errno : counters_map(fd, &c->page);
	if (fd >= 0)
		close(fd);
	if (status < 0) {
		log_warn("counters_unusable", "err=%s hint=\"samples that die unsealed will not be "
			 "counted\"", err_name(status));
		return;
	}
	c->mapped = true;
	if (memcmp(c->page->magic, counters_magic, sizeof(counters_magic)) != 0)
		memset(c->page, 0, COUNTERS_BYTES);
}

void counters_mark_unfinished(struct counters *c, bool unfinished)
{
	tally_set(&c->page->boot_ms, (uint64_t)counters_boot_ms());
	tally_set(&c->page->unfinished, unfinished ? tally_get(&c->page->sealed) + 1 : 0);
}

bool counters_unfinished(const struct counters *c, uint64_t *sealed)
{
	int64_t moved_ms = (int64_t)tally_get(&c->page->boot_ms) - counters_boot_ms();
	uint64_t noted = tally_get(&c->page->unfinished);

	*sealed = noted - 1;
	return noted > 0 && moved_ms > -COUNTERS_SAME_MS && moved_ms < COUNTERS_SAME_MS;
}

void counters_begin(struct counters *c, const struct stream_id *stream)
{
	tally_set(&c->page->taken, 0);
	tally_set(&c->page->lost, 0);
	tally_set(&c->page->sealed, 0);
	tally_set(&c->page->in_memory, 0);
	tally_set(&c->page->unfinished, 0);
	counters_set_stream(c, stream);
	memcpy(c->page->magic, counters_magic, sizeof(counters_magic));
}

void counters_set_stream(struct counters *c, const struct stream_id *stream)
{
	c->page->stream = *stream;
}

void counters_close(struct counters *c)
{
	if (c->mapped)
		munmap(c->page, COUNTERS_BYTES);
	c->mapped = false;
	c->page = &c->own;
}
