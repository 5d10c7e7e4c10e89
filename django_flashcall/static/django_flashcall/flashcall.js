// Improves the pages, which also work without it: counts down to the next call, shows times in the
// visitor's time zone, prevents double clicks, and moves the focus to the errors.
"use strict";

for (const summary of document.querySelectorAll("[data-flashcall-focus]")) summary.focus();

// On the document, so that a script of the site can first stop a form and submit it later.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || !form.closest(".flashcall")) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  // If the page stays because the visitor stopped loading, the button works again.
  setTimeout(() => delete form.dataset.sent, 5000);
});
// The back button may restore the page as it was.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll(".flashcall form")) delete form.dataset.sent;
});

// The browser knows the visitor's time zone, the server does not.
for (const time of document.querySelectorAll(".flashcall time[datetime]")) {
  const form = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  time.textContent = new Date(time.dateTime).toLocaleTimeString(document.documentElement.lang, form);
}

for (const wait of document.querySelectorAll("[data-flashcall-wait]")) {
  const ready = wait.parentElement.querySelector(".flashcall-ready");
  const ways = wait.parentElement.querySelectorAll(".flashcall-ways button");
  const seconds = Number(wait.dataset.flashcallWait);
  const [wall, steady] = [Date.now(), performance.now()];
  for (const button of ways) button.disabled = true;
  const tick = () => {
    // One clock may be set back, the other may stop while the phone sleeps.
    const passed = Math.max(Date.now() - wall, performance.now() - steady, 0) / 1000;
    const left = Math.max(Math.ceil(seconds - passed), 0);
    const rest = String(left % 60).padStart(2, "0");
    const clock = `${Math.floor(left / 60)}:${rest}`;
    wait.textContent = wait.dataset.flashcallText.replace("{time}", clock);
    if (left > 0) return;
    clearInterval(timer);
    wait.hidden = true;
    ready.textContent = ready.dataset.flashcallText;
    for (const button of ways) button.disabled = false;
  };
  const timer = setInterval(tick, 500);
  tick();
}
