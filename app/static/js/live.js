/* What happens around an htmx request: the thin bar, where focus goes, what is read aloud, and answers that do not come. */

let waiting = 0;
let spokenAt = 0;
let nextWords = 0;
const calm = (element) => element?.matches?.("[data-poll]");

document.addEventListener("htmx:before:request", (event) => {
  if (calm(event.target)) return;
  clearTimeout(waiting);
  waiting = setTimeout(() => document.body.setAttribute("data-waits", ""), 300);
});
document.addEventListener("htmx:finally:request", () => { clearTimeout(waiting); document.body.removeAttribute("data-waits"); });

/* An error goes above the panel, which stays as it was: nothing typed is lost. A panel that came clears it. */
document.addEventListener("htmx:after:swap", (event) => {
  const { ctx } = event.detail;
  if (!ctx || calm(ctx.sourceElement)) return;
  const notice = document.getElementById("notice");
  if (ctx.target?.id !== "panel") { if (ctx.target === notice) notice.scrollIntoView({ block: "nearest" }); return; }
  if (notice && ctx.response?.status < 500) notice.replaceChildren();
  const wrong = document.querySelector('#panel [aria-invalid="true"]');
  const heading = document.querySelector("#panel h1, #panel h2, #title");
  if (wrong) { wrong.focus(); return; }
  if (heading) { heading.tabIndex = -1; heading.focus({ preventScroll: true }); }
});

document.addEventListener("htmx:error", (event) => {
  const template = document.getElementById("lm-no-answer");
  const notice = document.getElementById("notice");
  if (template && notice && !notice.hasChildNodes()) notice.append(template.content.cloneNode(true));
  if (calm(event.target)) return;
  notice?.scrollIntoView({ block: "nearest" });
});
document.addEventListener("htmx:after:request", (event) => {
  const notice = document.getElementById("notice");
  if (calm(event.target) && event.detail.ctx?.response?.status < 400) notice?.replaceChildren();
});

/* The server hands out a new token when the page's is too old: the next press goes through with the form as it stands. */
document.addEventListener("lm:token", (event) => {
  const token = event.detail.value;
  document.querySelector('meta[name="csrf-token"]').content = token;
  document.body.setAttribute("hx-headers:inherited", JSON.stringify({ "X-CSRFToken": token }));
  for (const field of document.querySelectorAll('input[name="csrf_token"]')) field.value = token;
});

/* Live regions are read when they change, at most every 10 seconds. */
function speak() {
  const words = [...document.querySelectorAll("[data-says]")].map((one) => one.textContent.trim()).filter(Boolean).join(". ");
  const region = document.getElementById("spoken");
  if (!region || region.textContent === words) return;
  const left = spokenAt + 10000 - Date.now();
  clearTimeout(nextWords);
  if (left > 0) { nextWords = setTimeout(speak, left); return; }
  spokenAt = Date.now();
  region.textContent = words;
}
document.addEventListener("htmx:after:swap", speak);
speak();

/* A page that tries again by itself: counts down where people can see it. */
for (const line of document.querySelectorAll("[data-again]")) {
  let left = Number(line.dataset.again);
  const words = line.dataset.words;
  const tick = setInterval(() => {
    left -= 1;
    line.textContent = words.replace("{count}", Math.max(left, 0));
    if (left <= 0) { clearInterval(tick); location.reload(); }
  }, 1000);
  line.textContent = words.replace("{count}", left);
}
