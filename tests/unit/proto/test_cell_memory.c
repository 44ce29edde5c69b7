// SPDX-License-Identifier: Apache-2.0
/*
 * Whichever allocation fails, a cell says -ENOMEM (or is not made) and leaks nothing. The
 * allocator is replaced here in the way glibc allows; a sanitizer and valgrind have one of
 * their own, and these tests are skipped there.
 */
#include "proto/cell.h"

#include "proto/limits.h"
#include "tests/lib/cell_case.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define REPLACED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define REPLACED 0
#endif
#endif
#ifndef REPLACED
#define REPLACED 1
#endif

/* Volatile, for a compiler knows that malloc reads no variable of ours. */
static volatile unsigned long allocations_left = ULONG_MAX;
static volatile long allocations_held;

#if REPLACED
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *old);

static bool allocation_refused(void)
{
	if (allocations_left == ULONG_MAX)
		return false;
	if (allocations_left == 0)
		return true;
	allocations_left--;
	return false;
}

void *malloc(size_t size)
{
	void *made = allocation_refused() ? NULL : __libc_malloc(size);

	allocations_held += made != NULL;
	return made;
}

void *calloc(size_t count, size_t size)
{
	void *made = allocation_refused() ? NULL : __libc_calloc(count, size);

	allocations_held += made != NULL;
	return made;
}

void *realloc(void *old, size_t size)
{
	void *made = allocation_refused() ? NULL : __libc_realloc(old, size);

	allocations_held += made != NULL && old == NULL;
	return made;
}

void free(void *old)
{
	allocations_held -= old != NULL;
	__libc_free(old);
}
#endif

/* Skips the test where the functions above are not the ones called. */
static void need_own_allocator(void)
{
	void *volatile probe;

	allocations_left = 0;
	probe = malloc(1);
	allocations_left = ULONG_MAX;
	free(probe);
	if (probe != NULL)
		skip();
}

static int add_group(struct cell *c, struct slice group)
{
	return cell_kind(c) == KIND_WINDOW ? cell_add_elements(c, 3599, 7, group) :
					     cell_add_group(c, 3599, group);
}

/* All that is done with cells, on encodings made while memory was plenty. 0 or -ENOMEM. */
static int work(struct slice left, struct slice right, struct slice group, struct buf *out)
{
	struct cell *a = NULL;
	struct cell *b = NULL;
	struct cell *fresh = NULL;
	int rc = cell_decode(left, &a);

	if (rc == 0)
		rc = cell_decode(right, &b);
	if (rc == 0)
		rc = cell_merge(a, b);
	if (rc == 0)
		rc = cell_encode(a, out);
	if (rc == 0) {
		fresh = cell_new(cell_kind(a));
		rc = fresh ? add_group(fresh, group) : -ENOMEM;
	}
	cell_free(a);
	cell_free(b);
	cell_free(fresh);
	return rc;
}

/* A group of the kind, written by the kind's own encoder. */
static struct buf group_of(enum kind kind)
{
	double values[40];
	uint64_t hashes[1100];
	struct group_gauge gauge = { .delta = 2, .samples = 1 };
	struct buf out;

	buf_init(&out, 1 << 16);
	for (size_t i = 0; i < 40; i++)
		values[i] = (double)i;
	for (size_t i = 0; i < 1100; i++)
		hashes[i] = cell_case_noise(i);
	if (kind == KIND_GAUGE)
		group_put_gauge(&out, &gauge);
	else if (kind == KIND_SET)
		group_put_members(&out, hashes, 1100, 1100);
	else
		group_put_values(&out, cell_case_unsampled, values, 40);
	assert_int_equal(buf_status(&out), 0);
	return out;
}

static void fail_each_allocation(struct cell *left, struct cell *right)
{
	struct buf a = cell_case_encode(left);
	struct buf b = cell_case_encode(right);
	struct buf group = group_of(cell_kind(left));
	unsigned long nth = 0;
	int rc;

	do {
		struct buf out;
		long held = allocations_held;

		buf_init(&out, LIMIT_CELL_BYTES);
		allocations_left = nth++;
		rc = work(buf_view(&a), buf_view(&b), buf_view(&group), &out);
		allocations_left = ULONG_MAX;
		buf_release(&out);
		assert_int_equal(allocations_held, held);
		assert_true(rc == 0 || rc == -ENOMEM);
	} while (rc != 0);
	assert_true(nth > 2);
	buf_release(&a);
	buf_release(&b);
	buf_release(&group);
	cell_free(left);
	cell_free(right);
}

static void no_memory_is_an_error_and_leaks_nothing(void **state)
{
	(void)state;
	need_own_allocator();
	for (size_t i = 0; i < CELL_CASE_KINDS; i++)
		fail_each_allocation(cell_case_history(cell_case_kinds[i], 0, 20),
				     cell_case_history(cell_case_kinds[i], 20, 60));
}

static void neither_when_a_set_outgrows_its_list(void **state)
{
	struct cell *few, *more, *many, *rest;

	(void)state;
	need_own_allocator();
	few = cell_case_new(KIND_SET);
	more = cell_case_new(KIND_SET);
	many = cell_case_new(KIND_SET);
	rest = cell_case_new(KIND_SET);
	cell_case_members(few, 0, 600);
	cell_case_members(more, 500, 1200);
	fail_each_allocation(few, more);
	cell_case_members(many, 0, 3000);
	cell_case_members(rest, 2000, 2600);
	fail_each_allocation(rest, many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_memory_is_an_error_and_leaks_nothing),
		cmocka_unit_test(neither_when_a_set_outgrows_its_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
