// SPDX-License-Identifier: Apache-2.0
/*
 * drops.c - the kernel's counter of each socket, less what was already reported.
 *
 * Sockets that systemd holds outlive the agent, and their counters with them. So what was reported
 * is kept in a file under the socket's cookie; cookies are unique only within one run of the
 * kernel, whose boot id is the file's first line.
 */
#include "agent/drops.h"

#include "proto/daemon/log.h"
#include "proto/err.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define DROPS_BOOT_SIZE 40 /* a UUID as text */

void drops_init(struct drops *d, const char *state_dir)
{
	*d = (struct drops){ .state_dir = state_dir };
}

/* Cookies are unique as long as the kernel runs; the boot id tells its runs apart. */
static void drops_boot(char out[DROPS_BOOT_SIZE])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	snprintf(out, DROPS_BOOT_SIZE, "unknown");
	if (file == NULL)
		return;
	if (fscanf(file, "%39s", out) != 1)
		snprintf(out, DROPS_BOOT_SIZE, "unknown");
	fclose(file);
}

static bool drops_read(int fd, uint32_t *count)
{
	uint32_t info[SK_MEMINFO_VARS];
	socklen_t size = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &size) < 0 || size < sizeof(info))
		return false;
	*count = info[SK_MEMINFO_DROPS];
	return true;
}

/* What an earlier agent has reported of a socket; 0 when that is not known. */
static uint32_t drops_reported(const struct drops *d, uint64_t cookie)
{
	char path[PATH_MAX], boot[DROPS_BOOT_SIZE], there[DROPS_BOOT_SIZE];
	uint32_t reported = 0, seen;
	uint64_t other;
	FILE *file;

	if (*d->state_dir == '\0' ||
	    snprintf(path, sizeof(path), "%s/drops", d->state_dir) >= (int)sizeof(path))
		return 0;
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	drops_boot(boot);
	if (fscanf(file, "%39s", there) == 1 && strcmp(boot, there) == 0)
		while (fscanf(file, "%" SCNu64 " %" SCNu32, &other, &seen) == 2)
			if (other == cookie)
				reported = seen;
	fclose(file);
	return reported;
}

void drops_watch(struct drops *d, int fd)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	assert(d->count < DROPS_SOCKETS);
	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) < 0)
		cookie = 0;
	d->sockets[d->count].fd = fd;
	d->sockets[d->count].cookie = cookie;
	d->sockets[d->count].seen = cookie ? drops_reported(d, cookie) : 0;
	d->count++;
}

uint64_t drops_take(struct drops *d)
{
	uint64_t taken = 0;

	for (size_t i = 0; i < d->count; i++) {
		uint32_t now;

		if (!drops_read(d->sockets[i].fd, &now))
			continue;
		/* The kernel's counter wraps at 2^32, and so does the difference. */
		taken += (uint32_t)(now - d->sockets[i].seen);
		d->changed = d->changed || now != d->sockets[i].seen;
		d->sockets[i].seen = now;
	}
	return taken;
}

static bool drops_write(const struct drops *d, const char *path)
{
	char boot[DROPS_BOOT_SIZE];
	FILE *file = fopen(path, "we");
	bool good;

	if (file == NULL)
		return false;
	drops_boot(boot);
	good = fprintf(file, "%s\n", boot) > 0;
	for (size_t i = 0; i < d->count && good; i++)
		good = fprintf(file, "%" PRIu64 " %" PRIu32 "\n", d->sockets[i].cookie,
			       d->sockets[i].seen) > 0;
	return (fclose(file) == 0) & good;
}

/* Not synced: a machine that fails takes its sockets along. */
void drops_save(struct drops *d)
{
	char path[PATH_MAX], fresh[PATH_MAX];

	if (!d->changed || *d->state_dir == '\0')
		return;
	d->changed = false;
	if (snprintf(path, sizeof(path), "%s/drops", d->state_dir) >= (int)sizeof(path) ||
	    snprintf(fresh, sizeof(fresh), "%s/drops.new", d->state_dir) >= (int)sizeof(fresh))
		return;
	if (!drops_write(d, fresh) || rename(fresh, path) < 0)
		log_warn("drops_file", "path=%s err=%s hint=\"drops may be reported twice\"", path,
			 err_name(-errno));
}
