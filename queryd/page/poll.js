// SPDX-License-Identifier: Apache-2.0
// Something asked for again and again while somebody looks: nothing while the page is hidden, and
// at once when it is shown again or a token was given.
//
// `wanted()` says whether there is anything to ask, `ask()` promises an answer, `draw(answer)` shows
// it; `fail(trouble)` shows what went wrong and says whether to go on before a token was given. What
// has been asked before restart() is neither drawn nor failed.

export function makePoll({ pause, wanted, ask, draw, fail }) {
	let timer = 0;
	let round = 0;

	async function once(mine) {
		try {
			const answer = await ask();
			if (mine !== round)
				return;
			draw(answer);
		} catch (trouble) {
			if (mine !== round || !fail(trouble))
				return;
		}
		if (mine === round && !document.hidden)
			timer = setTimeout(() => once(mine), pause);
	}

	function restart() {
		clearTimeout(timer);
		round++;
		if (wanted() && !document.hidden)
			once(round);
	}

	function start() {
		document.addEventListener("visibilitychange", restart);
		document.addEventListener("token-given", restart);
	}

	return { start, restart };
}
