/*
 * spool_disk_world.h - a spool on disk in a folder of its own, and a disk that fails on demand.
 *
 * Each test has one lane that seals batches (spool_case.h). The disk under the spool is real, but
 * its calls pass through here: fail_* make them fail, `lost` makes what was not synced vanish.
 */
#ifndef TESTS_UNIT_AGENT_SPOOL_DISK_WORLD_H
#define TESTS_UNIT_AGENT_SPOOL_DISK_WORLD_H

#include "agent/spool_disk.h"
#include "tests/unit/agent/spool_case.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORLD_RECORDS 1024

struct world {
	struct spool_case c;
	char folder[64];
	struct spool_disk_options options;
	struct spool *spool;
	struct spool_found found;
	tally_count volatile_samples;
	uint64_t ids[WORLD_RECORDS]; /* by seq, as the last start found them; 0: not found */
	struct spool_record records[WORLD_RECORDS];
	uint64_t unwanted_below;
};

/* The disk: what the next calls say. */
static struct {
	int write, allocate, sync, read; /* an errno, or 0 */
	size_t write_limit;              /* bytes of a write at most; 0: all */
	size_t syncs;
} disk;

__attribute__((unused)) static ssize_t disk_write(int fd, const void *bytes, size_t size, off_t at)
{
	if (disk.write_limit > 0 && size > disk.write_limit)
		return pwrite(fd, bytes, disk.write_limit, at);
	errno = disk.write;
	return disk.write ? -1 : pwrite(fd, bytes, size, at);
}

__attribute__((unused)) static ssize_t disk_read(int fd, void *bytes, size_t size, off_t at)
{
	errno = disk.read;
	return disk.read ? -1 : pread(fd, bytes, size, at);
}

__attribute__((unused)) static int disk_sync(int fd)
{
	(void)fd;
	disk.syncs++;
	errno = disk.sync;
	return disk.sync ? -1 : 0;
}

__attribute__((unused)) static int disk_allocate(int fd, off_t from, off_t size)
{
	return disk.allocate ? disk.allocate : ftruncate(fd, from + size);
}

/* The system's calls, but for these. */
static struct spool_io disk_io;

static inline const struct spool_io *world_io(void)
{
	disk_io = spool_io_system;
	disk_io.write = disk_write;
	disk_io.read = disk_read;
	disk_io.sync = disk_sync;
	disk_io.allocate = disk_allocate;
	return &disk_io;
}

static inline bool on_restored(void *arg, struct spool *s, const struct spool_record *record,
			       size_t size, uint64_t id)
{
	struct world *w = arg;

	(void)s;
	(void)size;
	assert_true(record->seq < WORLD_RECORDS);
	if (record->seq < w->unwanted_below)
		return false;
	w->ids[record->seq] = id;
	w->records[record->seq] = *record;
	return true;
}

static inline void start(struct world *w)
{
	memset(w->ids, 0, sizeof(w->ids));
	assert_int_equal(spool_disk_new(w->folder, &w->options, on_restored, w, &w->found,
					&w->spool), 0);
}

/* As a kill -9 and a start: nothing is synced. */
static inline void restart(struct world *w)
{
	spool_free(w->spool);
	start(w);
}

static inline uint64_t append(struct world *w, size_t size)
{
	struct slice batch = case_next(&w->c, size);
	uint64_t id = 0;

	assert_int_equal(spool_append(w->spool, &w->c.record, batch, &id), 0);
	return id;
}

static inline void assert_holds(struct world *w, uint64_t id, uint8_t incarnation, uint64_t seq,
				size_t size)
{
	struct spool_case c = { .seq = 0 };
	struct slice batch;

	c.stream.bytes[STREAM_ID_BYTES - 1] = incarnation;
	assert_int_equal(spool_view(w->spool, id, &batch), 0);
	assert_true(slice_equal(batch, case_batch(&c, seq, size)));
}

static inline const char *path_of(const struct world *w, const char *name, char path[512])
{
	snprintf(path, 512, "%s/%s", w->folder, name);
	return path;
}

static inline int stat_name(const struct world *w, const char *name, struct stat *about)
{
	char path[512];

	return stat(path_of(w, name, path), about);
}

static inline int stat_file(const struct world *w, uint64_t number, struct stat *about)
{
	char name[SPOOL_FILE_NAME_SIZE];

	return stat_name(w, spool_file_name(number, name), about);
}

static inline void put_file(const struct world *w, const char *name, const char *text)
{
	char path[512];
	FILE *f = fopen(path_of(w, name, path), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* Opens a file of the spool, to damage it. */
static inline int open_file(const struct world *w, uint64_t number)
{
	char path[512], name[SPOOL_FILE_NAME_SIZE];
	int fd = open(path_of(w, spool_file_name(number, name), path), O_RDWR);

	assert_true(fd >= 0);
	return fd;
}

static inline size_t count_files(const struct world *w)
{
	DIR *folder = opendir(w->folder);
	struct dirent *entry;
	size_t count = 0;

	while ((entry = readdir(folder)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(folder);
	return count;
}

static inline size_t count_descriptors(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static inline int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	memset(&disk, 0, sizeof(disk));
	snprintf(w->folder, sizeof(w->folder), "/tmp/hourglass-spool-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	w->options = (struct spool_disk_options){ .max_bytes = 1 << 20, .segment_bytes = 1,
						  .memory_max = 1 << 20, .io = world_io(),
						  .volatile_samples = &w->volatile_samples };
	case_begin(&w->c, 1);
	*state = w;
	return 0;
}

static inline int teardown(void **state)
{
	struct world *w = *state;
	char path[512];
	DIR *folder;
	struct dirent *entry;

	spool_free(w->spool);
	folder = opendir(w->folder);
	while ((entry = readdir(folder)) != NULL)
		unlink(path_of(w, entry->d_name, path));
	closedir(folder);
	assert_int_equal(rmdir(w->folder), 0);
	free(w);
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
