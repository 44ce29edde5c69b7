// SPDX-License-Identifier: Apache-2.0
// Light or dark before the first paint: as the system has it, unless the button has said otherwise.
(function () {
	"use strict";
	let chosen = null;
	try {
		chosen = localStorage.getItem("theme");
	} catch {
		// Storage may be forbidden; the system's choice holds then.
	}
	if (chosen === "light" || chosen === "dark")
		document.documentElement.dataset.theme = chosen;
})();
