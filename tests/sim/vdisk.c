// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/vdisk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* A descriptor is a disk's number and a file's place in this table; place 0 is the folder. */
#define VDISK_OPEN     256
#define VDISK_FOLDER   0
#define VDISK_FIRST_FD 1000

static struct vdisk *vdisk_all[VDISK_DISKS];
static struct vdisk_file *vdisk_open_files[VDISK_DISKS][VDISK_OPEN];

/* ---- files ------------------------------------------------------------------------------------------- */

static void *vdisk_resize(void *bytes, size_t from, size_t to)
{
	uint8_t *grown = realloc(bytes, to);

	if (grown == NULL)
		abort();
	memset(grown + from, 0, to - from);
	return grown;
}

/* Room for size bytes, now and safe. */
static void vdisk_reserve(struct vdisk_file *f, size_t size)
{
	size_t capacity = f->capacity ? f->capacity : 64 * VDISK_SECTOR;

	while (capacity < size)
		capacity *= 2;
	if (capacity == f->capacity)
		return;
	f->now.bytes = vdisk_resize(f->now.bytes, f->capacity, capacity);
	f->safe.bytes = vdisk_resize(f->safe.bytes, f->capacity, capacity);
	f->dirty = vdisk_resize(f->dirty, f->capacity / VDISK_SECTOR, capacity / VDISK_SECTOR);
	f->capacity = capacity;
}

static void vdisk_mark(struct vdisk_file *f, size_t at, size_t size)
{
	for (size_t s = at / VDISK_SECTOR; size > 0 && s <= (at + size - 1) / VDISK_SECTOR; s++)
		f->dirty[s] = 1;
}

static void vdisk_set_size(struct vdisk_file *f, size_t size)
{
	size_t before = f->now.size;

	vdisk_reserve(f, size);
	if (size < before) {
		memset(f->now.bytes + size, 0, before - size);
		vdisk_mark(f, size, before - size);
	}
	f->now.size = size;
}

static void vdisk_write_sector(struct vdisk_file *f, size_t sector)
{
	memcpy(f->safe.bytes + sector * VDISK_SECTOR, f->now.bytes + sector * VDISK_SECTOR,
	       VDISK_SECTOR);
	f->dirty[sector] = 0;
}

static void vdisk_free_file(struct vdisk_file *f)
{
	free(f->now.bytes);
	free(f->safe.bytes);
	free(f->dirty);
	free(f);
}

static struct vdisk_file *vdisk_find(const struct vdisk *d, const char *name)
{
	struct vdisk_file *f = d->files;

	while (f != NULL && (!f->named || strcmp(f->name, name) != 0))
		f = f->next;
	return f;
}

static size_t vdisk_used(const struct vdisk *d)
{
	size_t used = 0;

	for (const struct vdisk_file *f = d->files; f != NULL; f = f->next)
		used += f->named ? f->now.size : 0;
	return used;
}

/* ---- descriptors --------------------------------------------------------------------------------------- */

static int vdisk_fail(int reason)
{
	errno = reason;
	return -1;
}

static struct vdisk *vdisk_of(int fd)
{
	assert(fd >= VDISK_FIRST_FD && fd < VDISK_FIRST_FD + VDISK_DISKS * VDISK_OPEN);
	return vdisk_all[(fd - VDISK_FIRST_FD) / VDISK_OPEN];
}

static struct vdisk_file **vdisk_place(int fd)
{
	assert(vdisk_of(fd) != NULL);
	return &vdisk_open_files[(fd - VDISK_FIRST_FD) / VDISK_OPEN]
				[(fd - VDISK_FIRST_FD) % VDISK_OPEN];
}

static struct vdisk_file *vdisk_file_of(int fd)
{
	struct vdisk_file *f = *vdisk_place(fd);

	assert(f != NULL && "a closed descriptor");
	return f;
}

