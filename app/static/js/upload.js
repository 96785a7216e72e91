/* Uploads that show how far they are: <form data-upload> with a file field and a [data-upload-shows] line. htmx uses fetch, which
   cannot tell, so this is the one place with an XMLHttpRequest. Without scripts the form is sent as any other. */

const said = (bytes) => {
  const units = ["B", "KB", "MB", "GB"];
  let step = 0;
  while (bytes >= 1000 && step < 3) { bytes /= 1000; step += 1; }
  return `${bytes.toFixed(step && bytes < 10 ? 1 : 0)}\u00a0${units[step]}`;
};

function show(form, done, total) {
  const line = form.querySelector("[data-upload-shows]");
  const bar = form.querySelector("[data-upload-bar]");
  if (bar) { bar.hidden = false; bar.max = total; bar.value = done; }
  if (line) { line.hidden = false; line.textContent = (line.dataset.words || "{done} / {total}").replace("{done}", said(done)).replace("{total}", said(total)); }
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
