// SPDX-License-Identifier: Apache-2.0
/*
 * Sums keep what each addition rounds away (Knuth's two-sum, summed as Neumaier does), so
 * the error is that of one rounding, not of n. The second moment is taken about the mean
 * in a second walk, corrected for the mean's own rounding, and joined by Chan's formula:
 * the textbook's sum of squares loses all digits of a small spread at a large offset.
 *
 * Cells go through in pairs: those at even places are summed apart from those at odd ones, both
 * at once where the machine can, and the two sums are added in the end.
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

/* Two doubles; what is done to one is done to the other. */
typedef double moments_pair __attribute__((vector_size(16)));

static inline moments_pair moments_values(const struct sketch_cell *two, double unit)
{
	return (moments_pair){ two[0].value, two[1].value } * unit;
}

/* single: both are known to weigh 1, as nearly all that is added does. */
static inline moments_pair moments_weights(const struct sketch_cell *two, bool single)
{
	if (single)
		return (moments_pair){ 1, 1 };
	return (moments_pair){ (double)(int64_t)two[0].weight, (double)(int64_t)two[1].weight };
}

/* A sum, or whatever else two doubles are needed for, of each half of the cells. */
struct moments_halves {
	moments_pair a, b;
};

/* moments_add for two cells: a is the sum, b what it lost. */
static inline void moments_add_two(struct moments_halves *sum, const struct sketch_cell *two,
				   double unit, bool single)
{
	moments_pair value = moments_values(two, unit), weight = moments_weights(two, single);
	moments_pair x = value * weight, total = sum->a + x, part = total - sum->a;

	sum->b += (sum->a - (total - part)) + (x - part);
	sum->a = total;
	for (size_t i = 0; i < 2 && !single; i++)
		if (two[i].weight > 1)
			sum->b[i] += fma(value[i], weight[i], -x[i]);
}

/* Sums of the distance from the mean (a) and of its square (b). */
static inline void moments_add_away(struct moments_halves *sum, const struct sketch_cell *two,
				    const struct sketch_moments *m, bool single)
{
	moments_pair away = moments_values(two, m->unit) - moments_mean(m);
	moments_pair weighted = away * moments_weights(two, single);

	sum->a += weighted;
	sum->b += weighted * away;
}

/* m has unit and weight, and gets the rest. */
static inline __attribute__((always_inline)) void
moments_fill(struct sketch_moments *m, const struct sketch_cell *cells, size_t count, bool single)
{
	const struct sketch_cell *end = cells + (count & ~(size_t)1);
	struct sketch_cell tail[2] = { cells[count - 1], { 0, 0 } };
	struct moments_halves sum = { { 0 }, { 0 } }, away = sum;
	double first, second;

	for (const struct sketch_cell *two = cells; two < end; two += 2)
		moments_add_two(&sum, two, m->unit, single);
	if (count % 2 != 0)
		moments_add_two(&sum, tail, m->unit, false);
	m->sum = sum.a[0];
	m->lost = sum.b[0] + sum.b[1];
	moments_add(m, sum.a[1]);
	for (const struct sketch_cell *two = cells; two < end; two += 2)
		moments_add_away(&away, two, m, single);
	if (count % 2 != 0)
		moments_add_away(&away, tail, m, false);
	first = away.a[0] + away.a[1];
	second = away.b[0] + away.b[1] - first * (first / (double)m->weight);
	m->second = second > 0 ? second : 0;
}

struct sketch_moments sketch_moments_of(const struct sketch_cell *cells, size_t count,
					uint64_t weight, double unit)
{
	struct sketch_moments m = { .unit = unit, .weight = weight };

	if (weight == count && count > 0)
		moments_fill(&m, cells, count, true);
	else if (count > 0)
		moments_fill(&m, cells, count, false);
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