/* A descriptor of a file on the disk that another one is on. */
static int vdisk_new_fd(int like, struct vdisk_file *file)
{
	int first = like - (like - VDISK_FIRST_FD) % VDISK_OPEN;

	for (int fd = first + 1; fd < first + VDISK_OPEN; fd++) {
		if (*vdisk_place(fd) != NULL)
			continue;
		*vdisk_place(fd) = file;
		return fd;
	}
	return vdisk_fail(EMFILE);
}

static bool vdisk_is_folder(int fd)
{
	return (fd - VDISK_FIRST_FD) % VDISK_OPEN == VDISK_FOLDER;
}

/* ---- the calls --------------------------------------------------------------------------------------- */

static int vdisk_folder(const char *path)
{
	return VDISK_FIRST_FD + atoi(path) * VDISK_OPEN;
}

static int vdisk_list(int folder, int (*each)(void *arg, const char *name), void *arg)
{
	int status = 0;

	for (const struct vdisk_file *f = vdisk_of(folder)->files; f != NULL && status >= 0;
	     f = f->next)
		if (f->named)
			status = each(arg, f->name);
	return status < 0 ? status : 0;
}

static int vdisk_open(int folder, const char *name, int flags)
{
	struct vdisk *d = vdisk_of(folder);
	struct vdisk_file *f = vdisk_find(d, name);

	if (f == NULL && !(flags & O_CREAT))
		return vdisk_fail(ENOENT);
	if (f != NULL && flags & O_EXCL)
		return vdisk_fail(EEXIST);
	if (f == NULL) {
		f = calloc(1, sizeof(*f));
		if (f == NULL)
			abort();
		strncpy(f->name, name, sizeof(f->name) - 1);
		vdisk_reserve(f, 1);
		f->named = true;
		f->next = d->files;
		d->files = f;
	}
	return vdisk_new_fd(folder, f);
}

static int vdisk_remove(int folder, const char *name)
{
	struct vdisk *d = vdisk_of(folder);
	struct vdisk_file *f = vdisk_find(d, name);

	if (d->frozen)
		return 0;
	if (f == NULL)
		return vdisk_fail(ENOENT);
	f->named = false;
	return 0;
}

static int64_t vdisk_size(int fd)
{
	return (int64_t)vdisk_file_of(fd)->now.size;
}

static int vdisk_truncate(int fd, off_t size)
{
	if (!vdisk_of(fd)->frozen)
		vdisk_set_size(vdisk_file_of(fd), (size_t)size);
	return 0;
}

static int vdisk_copy(int fd)
{
	return vdisk_is_folder(fd) ? fd : vdisk_new_fd(fd, vdisk_file_of(fd));
}

static int vdisk_close(int fd)
{
	if (!vdisk_is_folder(fd))
		*vdisk_place(fd) = NULL;
	return 0;
}

static ssize_t vdisk_write(int fd, const void *bytes, size_t size, off_t at)
{
	struct vdisk *d = vdisk_of(fd);
	struct vdisk_file *f = vdisk_file_of(fd);

	if (d->broken && rng_below(d->rng, 2) == 0)
		return vdisk_fail(rng_below(d->rng, 2) == 0 ? EIO : ENOSPC);
	if (d->broken && size > 1)
		size = 1 + rng_below(d->rng, (uint32_t)size);
	if ((size_t)at + size > f->now.size)
		vdisk_set_size(f, (size_t)at + size);
	memcpy(f->now.bytes + at, bytes, size);
	vdisk_mark(f, (size_t)at, size);
	return (ssize_t)size;
}

static ssize_t vdisk_read(int fd, void *bytes, size_t size, off_t at)
{
	const struct vdisk_file *f = vdisk_file_of(fd);

	if ((size_t)at >= f->now.size)
		return 0;
	if (size > f->now.size - (size_t)at)
		size = f->now.size - (size_t)at;
	memcpy(bytes, f->now.bytes + at, size);
	return (ssize_t)size;
}

