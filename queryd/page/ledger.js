// SPDX-License-Identifier: Apache-2.0
// What became of every sample: the pill on top says whether anything was lost, the section below
// it by host.

import { ask } from "./api.js";
import { byId, fill, make, show } from "./dom.js";
import { hourText, number, plural } from "./format.js";
import { makePoll } from "./poll.js";

const POLL_MS = 10000;

let range = null;
let label = "";

const sum = (counts) => Object.values(counts || {}).reduce((all, one) => all + one, 0);
const refused = (row) => sum(row.rejected) + sum(row.unsupported);
const dropped = (row) => row.kernel_drops + row.truncated;

function reasons(row) {
	return Object.entries({ ...row.rejected, ...row.unsupported })
		.filter(([, count]) => count > 0)
		.map(([name, count]) => `${name.replaceAll("_", " ")} ${number(count)}`)
		.join(", ");
}

// "good", "bad" or "" with a sentence.
function verdict(answer) {
	const { total } = answer;
	const parts = [];

	if (answer.agents.length === 0)
		return ["", "Nothing reported"];
	if (total.lost > 0)
		parts.push(`${plural(total.lost, "sample")} lost`);
	if (total.kernel_drops > 0)
		parts.push(`${plural(total.kernel_drops, "datagram")} dropped`);
	if (total.truncated > 0)
		parts.push(`${plural(total.truncated, "datagram")} cut`);
	return parts.length > 0 ? ["bad", parts.join(", ")] : ["good", "Nothing lost"];
}

function pill(mood, text) {
	byId("ledger-pill").className = `pill ${mood}`;
	byId("ledger-pill").lastElementChild.textContent = text;
	byId("ledger-pill").setAttribute("aria-label", `Ledger: ${text}`);
}

function figure(name, value, mood, note) {
	return make("div", { class: `figure ${mood || ""}` }, make("dt", {}, name),
		make("dd", {}, number(value)), note ? make("dd", { class: "quiet" }, note) : null);
}

// What was lost; datagrams that the kernel dropped may hold any number of samples.
function worst(total, mood, text) {
	const datagrams = dropped(total);

	if (total.lost === 0 && datagrams > 0)
		return figure("datagrams lost", datagrams, mood, text);
	return figure("lost", total.lost, mood, mood === "good" ? "nothing, on no host" : text);
}

function row(one) {
	const bad = one.lost > 0 || dropped(one) > 0;
	const cells = [one.received, one.counted, refused(one), one.kernel_drops, one.truncated,
		one.lost];

	return make("tr", { class: bad ? "bad" : null },
		make("th", { scope: "row" }, one.host || "unnamed", " ",
			make("span", { class: "quiet mono", title: one.agent }, one.agent.slice(0, 8))),
		...cells.map((value, i) => make("td", {
			class: i > 2 && value > 0 ? "worst" : value === 0 ? "zero" : null,
			title: i === 2 ? reasons(one) : null }, number(value))));
}

function hosts(agents) {
	const names = ["host", "received", "counted", "refused", "dropped", "cut", "lost"];
	const worst = (a, b) => b.lost - a.lost || dropped(b) - dropped(a) || b.received - a.received;

	return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "By host" },
		make("table", {},
			make("thead", {}, make("tr", {}, ...names.map((name) =>
				make("th", { scope: "col" }, name)))),
			make("tbody", {}, ...[...agents].sort(worst).map(row))));
}

function render(answer) {
	const { total } = answer;
	const [mood, text] = verdict(answer);

	show(byId("ledger"), true);
	show(byId("ledger-pill"), true);
	pill(mood, text);
	byId("ledger-when").textContent = answer.complete ? `${label}, complete` :
		`${label}, still counting`;
	if (answer.agents.length === 0) {
		fill(byId("ledger-body"), make("p", { class: "quiet" }, "No agent has reported in these ",
			"hours. Agents report what they received a few seconds after they start."));
		return;
	}
	fill(byId("ledger-body"),
		make("dl", { class: "figures" },
			figure("received", total.received),
			figure("counted", total.counted, "", "sealed, each exactly once"),
			figure("refused", refused(total), "", reasons(total) || "no bad lines"),
			worst(total, mood, text)),
		hosts(answer.agents));
}

function fail(trouble) {
	const needsToken = trouble.status === 401 || trouble.status === 403;

	pill("", "Ledger");
	fill(byId("ledger-body"), make("p", { class: "quiet" }, trouble.message));
	// A token may be for some keys only, and the ledger is everybody's.
	show(byId("ledger"), trouble.status !== 403);
	show(byId("ledger-pill"), trouble.status !== 403);
	return !needsToken;
}

const poll = makePoll({
	pause: POLL_MS,
	wanted: () => range !== null,
	ask: () => ask("/v1/ledger", { from: hourText(range.from), to: hourText(range.to) }),
	draw: render,
	fail,
});

export const { start } = poll;

export function watch(next, name) {
	const same = range && next.from === range.from && next.to === range.to;

	range = next;
	label = name;
	if (!same)
		poll.restart();
}
