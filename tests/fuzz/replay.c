// SPDX-License-Identifier: Apache-2.0
/*
 * replay.c - runs a fuzz target over files, without libFuzzer: inputs that once taught the
 * fuzzer something are ordinary tests.
 *
 *     replay_<target> FOLDER        every file of the folder, in the order of names
 *
 * Also the empty input, and each file cut in half. Prints `<n> inputs`; what a target does not
 * like ends the process.
 */
#include <assert.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLAY_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly its size: reading past its end is seen by a sanitizer. */
static void replay_bytes(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (copy == NULL)
		exit(1);
	if (size > 0)
		memcpy(copy, bytes, size);
	(void)LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void replay_file(const char *path)
{
	static uint8_t bytes[REPLAY_MAX];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (file == NULL) {
		perror(path);
		exit(1);
	}
	size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	/* The name is what a person needs when the target ends the process. */
	printf("%s\n", path);
	fflush(stdout);
	replay_bytes(bytes, size);
	replay_bytes(bytes, size / 2);
}

static int replay_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	struct dirent **entries;
	char path[4096];
	int count = argc == 2 ? scandir(argv[1], &entries, replay_visible, alphasort) : -1;

	if (count <= 0) {
		fprintf(stderr, "usage: %s FOLDER (which holds inputs)\n", argv[0]);
		return 2;
	}
	replay_bytes(NULL, 0);
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s", argv[1], entries[i]->d_name);
		free(entries[i]);
		replay_file(path);
	}
	free(entries);
	printf("%d inputs\n", count);
	return 0;
}
