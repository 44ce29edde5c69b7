/*
 * folder.h - what a test has written to disk, gone again.
 */
#ifndef TESTS_LIB_FOLDER_H
#define TESTS_LIB_FOLDER_H

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

/* Removes a folder and the files in it that do not begin with a dot. */
static inline void folder_remove(const char *folder)
{
	DIR *entries = opendir(folder);
	struct dirent *entry;
	char path[512];

	while (entries != NULL && (entry = readdir(entries)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (entry->d_name[0] != '.')
			unlink(path);
	}
	if (entries != NULL)
		closedir(entries);
	rmdir(folder);
}

#endif
