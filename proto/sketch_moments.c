// SPDX-License-Identifier: Apache-2.0
/*
 * Sums keep what each addition rounds away (Knuth's two-sum, summed as Neumaier does), so
 * the error is that of one rounding, not of n. The second moment is taken about the mean
 * in a second walk, corrected for the mean's own rounding, and joined by Chan's formula:
 * the textbook's sum of squares loses all digits of a small spread at a large offset.
 *
 * Everything is in value x unit. The unit is 1 for any sane data; where a square would
 * leave a double's range (beyond 2^+-400) it is a power of two that brings it back.
 */
#include "proto/sketch_impl.h"

#include <math.h>

double sketch_moments_unit(double min, double max)
{
	double largest = fmax(fabs(min), fabs(max));

	if (largest > 0x1p400)
		return 0x1p-600;
	return largest < 0x1p-400 ? 0x1p600 : 1.0;
}

/* Adds x to m's sum and keeps the rounding error. */
static inline void moments_add(struct sketch_moments *m, double x)
{
	double sum = m->sum + x;
	double part = sum - m->sum;

	m->lost += (m->sum - (sum - part)) + (x - part);
	m->sum = sum;
}

static double moments_mean(const struct sketch_moments *m)
{
	return (m->sum + m->lost) / (double)m->weight;
}

static void moments_add_second(struct sketch_moments *m, const struct sketch_cell *cells,
			       size_t count)
{
	double mean = moments_mean(m), first = 0, second = 0;

	for (size_t i = 0; i < count; i++) {
		double weight = (double)(int64_t)cells[i].weight;
		double away = cells[i].value * m->unit - mean;
		double weighted = weight * away;

		first += weighted;
		second += weighted * away;
	}
	second -= first * (first / (double)m->weight);
	m->second = second > 0 ? second : 0;
}

struct sketch_moments sketch_moments_of(const struct sketch_cell *cells, size_t count,
					double unit)
{
	struct sketch_moments m = { .unit = unit };

	for (size_t i = 0; i < count; i++) {
		double value = cells[i].value * unit;
		double weight = (double)(int64_t)cells[i].weight;
		double product = value * weight;

		moments_add(&m, product);
		if (cells[i].weight != 1)
			m.lost += fma(value, weight, -product);
		m.weight += cells[i].weight;
	}
	if (m.weight > 0)
		moments_add_second(&m, cells, count);
	return m;
}

static void moments_convert(struct sketch_moments *m, double unit)
{
	double factor;

	if (m->weight == 0 || m->unit == unit) {
		m->unit = unit;
		return;
	}
	/* From 2^600 to 2^-600 the factor itself would be out of range, and so would be what
	 * it leaves: values so small are nothing beside the one that changed the unit. */
	factor = unit / m->unit;
	m->sum *= factor;
	m->lost *= factor;
	m->second = m->second * factor * factor;
	m->unit = unit;
}

struct sketch_moments sketch_moments_join(struct sketch_moments a, struct sketch_moments b,
					  double unit)
{
	struct sketch_moments m = { .unit = unit, .weight = a.weight + b.weight };
	double light = (double)(a.weight < b.weight ? a.weight : b.weight);
	double between, share;

	moments_convert(&a, unit);
	moments_convert(&b, unit);
	if (a.weight == 0 || b.weight == 0)
		return a.weight ? a : b;
	between = moments_mean(&a) - moments_mean(&b);
	share = light * (1 - light / (double)m.weight);
	m.sum = a.sum;
	moments_add(&m, b.sum);
	m.lost += a.lost + b.lost;
	m.second = a.second + b.second + between * between * share;
	return m;
}
