// SPDX-License-Identifier: Apache-2.0
// Puts the parts together: the URL's state in, what the daemon answers out.

import * as chart from "./chart.js";
import * as controls from "./controls.js";
import { byId, fill, make, show } from "./dom.js";
import { clock, day, floorHour, hourText, plural } from "./format.js";
import * as home from "./home.js";
import * as ledger from "./ledger.js";
import * as live from "./live.js";
import * as notice from "./notice.js";
import * as search from "./search.js";
import { address, describe, load } from "./series.js";
import { change, link, onChange, span, state } from "./state.js";
import { KINDS, settled } from "./stats.js";
import { strip } from "./strip.js";
import * as table from "./table.js";

const AGAIN_MS = 15000;  // a chart that ends now
const RETRY_MS = 2000;   // after trouble that may pass, and while there are no keys

let loading = null;
let timer = 0;
let drawn = "";     // the picks whose chips are up
let presented = ""; // the link of what is charted

// ---- a chart ---------------------------------------------------------------------------------

function title(series) {
	const one = series.find((other) => other.kind);
	const band = one && KINDS[one.kind].band;

	if (!one)
		return "";
	if (band && band.of === one.stat && one.answers[band.low])
		return `${one.stat}, with the band from ${band.low} to ${band.high}`;
	return one.stat;
}

// What may be said of all that is drawn, and only that.
function honesty(series) {
	const mains = series.map((one) => one.main);
	const error = Math.max(...mains.map((main) => main.group?.rank_error || 0));
	const open = mains.find((main) => !main.complete);
	const late = series.find((one) => !one.pastComplete);
	const said = [];

	if (error > 0)
		said.push(`approximate, within ${error} of the true rank`);
	else
		said.push(mains.every((main) => !main.group || main.group.exact) ? "exact" : "approximate");
	if (mains.some((main) => main.group?.sampled))
		said.push("from sampled lines");
	if (late)
		said.push(`not complete: ${plural(late.main.waiting, "agent")} may still owe samples` +
			(late.main.gone ? `, ${plural(late.main.gone, "agent")} not heard of` : ""));
	else
		said.push(open ? "complete but for the running hour" : "complete");
	return [late ? "warn" : "good", said.join(" · ")];
}

function summary(one) {
	const names = KINDS[one.kind].summary;
	const all = names.includes(one.stat) ? names : [...names, one.stat];

	return strip(one.pick.text, one.colour, all.map((name) => {
		const group = one.answers[name]?.group;
		return { name, value: group?.value ?? null, exact: group?.exact,
			rank_error: group?.rank_error, chosen: name === one.stat };
	}));
}

function nothing(all) {
	const over = byId("chart-over");
	const last = all.map((one) => Date.parse(one.last || "")).filter((time) => time > 0);
	const newest = Math.max(...last);

	show(over, true);
	fill(over, make("p", {}, all.find((one) => one.why)?.why ?
		`${all[0].pick.text}: ${all.find((one) => one.why).why}.` : "Nothing in this range."),
	last.length === 0 ? null : make("button", { class: "plain", type: "button", click: () => {
		const from = hourText(newest).slice(0, 10);
		change({ range: "custom", from, to: hourText(Date.parse(`${from}T00:00Z`) + 86400000) });
	} }, `Show ${day(newest)}, where it was last seen`));
}

// What is shown is of another question than the one that failed.
function takeDown() {
	chart.clear();
	show(byId("chart-card"), false);
	fill(byId("whole"));
	fill(byId("curl"));
	table.render([]);
}

function present(all, range) {
	const series = all.filter((one) => one.main?.group);
	const now = floorHour(Date.now());
	const [mood, said] = series.length ? honesty(series) : ["", ""];
	const first = all.find((one) => one.kind);

	presented = link(state());
	show(byId("chart-card"), true);
	controls.renderPicks(state().picks, all.map((one) => one.why ||
		(one.main.group ? undefined : "nothing in this range")));
	controls.renderStats([...new Set(all.flatMap((one) => one.kinds))], first?.stat);
	byId("chart-title").textContent = title(series);
	byId("count-name").textContent = first?.kind === "distribution" || first?.kind === "counter" ?
		"count" : "samples";
	byId("honest").className = `honest ${mood}`;
	byId("honest").textContent = said;
	show(byId("toggle-extremes"), state().picks.length === 1 && first !== undefined &&
		KINDS[first.kind].stats.includes("min"));
	show(byId("chart-over"), false);
	if (series.length > 0)
		chart.draw(series, range, { log: state().log, openFrom: now });
	else
		chart.clear();
	if (series.length === 0)
		nothing(all);
	fill(byId("whole"), ...series.map(summary));
	table.render(series);
	byId("curl").textContent = first ? `curl '${new URL(address(first.pick, first.stat, first.kind,
		range), location.href)}'` : "";
}

