/* Uploads that show how far they are: <form data-upload> with a file field and a [data-upload-shows] line. htmx uses fetch, which
   cannot tell, so this is the one place with an XMLHttpRequest. Without scripts the form is sent as any other. */

const said = (bytes, units) => {
  let step = 0;
  while (bytes >= 1000 && step < units.length - 1) { bytes /= 1000; step += 1; }
  const digits = step && bytes < 10 ? 1 : 0;
  const number = bytes.toLocaleString(document.documentElement.lang, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${number}\u00a0${units[step]}`;
};

function show(form, done, total) {
  const line = form.querySelector("[data-upload-shows]");
  const bar = form.querySelector("[data-upload-bar]");
  const units = (line?.dataset.units || "B KB MB GB").split(" ");
  if (bar) { bar.hidden = false; bar.max = total; bar.value = done; }
  if (line) { line.hidden = false; line.textContent = (line.dataset.words || "{done} / {total}").replace("{done}", said(done, units)).replace("{total}", said(total, units)); }
}

function finish(form, request) {
  if (request.responseURL && request.status < 400) {
    location.href = request.responseURL;
    return;
  }
  const panel = document.getElementById(request.status === 422 ? "panel" : "notice");
  const answer = new DOMParser().parseFromString(request.responseText, "text/html");
  panel.replaceChildren(...answer.body.childNodes);
  window.htmx?.process(panel);
  delete form.dataset.sending;
}

function send(form) {
  const request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.setRequestHeader("X-CSRFToken", document.querySelector('meta[name="csrf-token"]').content);
  request.setRequestHeader("HX-Request", "true");
  request.upload.addEventListener("progress", (event) => show(form, event.loaded, event.total));
  request.addEventListener("load", () => finish(form, request));
  request.addEventListener("error", () => { delete form.dataset.sending; document.dispatchEvent(new CustomEvent("htmx:error", { detail: {} })); });
  form.querySelector("[data-upload-stop]")?.addEventListener("click", () => { request.abort(); location.reload(); });
  request.send(new FormData(form));
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-upload]") || event.defaultPrevented) return;
  event.preventDefault();
  send(event.target);
});
