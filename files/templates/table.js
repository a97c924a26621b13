"use strict";
// Everything is on the page without this script, which only sorts and filters the table.
const table = document.getElementById("table"), body = table.tBodies[0];
const search = document.getElementById("search"), statusFilter = document.getElementById("status");
const shown = document.getElementById("shown"), heads = [...table.tHead.rows[0].cells];
const collator = new Intl.Collator(document.documentElement.lang, {numeric: true, sensitivity: "base"});
let rows, searchText, sortedBy = 0;

// a message of the page, whose language the page has chosen
function fillText(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function readRows() {
  rows = [...body.rows];
  searchText = new Map(rows.map(row => [row, row.textContent.toLowerCase()]));
}

function applyFilter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const row of rows) {
    row.hidden = !words.every(word => searchText.get(row).includes(word))
      || Boolean(statusFilter.value && row.dataset.status !== statusFilter.value);
    count += !row.hidden;
  }
  const text = fillText(shown.dataset.text, {count, total: rows.length});
  if (shown.textContent !== text) shown.textContent = text;
}

function cellValue(row, column) {
  const cell = row.cells[column];
  return cell.dataset.by === undefined ? cell.textContent.trim() : Number(cell.dataset.by);
}

function sortRows() {
  const descending = heads[sortedBy].getAttribute("aria-sort") === "descending";
  const keyed = rows.map(row => [cellValue(row, sortedBy), row]);
  keyed.sort(([a], [b]) => {
    // empty cells come last in both directions
    if ((a === "") !== (b === "")) return a === "" ? 1 : -1;
    const order = typeof a === "number" ? a - b : collator.compare(a, b);
    return descending ? -order : order;
  });
  body.append(...keyed.map(([, row]) => row));
}

function sortBy(column) {
  const descending = heads[column].getAttribute("aria-sort") === "ascending";
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[column].setAttribute("aria-sort", descending ? "descending" : "ascending");
  sortedBy = column;
  sortRows();
}

heads.forEach((head, column) => {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  button.addEventListener("click", () => sortBy(column));
  head.replaceChildren(button);
});
readRows();
sortBy(0);
document.getElementById("controls").hidden = false;
document.getElementById("controls").addEventListener("submit", event => event.preventDefault());
search.addEventListener("input", applyFilter);
statusFilter.addEventListener("change", applyFilter);
// a link to a host that is filtered out clears the filter
window.addEventListener("hashchange", () => {
  const row = document.getElementById(location.hash.slice(1));
  if (row && row.hidden) {
    search.value = statusFilter.value = "";
    applyFilter();
    row.scrollIntoView();
  }
});
applyFilter();
