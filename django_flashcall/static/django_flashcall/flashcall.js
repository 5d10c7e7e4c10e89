// Improves the pages; without it they work all the same. Counts down to the next call, keeps a
// button from being pressed twice, and brings what is wrong into focus.
"use strict";

for (const summary of document.querySelectorAll("[data-flashcall-focus]")) summary.focus();

for (const form of document.querySelectorAll(".flashcall form")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
// The back button may bring the page back as it was left.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll(".flashcall form")) delete form.dataset.sent;
});

for (const wait of document.querySelectorAll("[data-flashcall-wait]")) {
  const ready = wait.parentElement.querySelector(".flashcall-ready");
  const ways = wait.parentElement.querySelectorAll(".flashcall-ways button");
  const end = Date.now() + Number(wait.dataset.flashcallWait) * 1000;
  for (const button of ways) button.disabled = true;
  const tick = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    const seconds = String(Math.max(left, 0) % 60).padStart(2, "0");
    wait.textContent = `${wait.dataset.flashcallText} ${Math.floor(Math.max(left, 0) / 60)}:${seconds}`;
    if (left > 0) return;
    clearInterval(timer);
    wait.hidden = true;
    ready.hidden = false;
    for (const button of ways) button.disabled = false;
  };
  const timer = setInterval(tick, 500);
  tick();
}
