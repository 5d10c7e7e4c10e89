"use strict";

// The phone asks for new calls once a second. Only new calls are added to the list, so that a screen
// reader does not read all the others again.
const display = document.getElementById("screen");

function show(fresh) {
  const list = document.getElementById("calls");
  const calls = [...fresh.querySelectorAll("#calls > li")];
  const kept = new Set(calls.map((call) => call.id));
  for (const call of [...list.children]) {
    if (!kept.has(call.id)) call.remove();
  }
  for (const call of calls.reverse()) {
    if (!document.getElementById(call.id)) {
      call.classList.add("new");
      setTimeout(() => call.classList.remove("new"), 3000);
      list.prepend(call);
    }
  }
  const state = document.getElementById("state");
  const next = fresh.getElementById("state");
  if (state.textContent !== next.textContent) state.replaceWith(next);
}

async function refresh() {
  try {
    const response = await fetch(display.dataset.source);
    if (response.ok) show(new DOMParser().parseFromString(await response.text(), "text/html"));
  } catch {
    // The server does not answer, perhaps because it restarts. Try again in a second.
  }
  setTimeout(refresh, 1000);
}

setTimeout(refresh, 1000);
