/*
 * peak.h - how much memory a piece of a test took at most.
 *
 * The peak of a process only ever grows: measure before anything else has raised it, that
 * is in the first test of a program, and with the input already made. Sanitizers and
 * valgrind keep memory of their own, so under them there is no telling and growth is 0.
 */
#ifndef TESTS_LIB_PEAK_H
#define TESTS_LIB_PEAK_H

/* The process's peak so far, KiB. */
long peak_kib(void);

/* By how much the peak has grown since peak_kib() said `before`, KiB. */
long peak_growth_kib(long before);

#endif
