// SPDX-License-Identifier: Apache-2.0
// Elements are made here and nowhere from text: what a key is called is only ever textContent.

export const byId = (id) => document.getElementById(id);

// make("p", { class: "quiet", title: "..." }, "text", element, ...)
export function make(tag, attributes, ...children) {
	const made = document.createElement(tag);

	for (const [name, value] of Object.entries(attributes || {})) {
		if (typeof value === "function")
			made.addEventListener(name, value);
		else if (value !== undefined && value !== null && value !== false)
			made.setAttribute(name, value === true ? "" : value);
	}
	made.append(...children.filter((child) => child !== undefined && child !== null));
	return made;
}

export function fill(parent, ...children) {
	parent.replaceChildren(...children.filter((child) => child));
}

export function show(element, shown) {
	element.hidden = !shown;
}
