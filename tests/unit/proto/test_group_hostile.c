// SPDX-License-Identifier: Apache-2.0
/*
 * What group.c does with bytes that no encoder of ours wrote; test_group.c has the rest.
 */
#include "proto/group.h"

#include "proto/err.h"
#include "tests/lib/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define ROOM 4096

struct refusal {
	enum kind kind;
	const char *hex;
	int err;
};

static const struct refusal refusals[] = {
	{ KIND_DISTRIBUTION, "", ERR_TRUNCATED },
	{ KIND_DISTRIBUTION, "00", ERR_TRUNCATED },
	{ KIND_DISTRIBUTION, "00 00000000000000", ERR_TRUNCATED },
	{ KIND_DISTRIBUTION, "00 000000000000f07f", ERR_BAD_VALUE },      /* inf */
	{ KIND_COUNTER, "00 000000000000f87f", ERR_BAD_VALUE },           /* nan */
	{ KIND_DISTRIBUTION, "20 0000000000000000", ERR_MALFORMED },      /* flags */
	{ KIND_DISTRIBUTION, "05 00", ERR_UNKNOWN_TYPE },
	{ KIND_DISTRIBUTION, "0f 00", ERR_UNKNOWN_TYPE },
	{ KIND_GAUGE, "01 00 01 00 00", ERR_MALFORMED },                  /* kind */
	{ KIND_SET, "01 00 01 00 00", ERR_MALFORMED },
	{ KIND_COUNTER, "02 01", ERR_MALFORMED },
	{ KIND_DISTRIBUTION, "01 0a 01 00 00", ERR_MALFORMED },           /* scale 10 */
	{ KIND_DISTRIBUTION, "01 ff 01 00 00", ERR_MALFORMED },           /* scale -1 */
	{ KIND_DISTRIBUTION, "01 00 00", ERR_MALFORMED },                 /* no runs */
	{ KIND_DISTRIBUTION, "01 00 02 00 00", ERR_TRUNCATED },
	{ KIND_DISTRIBUTION, "01 00 01 00 00 00", ERR_MALFORMED },        /* left over */
	{ KIND_DISTRIBUTION, "01 00 02 00 00 00 00", ERR_MALFORMED },     /* step 0 */
	{ KIND_DISTRIBUTION, "01 00 01 8000 00", ERR_MALFORMED },         /* padded */
	{ KIND_DISTRIBUTION, "01 00 ffffffffffffffffff01 00 00", ERR_TRUNCATED },
	{ KIND_DISTRIBUTION, "01 00 01 00 ffffffffffffffffff01", ERR_MALFORMED },
	{ KIND_DISTRIBUTION, "01 00 01 8280808080808020 00", ERR_MALFORMED }, /* 2^53 + 1 */
	{ KIND_DISTRIBUTION, "01 00 02 8080808080808020 00 01 00", ERR_MALFORMED },
	{ KIND_DISTRIBUTION, "01 00 02 00 ffffffffffffff0f 01 00", ERR_OUT_OF_RANGE },
	{ KIND_DISTRIBUTION, "11 0000000000000000 01 00 01 00 00", ERR_OUT_OF_RANGE },
	{ KIND_DISTRIBUTION, "11 000000000000f03f 01 00 01 00 00", ERR_OUT_OF_RANGE },
	{ KIND_DISTRIBUTION, "11 000000000000e0bf 01 00 01 00 00", ERR_OUT_OF_RANGE },
	{ KIND_DISTRIBUTION, "11 000000000000f87f 01 00 01 00 00", ERR_OUT_OF_RANGE },
	{ KIND_DISTRIBUTION, "11 000000000000e03f 00 00 01 00 00", ERR_OUT_OF_RANGE },
	{ KIND_DISTRIBUTION, "11 000000000000e03f 8180808010 00 01 00 00",
	  ERR_OUT_OF_RANGE },
	{ KIND_COUNTER, "11 000000000000e03f 02 00 01 00 00", ERR_OUT_OF_RANGE },
	{ KIND_GAUGE, "13 000000000000e03f 01 00 0000000000000000 01", ERR_MALFORMED },
	{ KIND_GAUGE, "03 02 0000000000000000 01", ERR_MALFORMED },       /* flags */
	{ KIND_GAUGE, "03 00 0000000000000000 00", ERR_MALFORMED },       /* no samples */
	{ KIND_GAUGE, "03 00 000000000000f07f 01", ERR_MALFORMED },
	{ KIND_GAUGE, "03 00 0000000000000000", ERR_TRUNCATED },
	{ KIND_GAUGE, "03 00 0000000000000000 01 00", ERR_MALFORMED },
	/* last above max; more sets than samples; no sets */
	{ KIND_GAUGE, "03 01 0000000000000000 01 0000000000000840 0000000000000000"
		      "0000000000000040 0000000000000000 01", ERR_MALFORMED },
	{ KIND_GAUGE, "03 01 0000000000000000 01 0000000000000000 0000000000000000"
		      "0000000000000000 0000000000000000 02", ERR_MALFORMED },
	{ KIND_GAUGE, "03 01 0000000000000000 01 0000000000000000 0000000000000000"
		      "0000000000000000 0000000000000000 00", ERR_MALFORMED },
	{ KIND_SET, "04 01 00", ERR_MALFORMED },                          /* nobody */
	{ KIND_SET, "04 01 02 0100000000000000 0200000000000000", ERR_MALFORMED },
	{ KIND_SET, "04 02 02 0200000000000000 0100000000000000", ERR_MALFORMED },
	{ KIND_SET, "04 02 02 0100000000000000 0100000000000000", ERR_MALFORMED },
	{ KIND_SET, "04 02 02 0100000000000000", ERR_TRUNCATED },
	{ KIND_SET, "04 01 01 0100000000000000 00", ERR_MALFORMED },
	{ KIND_SET, "04 ffffffffffffffffff01 01 0100000000000000", ERR_MALFORMED },
	{ KIND_SET, "04 01 ffffffffffffffffff01 0100000000000000", ERR_TRUNCATED },
	{ KIND_DISTRIBUTION, "02", ERR_TRUNCATED },
	{ KIND_DISTRIBUTION, "02 00 01", ERR_MALFORMED },
};

