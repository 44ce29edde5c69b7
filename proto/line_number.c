// SPDX-License-Identifier: Apache-2.0
/*
 * Digits are gathered into a whole number and a power of ten. Where both are exact doubles (up to
 * 2^53 and 10^22), one multiplication or division rounds once and so gives the nearest double
 * (Clinger, "How to read floating point numbers accurately", PLDI 1990); all else is strtod's, in
 * the C locale.
 */
#include "proto/line_number.h"

#include "proto/err.h"

#include <assert.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

/* 19 digits always fit 64 bits; what follows them only moves the exponent. */
#define NUMBER_DIGITS       19
#define NUMBER_EXACT_POWER  22
#define NUMBER_EXACT_LIMIT  (UINT64_C(1) << 53)
#define NUMBER_MAX_EXPONENT 100000

/* value = mantissa * 10^exponent, if no digit was left out. */
struct number {
	bool negative;
	bool seen; /* at least one digit of the mantissa */
	uint64_t mantissa;
	unsigned digits;
	int exponent;
};

static bool number_is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static const uint8_t *number_sign(const uint8_t *at, const uint8_t *end, bool *negative)
{
	*negative = at < end && *at == '-';
	return at < end && (*at == '-' || *at == '+') ? at + 1 : at;
}

/* Takes a run of digits; `shift` is what each does to the exponent: -1 after the point. */
static const uint8_t *number_digits(const uint8_t *at, const uint8_t *end, struct number *n,
				    int shift)
{
	for (; at < end && number_is_digit(*at); at++) {
		n->seen = true;
		if (n->digits < NUMBER_DIGITS) {
			n->mantissa = n->mantissa * 10 + (uint64_t)(*at - '0');
			n->digits += n->mantissa != 0;
			n->exponent += shift;
		} else {
			n->exponent += shift + 1;
		}
	}
	return at;
}

/* Takes `e+5` if it stands here; NULL when it is begun and not ended. */
static const uint8_t *number_exponent(const uint8_t *at, const uint8_t *end, struct number *n)
{
	bool negative;
	int power = 0;

	if (at == end || (*at | 0x20) != 'e')
		return at;
	at = number_sign(at + 1, end, &negative);
	if (at == end || !number_is_digit(*at))
		return NULL;
	for (; at < end && number_is_digit(*at); at++)
		if (power < NUMBER_MAX_EXPONENT)
			power = power * 10 + (*at - '0');
	n->exponent += negative ? -power : power;
	return at;
}

static bool number_scan(struct slice text, struct number *n)
{
	const uint8_t *at = text.ptr;
	const uint8_t *end = at + text.size;

	*n = (struct number){ 0 };
	if (text.size == 0 || text.size > LINE_NUMBER_BYTES)
		return false;
	at = number_sign(at, end, &n->negative);
	at = number_digits(at, end, n, 0);
	if (at < end && *at == '.')
		at = number_digits(at + 1, end, n, -1);
	if (!n->seen)
		return false;
	at = number_exponent(at, end, n);
	return at == end;
}

/* strtod_l rounds right for any length. The text has passed number_scan, so it has no form
 * that only strtod knows; asking glibc or musl for the C locale returns a static object. */
static double number_convert(struct slice text)
{
	char copy[LINE_NUMBER_BYTES + 1];
	locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);

	assert(c != (locale_t)0 && text.size <= LINE_NUMBER_BYTES);
	memcpy(copy, text.ptr, text.size);
	copy[text.size] = '\0';
	return strtod_l(copy, NULL, c);
}

double line_number_power(unsigned power)
{
	static const double powers[NUMBER_EXACT_POWER + 1] = {
		1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
		1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
	};

	assert(power <= NUMBER_EXACT_POWER);
	return powers[power];
}

/* Both operands are exact, so the one operation rounds once, to the nearest. */
static bool number_is_exact(const struct number *n)
{
	return n->mantissa <= NUMBER_EXACT_LIMIT && n->exponent >= -NUMBER_EXACT_POWER &&
	       n->exponent <= NUMBER_EXACT_POWER;
}

int line_number_parse(struct slice text, double *value)
{
	struct number n;
	double magnitude;

	if (text.size == 0)
		return ERR_EMPTY_VALUE;
	if (!number_scan(text, &n))
		return ERR_BAD_VALUE;
	if (n.mantissa == 0) {
		*value = 0;
		return 0;
	}
	if (!number_is_exact(&n))
		magnitude = fabs(number_convert(text));
	else if (n.exponent < 0)
		magnitude = (double)n.mantissa / line_number_power((unsigned)-n.exponent);
	else
		magnitude = (double)n.mantissa * line_number_power((unsigned)n.exponent);
	if (!isfinite(magnitude))
		return ERR_BAD_VALUE;
	*value = n.negative && magnitude > 0 ? -magnitude : magnitude;
	return 0;
}

bool line_number_like(struct slice text)
{
	struct number n;

	return number_scan(text, &n);
}
