/*
 * page.h - the page at `/`: the files that make it, compiled into the program.
 *
 * `/` is index.html, `/v1/page/NAME` every other file of queryd/page/ and the chart library, which
 * the build takes from Debian's libjs-dygraphs. Nothing is read from disk when it runs and the page
 * asks nobody but this daemon: it works without a network. Bytes and types are constants; a file's
 * entity tag is the hash of its bytes, so a browser asks again and is told 304 until
 * the program changes.
 */
#ifndef QUERYD_PAGE_H
#define QUERYD_PAGE_H

#include "proto/daemon/http.h"
#include "proto/slice.h"

#define PAGE_PREFIX "/v1/page/"

struct page_file {
	const char *name; /* `chart.js` */
	const uint8_t *bytes;
	size_t size;
};

/* The file that a path (raw, without the query) names, or NULL. Static. */
const struct page_file *page_find(struct slice path);

/* What a browser is to take the file for. Static. */
const char *page_type(const struct page_file *file);

/* Replies with the file, or with 304 to who has it. Returns the status that was sent. */
unsigned page_serve(struct http_request *request, const struct page_file *file);

#endif
