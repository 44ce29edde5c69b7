// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/tally.h"

#include "proto/daemon/conf.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* In HELP only backslash and newline are special (exposition format 0.0.4). */
static void tally_put_help(const char *help, struct buf *out)
{
	for (; *help != '\0'; help++) {
		if (*help == '\n')
			buf_put_text(out, "\\n");
		else if (*help == '\\')
			buf_put_text(out, "\\\\");
		else
			buf_put_u8(out, (uint8_t)*help);
	}
}

static void tally_put_head(const char *name, const char *type, const char *help, struct buf *out)
{
	if (help != NULL) {
		buf_printf(out, "# HELP %s ", name);
		tally_put_help(help, out);
		buf_put_text(out, "\n");
	}
	buf_printf(out, "# TYPE %s %s\n", name, type);
}

void tally_render(const struct tally_row *rows, size_t count, const void *values,
		  struct buf *out)
{
	for (size_t i = 0; i < count; i++) {
		const struct tally_row *row = &rows[i];
		const tally_count *value = (const void *)((const char *)values + row->offset);

		if (i == 0 || strcmp(row->name, rows[i - 1].name) != 0)
			tally_put_head(row->name, row->type == TALLY_GAUGE ? "gauge" : "counter",
				       row->help, out);
		if (row->labels != NULL)
			buf_printf(out, "%s{%s} %" PRIu64 "\n", row->name, row->labels,
				   tally_get(value));
		else
			buf_printf(out, "%s %" PRIu64 "\n", row->name, tally_get(value));
	}
}

/* Reads a file of /proc whole; what is longer than size is of no interest here. */
static bool tally_read(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t got;

	if (file == NULL)
		return false;
	got = fread(text, 1, size - 1, file);
	fclose(file);
	text[got] = '\0';
	return got > 0;
}

static long tally_resident_pages(void)
{
	char text[128];
	long pages = 0;

	if (!tally_read("/proc/self/statm", text, sizeof(text)) ||
	    sscanf(text, "%*s %ld", &pages) != 1)
		return 0;
	return pages;
}

static double tally_cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static unsigned tally_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	unsigned count = 0;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			count++;
	closedir(dir);
	return count > 0 ? count - 1 : 0; /* the directory itself was open */
}

/* /proc gives the start in clock ticks since boot, and the boot in unix seconds. */
static double tally_start_seconds(void)
{
	static char text[65536];
	unsigned long long ticks = 0;
	unsigned long long boot = 0;
	const char *at;

	if (!tally_read("/proc/self/stat", text, sizeof(text)))
		return 0;
	/* The program's name, in parentheses, may hold anything: the fields begin after the
	 * last. */
	at = strrchr(text, ')');
	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at == NULL || sscanf(at, " %llu", &ticks) != 1)
		return 0;
	if (!tally_read("/proc/stat", text, sizeof(text)))
		return 0;
	at = strstr(text, "\nbtime ");
	if (at == NULL || sscanf(at, "\nbtime %llu", &boot) != 1)
		return 0;
	return (double)boot + (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

void tally_render_process(const char *program, struct buf *out)
{
	static double started;

	if (started <= 0)
		started = tally_start_seconds();
	tally_put_head("process_resident_memory_bytes", "gauge", "Resident memory in bytes.", out);
	buf_printf(out, "process_resident_memory_bytes %lld\n",
		   (long long)tally_resident_pages() * sysconf(_SC_PAGESIZE));
	tally_put_head("process_cpu_seconds_total", "counter",
		       "User and system CPU time in seconds.", out);
	buf_printf(out, "process_cpu_seconds_total %.6f\n", tally_cpu_seconds());
	tally_put_head("process_open_fds", "gauge", "Open file descriptors.", out);
	buf_printf(out, "process_open_fds %u\n", tally_open_fds());
	tally_put_head("process_start_time_seconds", "gauge", "Start of the process, unix time.",
		       out);
	buf_printf(out, "process_start_time_seconds %.2f\n", started);
	tally_put_head("hourglass_build_info", "gauge", "Always 1; the version is a label.", out);
	buf_printf(out, "hourglass_build_info{program=\"%s\",version=\"%s\"} 1\n", program,
		   conf_version());
}