static void test_what_is_wrong_is_refused_with_its_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		uint8_t room[128];
		struct slice bytes = bytes_of_hex(refusals[i].hex, room, sizeof(room));
		uint8_t *copy = bytes_copy(bytes);
		uint64_t samples = 77;
		int err = group_check(refusals[i].kind, slice_of(copy, bytes.size), &samples);

		free(copy);
		if (err != refusals[i].err)
			fail_msg("%s: %s", refusals[i].hex, err ? err_name(err) : "accepted");
		assert_true(samples == 77);
	}
}

static void try_group(struct slice mutant, void *arg)
{
	static const enum kind kinds[] = { KIND_COUNTER, KIND_DISTRIBUTION, KIND_GAUGE, KIND_SET };
	unsigned *accepted = arg;
	uint64_t samples;

	for (size_t k = 0; k < 4; k++)
		*accepted += group_check(kinds[k], mutant, &samples) == 0;
}

static void try_mutants(struct buf *out, unsigned *cut, unsigned *flipped)
{
	bytes_each_prefix(buf_view(out), try_group, cut);
	bytes_each_flip(buf_view(out), try_group, flipped);
	buf_reset(out);
}

/* A shorter group is never a group, but for codec 0 cut between values. Flips may give
 * another good group; they must only do no harm. */
static void test_no_truncation_passes_and_no_flip_harms(void **state)
{
	double values[40];
	uint64_t hashes[5] = { 1, 2, 3, 4, 5 };
	struct group_gauge g = { .has_set = true, .last = 3, .min = 1, .max = 4, .sum = 6,
				 .sets = 3, .samples = 4 };
	unsigned accepted = 0, flipped = 0;
	struct buf out;

	(void)state;
	buf_init(&out, ROOM);
	for (size_t i = 0; i < 40; i++)
		values[i] = (double)(i * i) / 4;
	group_put_values(&out, (struct group_sampling){ .rate = 0.5, .weight = 2 }, values, 40);
	try_mutants(&out, &accepted, &flipped);
	group_put_gauge(&out, &g);
	try_mutants(&out, &accepted, &flipped);
	group_put_members(&out, hashes, 5, 5);
	try_mutants(&out, &accepted, &flipped);
	assert_int_equal(accepted, 0);
	assert_true(flipped > 0);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_wrong_is_refused_with_its_reason),
		cmocka_unit_test(test_no_truncation_passes_and_no_flip_harms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
