// SPDX-License-Identifier: Apache-2.0
// Asks this daemon. What goes wrong is a Trouble, with a status, the API's code and a sentence.

const TOKEN = "hourglass.token";

export class Trouble extends Error {
	constructor(status, code, message) {
		super(message);
		this.status = status;
		this.code = code;
	}
}

const heldToken = () => sessionStorage.getItem(TOKEN);

export function keepToken(token) {
	sessionStorage.setItem(TOKEN, token);
}

export function hasToken() {
	return heldToken() !== null;
}

// `path` with its parameters: { match: "a", limit: 12 }; what is undefined is left out.
export function url(path, parameters) {
	const query = Object.entries(parameters || {})
		.filter(([, value]) => value !== undefined && value !== "")
		.map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
		.join("&");

	return query ? `${path}?${query}` : path;
}

async function send(path, token, signal) {
	const headers = token ? { Authorization: `Bearer ${token}` } : {};

	try {
		return await fetch(path, { headers, signal });
	} catch (error) {
		if (error.name === "AbortError")
			throw error;
		throw new Trouble(0, "unreachable",
			"The query daemon cannot be reached. Is hourglass-queryd running?");
	}
}

export async function ask(path, parameters, signal) {
	const token = heldToken();
	const answer = await send(url(path, parameters), token, signal);
	let body;

	try {
		body = await answer.json();
	} catch (error) {
		if (error.name === "AbortError")
			throw error;
		body = {};
	}
	// Not for what was asked before a token was given.
	if (answer.status === 401 && token === heldToken())
		document.dispatchEvent(new CustomEvent("token-wanted"));
	if (!answer.ok)
		throw new Trouble(answer.status, body.error || `http_${answer.status}`,
			body.message || `The answer was ${answer.status} ${answer.statusText}.`);
	return body;
}

// Takes * ? [ ] and \ in a key for what they are.
export function literal(key) {
	return key.replace(/[*?[\]\\]/g, "\\$&");
}
