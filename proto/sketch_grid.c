// SPDX-License-Identifier: Apache-2.0
/*
 * Measured values mostly have few decimals, and a sketch that knows how many can be exact for
 * longer and be written shorter. A value lies on the grid of s decimals if it is the double
 * nearest to some m / 10^s: with |m| <= 2^50 the rounding errors of value x 10^s are below a
 * quarter, so rounding it finds the one m there can be, and dividing tells whether it was right.
 */
#include "proto/sketch_impl.h"

#include <math.h>

/* Up to so many steps, value x 10^grid rounds back to the steps it was made of. */
#define GRID_STEPS_MAX 0x1p50

static const double grid_scale[SKETCH_GRID_MAX + 1] = { 1e0, 1e1, 1e2, 1e3, 1e4,
							1e5, 1e6, 1e7, 1e8, 1e9 };

int64_t sketch_grid_steps(uint8_t grid, double value)
{
	double scaled = value * grid_scale[grid];

	return (int64_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

double sketch_grid_value(uint8_t grid, int64_t steps)
{
	return (double)steps / grid_scale[grid];
}

double sketch_grid_round(uint8_t grid, double value)
{
	if (grid == SKETCH_GRID_NONE)
		return value;
	return sketch_grid_value(grid, sketch_grid_steps(grid, value));
}

uint8_t sketch_grid_join(uint8_t grid, double value)
{
	for (; grid <= SKETCH_GRID_MAX; grid++) {
		if (fabs(value) * grid_scale[grid] > GRID_STEPS_MAX)
			return SKETCH_GRID_NONE;
		if (sketch_grid_round(grid, value) == value)
			return grid;
	}
	return SKETCH_GRID_NONE;
}

uint8_t sketch_grid_fit(uint8_t grid, double min, double max)
{
	double largest = -min > max ? -min : max;

	if (grid == SKETCH_GRID_NONE || largest * grid_scale[grid] > GRID_STEPS_MAX)
		return SKETCH_GRID_NONE;
	return grid;
}

/* A value of m steps lies on a coarser grid as well if and only if ten divides m: within the range
 * of a grid any two of its values are different doubles. */
bool sketch_grid_least(const struct sketch *s, uint8_t grid)
{
	uint8_t least = 0;

	if (grid == 0)
		return true;
	if (grid != SKETCH_GRID_NONE) {
		for (size_t i = 0; i < s->count; i++)
			if (sketch_grid_steps(grid, s->cells[i].value) % 10 != 0)
				return true;
		return false;
	}
	for (size_t i = 0; i < s->count && least != SKETCH_GRID_NONE; i++)
		least = sketch_grid_join(least, s->cells[i].value);
	return sketch_grid_fit(least, s->min, s->max) == SKETCH_GRID_NONE;
}
