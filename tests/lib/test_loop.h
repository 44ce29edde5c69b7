/*
 * test_loop.h - a uv loop with a deadline, for tests of the parts that need one.
 *
 * Nothing sleeps: a test runs the loop until what it waits for has happened, and a timer
 * that fails the test bounds that. test_loop_finish also proves that every handle was
 * closed: a leaked one is a failed test.
 */
#ifndef TESTS_LIB_TEST_LOOP_H
#define TESTS_LIB_TEST_LOOP_H

#include <stdbool.h>
#include <uv.h>

struct test_loop {
	uv_loop_t loop;
	uv_timer_t deadline;
};

/* Starts a loop whose test fails after 10 s. */
void test_loop_init(struct test_loop *t);

/* Runs the loop until *flag, at least one turn if it is not set yet. */
void test_loop_until(struct test_loop *t, const bool *flag);

/* Runs the loop until *count is at least wanted. */
void test_loop_until_count(struct test_loop *t, const unsigned *count, unsigned wanted);

/* Runs what is ready and returns without waiting. */
void test_loop_turn(struct test_loop *t);

/* Stops the deadline, runs the loop until no handle is left, and closes it. */
void test_loop_finish(struct test_loop *t);

#endif
