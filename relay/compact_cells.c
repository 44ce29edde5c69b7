// SPDX-License-Identifier: Apache-2.0
#include "relay/compact_cells.h"

#include "proto/cell.h"
#include "proto/err.h"
#include "relay/resp.h"

#include <assert.h>

/* Decodes a cell and adds it to *sum, which is made of the first one. */
static int compact_cells_add(struct cell **sum, struct slice field, struct slice blob, bool follow)
{
	struct cell *cell;
	int rc = cell_decode(blob, &cell);

	if (rc < 0)
		return rc;
	if ((uint8_t)cell_kind(cell) != field.ptr[0]) {
		rc = ERR_MALFORMED;
	} else if (*sum == NULL) {
		*sum = cell;
		return 0;
	} else {
		rc = follow ? cell_follow(*sum, cell) : cell_merge(*sum, cell);
	}
	cell_free(cell);
	return rc;
}

static int compact_cells_merge(struct slice field, const struct slice *blobs, size_t count,
			       bool follow, struct buf *merged)
{
	struct cell *sum = NULL;
	int rc = 0;

	buf_reset(merged);
	for (size_t i = 0; i < count && rc == 0; i++)
		if (blobs[i].size > 0)
			rc = compact_cells_add(&sum, field, blobs[i], follow);
	if (rc == 0)
		rc = cell_encode(sum, merged);
	cell_free(sum);
	return rc;
}

bool compact_cells_of_hours(struct slice field)
{
	return field.size > 0 && field.ptr[0] == KIND_WINDOW;
}

int compact_cells_put(struct buf *out, struct slice field, const struct slice *blobs, size_t count,
		      bool follow, struct buf *scratch)
{
	struct slice blob = slice_of(NULL, 0);
	size_t present = 0;
	int rc;

	for (size_t i = 0; i < count; i++) {
		if (blobs[i].size == 0)
			continue;
		blob = blobs[i];
		present++;
	}
	if (field.size == 0 || present == 0)
		return ERR_MALFORMED;
	if (present > 1) {
		rc = compact_cells_merge(field, blobs, count, follow, scratch);
		if (rc < 0)
			return rc;
		blob = buf_view(scratch);
	}
	resp_bytes(out, field);
	resp_bytes(out, blob);
	return buf_status(out);
}