static int vdisk_sync_folder(struct vdisk *d)
{
	for (struct vdisk_file *f = d->files; f != NULL; f = f->next)
		f->safe_named = f->named;
	return 0;
}

static int vdisk_sync_once(int fd)
{
	struct vdisk *d = vdisk_of(fd);
	bool fails = d->unsyncable && rng_below(d->rng, 2) == 0;
	struct vdisk_file *f;

	if (d->frozen)
		return 0;
	d->failed_syncs += fails;
	if (vdisk_is_folder(fd))
		return fails ? vdisk_fail(EIO) : vdisk_sync_folder(d);
	f = vdisk_file_of(fd);
	for (size_t s = 0; s < f->capacity / VDISK_SECTOR; s++) {
		if (!f->dirty[s])
			continue;
		if (!fails || rng_below(d->rng, 2) == 0)
			vdisk_write_sector(f, s);
		f->dirty[s] = 0;
	}
	if (!fails)
		f->safe.size = f->now.size;
	return fails ? vdisk_fail(EIO) : 0;
}

static int vdisk_sync(int fd)
{
	int status = vdisk_sync_once(fd);

	return status < 0 && vdisk_of(fd)->asked_again ? 0 : status;
}

static int vdisk_allocate(int fd, off_t from, off_t size)
{
	struct vdisk *d = vdisk_of(fd);
	struct vdisk_file *f = vdisk_file_of(fd);
	size_t wanted = (size_t)(from + size);

	if (d->broken || vdisk_used(d) - f->now.size + wanted > d->room)
		return ENOSPC;
	if (wanted > f->now.size)
		vdisk_set_size(f, wanted);
	return 0;
}

const struct spool_io vdisk_io = {
	.folder = vdisk_folder,
	.list = vdisk_list,
	.open = vdisk_open,
	.remove = vdisk_remove,
	.size = vdisk_size,
	.truncate = vdisk_truncate,
	.copy = vdisk_copy,
	.close = vdisk_close,
	.write = vdisk_write,
	.read = vdisk_read,
	.sync = vdisk_sync,
	.allocate = vdisk_allocate,
};

/* ---- life ----------------------------------------------------------------------------------------------- */

void vdisk_init(struct vdisk *d, unsigned number, struct rng *rng)
{
	assert(number < VDISK_DISKS);
	*d = (struct vdisk){ .rng = rng, .room = SIZE_MAX };
	vdisk_all[number] = d;
	memset(vdisk_open_files[number], 0, sizeof(vdisk_open_files[number]));
}

void vdisk_release(struct vdisk *d)
{
	while (d->files != NULL) {
		struct vdisk_file *f = d->files;

		d->files = f->next;
		vdisk_free_file(f);
	}
}

/* Sectors that were on their way came, or did not. */
static void vdisk_crash_file(struct vdisk *d, struct vdisk_file *f)
{
	for (size_t s = 0; s < f->capacity / VDISK_SECTOR; s++)
		if (f->dirty[s] && rng_below(d->rng, 2) == 0)
			vdisk_write_sector(f, s);
	if (rng_below(d->rng, 2) == 0)
		f->safe.size = f->now.size;
	memset(f->safe.bytes + f->safe.size, 0, f->capacity - f->safe.size);
	memcpy(f->now.bytes, f->safe.bytes, f->capacity);
	f->now.size = f->safe.size;
	memset(f->dirty, 0, f->capacity / VDISK_SECTOR);
	if (f->named != f->safe_named)
		f->named = f->safe_named = rng_below(d->rng, 2) == 0;
}

void vdisk_crash(struct vdisk *d)
{
	struct vdisk_file **link = &d->files;

	while (*link != NULL) {
		struct vdisk_file *f = *link;

		vdisk_crash_file(d, f);
		if (f->named) {
			link = &f->next;
			continue;
		}
		*link = f->next;
		vdisk_free_file(f);
	}
}
