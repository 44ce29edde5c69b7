/*
 * faults.h - what a seed does to its world.
 *
 * Each seed draws which faults it has and how often (world.h), so that some seeds suffer of one thing
 * only and some of all. A Redis that forgets never forgets what is older than the grace window.
 */
#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H

#include "tests/sim/world.h"

/* Draws the seed's sizes, delays and rates. */
void faults_plan(struct world *w);

/* One beat: every fault has its chance. */
void faults_beat(struct world *w);

/* Ends all faults for good. */
void faults_heal(struct world *w);

#endif
