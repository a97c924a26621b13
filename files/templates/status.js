
// Asks for the page again and replaces what has changed, so that nothing moves under the reader.
const refreshMs = 1000 * Number(document.body.dataset.refresh);
const pauseButton = document.getElementById("pause"), lost = document.getElementById("lost");
let timer;

// what says which page this is, of this program: another style, script or language needs a whole new page
const programOf = page => page.documentElement.lang + page.querySelector("style").textContent + page.querySelector("body > script").textContent;

const cssPath = (element, name) => `[${name}="${CSS.escape(element.getAttribute(name))}"]`;

// a selector that finds the same element after its part of the page was replaced
function pathTo(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  const part = element.closest("[data-live]"), details = element.closest("details[data-key]");
  if (!part) return "";
  const inside = details ? `details${cssPath(details, "data-key")} ` : "";
  const own = element.matches("a") ? `a${cssPath(element, "href")}`
    : element.matches(".wide") ? `.wide${cssPath(element, element.hasAttribute("aria-label") ? "aria-label" : "aria-labelledby")}`
    : element.localName;
  return `#${part.id} ${inside}${own}`;
}

// things that are seen, from above, and where: the first of them that is still there stays there
function findAnchors() {
  const found = [];
  for (const element of document.querySelectorAll("main h2, main [data-key], #rows > tr")) {
    const box = element.getBoundingClientRect();
    if (box.height && box.top >= 0) found.push([element.id ? `#${CSS.escape(element.id)}` : `details${cssPath(element, "data-key")}`, box.top]);
    if (found.length > 40 || box.top > innerHeight) break;
  }
  return found;
}

function holdInPlace(anchors) {
  for (const [path, top] of anchors) {
    const box = document.querySelector(path)?.getBoundingClientRect();
    if (box?.height) return window.scrollBy({top: box.top - top, behavior: "instant"});
  }
}

function replacePart(part, next) {
  const open = new Map([...part.querySelectorAll("details[data-key]")].map(one => [one.dataset.key, one.open]));
  const scrolled = [...part.querySelectorAll(".wide, pre")].map(one => [one.scrollLeft, one.scrollTop]);
  part.replaceChildren(...document.importNode(next, true).childNodes);
  for (const one of part.querySelectorAll("details[data-key]")) {
    if (open.has(one.dataset.key)) one.open = open.get(one.dataset.key);
  }
  part.querySelectorAll(".wide, pre").forEach((one, index) => {
    if (scrolled[index]) [one.scrollLeft, one.scrollTop] = scrolled[index];
  });
}

function replacePage(next) {
  const focused = pathTo(document.activeElement), anchors = findAnchors();
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = next.getElementById(part.id);
    if (!other || other.innerHTML === sources.get(part)) continue;
    sources.set(part, other.innerHTML);
    replacePart(part, other);
    if (part === body) {
      readRows();
      sortRows();
    }
  }
  refreshOptions(next);
  applyFilter();
  document.title = next.title;
  document.getElementById("top").className = next.getElementById("top").className;
  const again = focused && document.querySelector(focused);
  if (again && again !== document.activeElement) again.focus({preventScroll: true});
  if (scrollY) holdInPlace(anchors);
}

// healths that hosts have now; the one that is chosen stays even if no host has it
function refreshOptions(next) {
  const listValues = options => options.map(one => one.value).join();
  const wanted = [...next.getElementById("status").options];
  const chosen = statusFilter.selectedOptions[0];
  if (chosen && !wanted.some(one => one.value === chosen.value)) wanted.push(chosen);
  if (listValues(wanted) === listValues([...statusFilter.options])) return;
  statusFilter.replaceChildren(...wanted.map(one => new Option(one.text, one.value)));
  statusFilter.value = chosen ? chosen.value : "";
}

async function refresh() {
  // a reader who marks text is left alone, and nobody reads a page that is hidden
  if (document.hidden || !getSelection().isCollapsed) return;
  try {
    const answer = await fetch(location.href.split("#")[0], {cache: "no-store", signal: AbortSignal.timeout?.(refreshMs)});
    if (!answer.ok) throw new Error(fillText(lost.dataset.status, {status: answer.status}));
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!next.getElementById("verdict")) throw new Error(lost.dataset.other);
    if (programOf(next) !== programOf(document)) return location.reload();
    if (pauseButton.getAttribute("aria-pressed") === "true") return;
    replacePage(next);
    lost.hidden = true;
  } catch (error) {
    const taken = document.querySelector("#taken time").textContent;
    lost.textContent = fillText(lost.dataset.text, {error: error.message, time: taken});
    lost.hidden = false;
  }
}

function start() {
  clearInterval(timer);
  timer = setInterval(refresh, refreshMs);
}

// what the server sent: what the script has added since does not count as a difference
const sources = new Map([...document.querySelectorAll("[data-live]")].map(part => [part, part.innerHTML]));
pauseButton.hidden = false;
pauseButton.addEventListener("click", () => {
  const paused = pauseButton.getAttribute("aria-pressed") !== "true";
  pauseButton.setAttribute("aria-pressed", paused);
  if (paused) clearInterval(timer);
  else { start(); refresh(); }
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && pauseButton.getAttribute("aria-pressed") !== "true") refresh();
});
start();
