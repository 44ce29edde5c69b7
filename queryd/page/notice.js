// SPDX-License-Identifier: Apache-2.0
// What went wrong and what to do about it; small confirmations; asking for a token.

import { hasToken, keepToken } from "./api.js";
import { byId, fill, make, show } from "./dom.js";

const TOAST_MS = 3500;

let hiding = 0;

export function toast(text) {
	const element = byId("toast");

	element.textContent = text;
	element.classList.add("up");
	clearTimeout(hiding);
	hiding = setTimeout(() => element.classList.remove("up"), TOAST_MS);
}

const ADVICE = {
	unreachable: "It is tried again by itself.",
	store_unavailable: "It is tried again by itself.",
	busy: "It is tried again by itself.",
	too_large: "Choose a shorter range or a narrower glob.",
	bad_range: "Choose another range above.",
	bad_stat: "Choose a statistic above.",
	bad_match: "Change the glob in the link or remove the key above.",
};

// trouble: an api.js Trouble, or null for all is well.
export function notice(trouble) {
	const element = byId("notice");

	fill(element);
	show(element, Boolean(trouble));
	if (!trouble)
		return;
	const advice = trouble.status === 401 ? "Load the page again to give one." :
		ADVICE[trouble.code] || "";
	const text = trouble.message.replace(/[^.!?]$/, "$&.");
	fill(element, make("b", {}, trouble.status ? `${trouble.status}` : "offline"),
		make("span", {}, text[0].toUpperCase() + text.slice(1), " ", advice));
}

export function start() {
	const dialog = byId("token");
	const input = byId("token-input");
	const give = (event) => {
		event.preventDefault();
		if (!input.value.trim())
			return;
		keepToken(input.value.trim());
		input.value = "";
		dialog.close();
		document.dispatchEvent(new CustomEvent("token-given"));
	};

	document.addEventListener("token-wanted", () => {
		if (dialog.open)
			return;
		byId("token-why").textContent = hasToken() ?
			"That token was not accepted. Ask who runs this daemon for one that is." :
			"This daemon answers to those who have a token. Ask who runs it for one.";
		dialog.showModal();
		input.focus();
	});
	byId("token-form").addEventListener("submit", give);
}
