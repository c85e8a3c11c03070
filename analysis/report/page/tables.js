"use strict";
(() => {
  const make = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const number = (text) => {
    const match = /^[+\u2212-]?[\d.,]+(e[+-]?\d+)?/i.exec(text.trim());
    return match ? parseFloat(match[0].replace("\u2212", "-").replace(/,/g, "")) : NaN;
  };

  // ---- tables: sort by any column, filter by any text
  const sortButtons = (heads, sort) => heads.forEach((head, index) => {
    const button = make("button", { type: "button", class: "sort" }, ...head.childNodes);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      sort(index, up);
    });
  });
  const sortable = (table) => sortButtons([...table.tHead.rows[0].cells], (index, up) => {
    const keyed = [...table.tBodies[0].rows].map((row) => {
      const cell = row.cells[index], text = cell.textContent.trim();
      return { row, text, value: cell.dataset.sort !== undefined ? Number(cell.dataset.sort) : number(text) };
    });
    keyed.sort((a, b) => {
      if (!a.text !== !b.text) return a.text ? -1 : 1;
      const order = Number.isNaN(a.value) || Number.isNaN(b.value) ? a.text.localeCompare(b.text, "en", { numeric: true }) : a.value - b.value;
      return up ? order : -order;
    });
    table.tBodies[0].append(...keyed.map((entry) => entry.row));
  });
  document.querySelectorAll("table.sortable").forEach(sortable);
  document.querySelectorAll("input[data-filters]").forEach((input) => {
    const table = document.getElementById(input.dataset.filters);
    const count = make("span", { role: "status" });
    input.parentNode.after(" ", count);
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of table.tBodies[0].rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
      const rows = [...table.tBodies[0].rows];
      count.textContent = words.length ? `Showing ${rows.filter((row) => !row.hidden).length} of ${rows.length} lines` : "";
    });
  });
