/*
 * redis_info.h - what a connection wants to know from INFO.
 *
 * Pure: reads the text of Redis' INFO command (lines `name:value`), nothing else. For
 * proto/store alone.
 */
#ifndef PROTO_STORE_REDIS_INFO_H
#define PROTO_STORE_REDIS_INFO_H

#include "proto/slice.h"

#include <stdbool.h>

#define REDIS_INFO_TEXT_SIZE 32

struct redis_info {
	char version[REDIS_INFO_TEXT_SIZE]; /* "7.0.15" */
	char role[REDIS_INFO_TEXT_SIZE];    /* "master", "slave"; "" of a sentinel */
	char mode[REDIS_INFO_TEXT_SIZE];    /* "standalone", "sentinel", "cluster"; "" not told */
	bool loading;                       /* its data set is still being read */
};

/* Reads what INFO said. False when there is no version: then it is not Redis. */
bool redis_info_parse(struct slice text, struct redis_info *out);

#endif
