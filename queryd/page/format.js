// SPDX-License-Identifier: Apache-2.0
// Numbers and hours as people read them. Hours are UTC throughout.

export const HOUR_MS = 3600000;

const NONE = "—";
const plain = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 5 });
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

// A value; whole numbers are never rounded below 10^15.
export function number(value) {
	const size = Math.abs(value);

	if (!isNumber(value))
		return NONE;
	if (size >= 1e15 || (size > 0 && size < 1e-6))
		return value.toExponential(3);
	return Number.isInteger(value) ? whole.format(value) : plain.format(value);
}

// For an axis: 1.2M.
export function brief(value) {
	if (!isNumber(value))
		return NONE;
	return Math.abs(value) > 0 && Math.abs(value) < 0.01 ? value.toExponential(0) :
		short.format(value);
}

const two = (value) => String(value).padStart(2, "0");

export function day(time) {
	const at = new Date(time);

	return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
}

export const clock = (time) => `${two(new Date(time).getUTCHours())}:00`;

// 20 Nov, 13:00–14:00
export function hourSpan(time) {
	return `${day(time)}, ${clock(time)}–${clock(time + HOUR_MS)}`;
}

// YYYY-MM-DDTHH, as the API takes it.
export function hourText(time) {
	return new Date(time).toISOString().slice(0, 13);
}

export const floorHour = (time) => Math.floor(time / HOUR_MS) * HOUR_MS;

export function plural(count, one, many = `${one}s`) {
	return `${number(count)} ${count === 1 ? one : many}`;
}
