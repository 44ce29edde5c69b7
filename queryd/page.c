// SPDX-License-Identifier: Apache-2.0
/*
 * page.c - files compiled in, found by name.
 *
 * Their tag is a hash of their bytes, so a browser asks each time and is answered 304 until the
 * program is another one.
 */
#include "queryd/page.h"

#include "proto/buf.h"
#include "proto/hash.h"
#include "queryd/respond.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* page_files[], made by the Makefile. */
#include "page.inc"

#define PAGE_FILES (sizeof(page_files) / sizeof(*page_files))

/* Nothing inline, nothing from elsewhere, in nobody's frame: what a key is called cannot become
 * script even if the page's own care should fail. */
#define PAGE_POLICY                                                                               \
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "           \
	"img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const struct page_file *page_find(struct slice path)
{
	const struct slice prefix = slice_text(PAGE_PREFIX);
	struct slice name = slice_text("index.html");
	size_t i;

	if (!slice_equal(path, slice_text("/"))) {
		if (path.size <= prefix.size ||
		    !slice_equal(slice_of(path.ptr, prefix.size), prefix))
			return NULL;
		name = slice_of(path.ptr + prefix.size, path.size - prefix.size);
	}
	for (i = 0; i < PAGE_FILES; i++)
		if (slice_equal(name, slice_text(page_files[i].name)))
			return &page_files[i];
	return NULL;
}

const char *page_type(const struct page_file *file)
{
	static const struct {
		const char *suffix;
		const char *type;
	} types[] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".css", "text/css; charset=utf-8" },
		{ ".js", "text/javascript; charset=utf-8" },
		{ ".svg", "image/svg+xml" },
	};
	const char *suffix = strrchr(file->name, '.');
	size_t i;

	for (i = 0; suffix && i < sizeof(types) / sizeof(*types); i++)
		if (strcmp(suffix, types[i].suffix) == 0)
			return types[i].type;
	return "application/octet-stream";
}

unsigned page_serve(struct http_request *request, const struct page_file *file)
{
	char plain[ETAG_SIZE];
	struct respond_form form;
	struct http_header headers[] = {
		{ "ETag", form.etag },
		{ "Cache-Control", "no-cache" },
		{ "Content-Security-Policy", PAGE_POLICY },
		{ "X-Content-Type-Options", "nosniff" },
		{ "Referrer-Policy", "no-referrer" },
		{ "Vary", "Accept-Encoding" },
		{ "Content-Encoding", "gzip" },
	};
	size_t count = sizeof(headers) / sizeof(*headers);
	unsigned status;
	struct buf body;

	snprintf(plain, sizeof(plain), "\"%016" PRIx64 "\"",
		 hash64(slice_of(file->bytes, file->size)));
	buf_init(&body, file->size);
	buf_put(&body, file->bytes, file->size);
	if (buf_status(&body) < 0) {
		http_reply_text(request, 503, "out of memory\n");
		return 503;
	}
	status = respond_form(request, plain, &body, &form) ? 200 : 304;
	http_reply(request, status, page_type(file), &body, headers,
		   status == 200 && form.gzip ? count : count - 1);
	return status;
}