async function loadView(signal) {
	const view = state();
	const range = span(view);
	const infos = await Promise.all(view.picks.map((pick) => describe(pick, signal)));
	const asked = { ...view, stat: settled(infos, view.stat) };
	const all = await Promise.all(view.picks.map(async (pick, i) =>
		({ ...await load(pick, infos[i], asked, range, signal), colour: i })));

	if (!signal.aborted)
		present(all, range);
	return range.to > Date.now() ? AGAIN_MS : 0;
}

// ---- everything ------------------------------------------------------------------------------

async function loadHome() {
	const found = await home.render(span({ range: "24h" }));

	return found ? AGAIN_MS : RETRY_MS;
}

const passes = (trouble) => trouble.status === 0 || trouble.status >= 500;

async function refresh() {
	const mine = loading = new AbortController();
	let again = 0;

	clearTimeout(timer);
	document.body.classList.add("busy");
	try {
		again = await (state().picks.length ? loadView(mine.signal) : loadHome());
		if (mine === loading)
			notice.notice(null);
	} catch (trouble) {
		if (mine !== loading || trouble.name === "AbortError")
			return;
		if (!("status" in trouble))
			throw trouble;
		notice.notice(trouble);
		if (presented !== link(state()))
			takeDown();
		again = passes(trouble) ? RETRY_MS : 0;
	} finally {
		if (mine === loading)
			document.body.classList.remove("busy");
	}
	if (mine === loading && again > 0 && !document.hidden)
		timer = setTimeout(refresh, again);
}

function restart() {
	loading?.abort();
	if (!document.hidden)
		refresh();
}

function render(view) {
	const has = view.picks.length > 0;
	const key = JSON.stringify(view.picks);

	document.title = has ? `${view.picks.map((pick) => pick.text).join(", ")} · Hourglass` :
		"Hourglass";
	byId("view-title").textContent = view.picks.map((pick) => pick.text).join(", ");
	show(byId("view"), has);
	if (has)
		home.hide();
	else
		chart.clear();
	if (key !== drawn)
		controls.renderPicks(view.picks);
	drawn = key;
	controls.renderRange(view);
	byId("toggle-log").setAttribute("aria-pressed", String(view.log));
	byId("toggle-extremes").setAttribute("aria-pressed", String(view.extremes));
	live.watch(view.picks);
	ledger.watch(span(has ? view : { range: "24h" }),
		!has ? "last 24 hours" : view.range === "custom" ? "the chosen hours" :
			controls.RANGE_NAMES[view.range].toLowerCase());
	restart();
}

// ---- keyboard --------------------------------------------------------------------------------

function toggleTheme() {
	const root = document.documentElement;
	const dark = root.dataset.theme ? root.dataset.theme === "dark" :
		matchMedia("(prefers-color-scheme: dark)").matches;

	root.dataset.theme = dark ? "light" : "dark";
	try {
		localStorage.setItem("theme", root.dataset.theme);
	} catch {
		// Then it holds until the page is left.
	}
	restart();
}

function toLedger() {
	byId("ledger").scrollIntoView({ behavior: "smooth" });
	byId("ledger").focus({ preventScroll: true });
}

const SHORTCUTS = {
	"/": () => search.focus(false),
	c: () => search.focus(true),
	s: () => state().picks.length > 0 && controls.share(),
	l: toLedger,
	t: toggleTheme,
	"?": () => byId("help").showModal(),
	1: () => controls.setRange("today"),
	2: () => controls.setRange("24h"),
	3: () => controls.setRange("7d"),
	4: () => controls.setRange("35d"),
	5: () => controls.setRange("custom"),
};

function onKey(event) {
	const typing = event.target.closest("input, textarea, dialog[open]");

	if (typing || event.ctrlKey || event.metaKey || event.altKey || !(event.key in SHORTCUTS))
		return;
	event.preventDefault();
	SHORTCUTS[event.key]();
}

function tick() {
	byId("clock").textContent = `It is ${day(Date.now())}, ` +
		`${clock(Date.now()).slice(0, 3)}${new Date().toISOString().slice(14, 16)} UTC.`;
}

function start() {
	[notice, search, controls, live, ledger, table].forEach((part) => part.start());
	chart.start(({ from, to }) =>
		change({ range: "custom", from: hourText(from), to: hourText(to) }));
	document.addEventListener("keydown", onKey);
	document.addEventListener("visibilitychange", restart);
	document.addEventListener("token-given", restart);
	matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restart);
	byId("theme-toggle").addEventListener("click", toggleTheme);
	byId("help-open").addEventListener("click", () => byId("help").showModal());
	byId("help-close").addEventListener("click", () => byId("help").close());
	byId("ledger-pill").addEventListener("click", (event) => {
		event.preventDefault();
		toLedger();
	});
	tick();
	setInterval(tick, 10000);
	onChange(render);
	render(state());
	if (state().picks.length === 0)
		byId("search-input").focus();
}

start();
