
"use strict";
// The page is whole without this: it only sorts, searches and filters the table.
const table = document.getElementById("table"), body = table.tBodies[0], rows = [...body.rows];
const search = document.getElementById("search"), wanted = document.getElementById("status");
const shown = document.getElementById("shown"), heads = [...table.tHead.rows[0].cells];
const order = new Intl.Collator(undefined, {numeric: true, sensitivity: "base"});
const said = new Map(rows.map(row => [row, row.textContent.toLowerCase()]));

function narrow() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const row of rows) {
    row.hidden = !words.every(word => said.get(row).includes(word))
      || Boolean(wanted.value && row.dataset.status !== wanted.value);
    count += !row.hidden;
  }
  shown.textContent = `${count} of ${rows.length} hosts`;
}

function value(row, column) {
  const cell = row.cells[column];
  return cell.dataset.by === undefined ? cell.textContent.trim() : Number(cell.dataset.by);
}

function sort(column) {
  const down = heads[column].getAttribute("aria-sort") === "ascending";
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
  const keyed = rows.map(row => [value(row, column), row]);
  keyed.sort(([a], [b]) => {
    // what is not known stands last, in both directions
    if ((a === "") !== (b === "")) return a === "" ? 1 : -1;
    const ahead = typeof a === "number" ? a - b : order.compare(a, b);
    return down ? -ahead : ahead;
  });
  body.append(...keyed.map(([, row]) => row));
}

heads.forEach((head, column) => {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  button.addEventListener("click", () => sort(column));
  head.replaceChildren(button);
});
sort(0);
document.getElementById("controls").hidden = false;
document.getElementById("controls").addEventListener("submit", event => event.preventDefault());
search.addEventListener("input", narrow);
wanted.addEventListener("change", narrow);
// a link to a host that is filtered away shows all again
window.addEventListener("hashchange", () => {
  const row = document.getElementById(location.hash.slice(1));
  if (row && row.hidden) {
    search.value = wanted.value = "";
    narrow();
    row.scrollIntoView();
  }
});
narrow();
