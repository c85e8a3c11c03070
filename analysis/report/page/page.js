  const data = JSON.parse(document.getElementById("data").textContent);
  const names = { task: "task loss", smoothness: "smoothness (R_s)", bregman: "Bregman (D_Breg)", max_abs_delta: "max |delta|",
    start_share: "theta_0's share in the teacher" };
  const units = { distillation: "squared logits, unweighted", ...Object.fromEntries(
    ["task", "smoothness", "bregman", "adversarial", "consistency"].map((part) => [part, "nats, unweighted"])) };
  const title = Object.fromEntries(data.rows.map((row) => [row.id, row.title]));
  const colour = Object.fromEntries(data.rows.map((row) => [row.id, row.colour]));
  const dash = Object.fromEntries(data.rows.map((row) => [row.id, row.dash]));
  const off = new Set(); // rows that the reader has switched off
  const redraw = []; // what is drawn anew when a method is switched
  const svgns = "http://www.w3.org/2000/svg";

  const draw = (tag, attributes, text) => {
    const node = document.createElementNS(svgns, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const choice = (label, options) => {
    const select = make("select", {}, ...options.map(([value, text]) => make("option", { value }, text)));
    return [make("label", {}, label + " ", select), select];
  };
  // ---- the table as text: the lines that are shown, in their order, with their notes
  const written = (form, rows, filter) => {
    const order = rows.filter((row) => !row.hidden).map((row) => Number(row.dataset.line));
    const isShown = (piece) => piece.lines.some((line) => order.includes(line));
    const pieces = form.pieces.filter(isShown);
    if (form.is_sorted) pieces.sort((a, b) => order.indexOf(a.lines[0]) - order.indexOf(b.lines[0]));
    const values = { filter: filter.replaceAll("`", "'"), shown: order.length, total: rows.length };
    const remark = filter && form.filter.replace(/\{(\w+)\}/g, (match, name) => values[name]);
    const notes = form.notes.filter(isShown).map((note) => note.text).join("");
    return form.head + pieces.map((piece) => piece.text).join(form.between) + form.end + notes + remark + form.foot;
  };
  document.querySelectorAll("[data-copies]").forEach((place) => {
    const state = make("span", { role: "status" });
    const matrix = document.getElementById("matrix"), input = document.querySelector("input[data-filters='matrix']");
    for (const [name, form] of Object.entries(data.copies)) {
      const button = make("button", { type: "button" }, `Copy as ${name}`);
      button.addEventListener("click", async () => {
        const filter = input.value.trim(), text = written(form, [...matrix.tBodies[0].rows], filter);
        button.classList.remove("copied");
        const late = new Promise((_, reject) => { setTimeout(reject, 300); }); // a browser may wait for a permission
        try { await Promise.race([navigator.clipboard.writeText(text), late]); } catch {
          const area = make("textarea", { "aria-hidden": "true" });
          area.value = text;
          document.body.append(area);
          area.select();
          document.execCommand("copy");
          area.remove();
        }
        place.querySelectorAll(".copied").forEach((other) => other.classList.remove("copied"));
        button.classList.add("copied");
        state.textContent = `${name} copied${filter ? ", filtered" : ""}`;
      });
      place.append(button);
    }
    place.append(state);
  });

  // ---- methods: switched on and off in all figures; what a mark says, where the pointer is
  const apply = () => {
    document.querySelectorAll("svg [data-row]").forEach((node) => node.toggleAttribute("hidden-row", off.has(node.dataset.row)));
    document.querySelectorAll("[data-method] button").forEach((button) => button.setAttribute("aria-pressed", String(!off.has(button.parentNode.dataset.method))));
    redraw.forEach((draw) => draw());
  };
  document.querySelectorAll("[data-method]").forEach((item) => {
    const button = make("button", { type: "button", "aria-pressed": "true" }, ...item.childNodes);
    item.replaceChildren(button);
    button.addEventListener("click", () => {
      const row = item.dataset.method;
      if (!off.delete(row)) off.add(row);
      apply();
    });
  });
  const tip = make("div", { id: "tip", role: "status" });
  tip.hidden = true;
  document.body.append(tip);
  const say = (text, x, y) => {
    tip.textContent = text;
    tip.hidden = !text;
    if (!text) return;
    const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = `${Math.max(4, Math.min(x + 12, room))}px`;
    tip.style.top = `${y + 14}px`;
  };
  document.addEventListener("pointermove", (event) => {
    const mark = event.target.closest?.("[data-tip]");
    if (mark) say(mark.dataset.tip, event.pageX, event.pageY);
    else if (!event.target.closest?.(".chart")) say("");
  });
  document.addEventListener("pointerdown", (event) => {
    const mark = event.target.closest?.("[data-tip]");
    if (mark) say(mark.dataset.tip, event.pageX, event.pageY);
  });

  // ---- learning curves, drawn on demand
  const round = (low, high, most) => { // round numbers within a range, at most so many and one
    const rough = (high - low) / most, ten = 10 ** Math.floor(Math.log10(rough));
    const gap = [1, 2, 5, 10].map((n) => n * ten).find((gap) => gap >= rough * 0.999), first = Math.ceil(low / gap - 1e-9);
    return Array.from({ length: Math.floor(high / gap + 1e-9) - first + 1 }, (_, i) => Number(((first + i) * gap).toPrecision(12)));
  };
  const decades = (low, high) => { // of a logarithmic axis: whole powers of ten, at most six
    const every = Math.ceil((high - low) / 6), first = Math.ceil(low - 1e-9);
    return Array.from({ length: Math.floor((high - first) / every + 1e-9) + 1 }, (_, i) => first + i * every);
  };
  const mostBands = 4; // with more curves, bands would hide one another
  const chart = (curves, unit, seeds) => {
    const width = explorer.clientWidth < 560 ? 380 : 720, height = 300, left = 62, right = 14, top = 24, bottom = 46;
    const rows = data.rows.map((row) => row.id).filter((id) => curves[id] && !off.has(id));
    if (!rows.length) return make("p", {}, "Every method is switched off.");
    const all = rows.flatMap((id) => (rows.length > mostBands && !seeds ? curves[id].mean : [...curves[id].low, ...curves[id].high]));
    const log = all.every((value) => value > 0) && Math.max(...all) / Math.min(...all) > 20;
    const scale = (value) => (log ? Math.log10(value) : value);
    let low = scale(Math.min(...all)), high = scale(Math.max(...all));
    if (!(high > low)) { low -= 0.5 * Math.abs(low) || 0.5; high += 0.5 * Math.abs(high) || 0.5; }
    const last = Math.max(...rows.flatMap((id) => curves[id].step));
    const x = (step) => left + (width - left - right) * step / last;
    const y = (value) => top + (height - top - bottom) * (high - scale(value)) / (high - low);
    const path = (steps, values) => steps.map((step, i) => `${i ? "L" : "M"}${x(step).toFixed(1)} ${y(values[i]).toFixed(1)}`).join("");
    const words = rows.map((id) => `${title[id]} ends at ${curves[id].mean.at(-1)}`).join("; ");
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Curves over ${last} updates: ${words}.` });
    const text = (x, y, anchor, shown) => svg.append(draw("text", { x, y, "text-anchor": anchor, class: "tick" }, shown));
    for (const at of log ? decades(low, high) : round(low, high, 5)) {
      const line = y(log ? 10 ** at : at);
      svg.append(draw("line", { x1: left, x2: width - right, y1: line, y2: line, class: "gridline" }));
      text(left - 8, line + 4, "end", Number((log ? 10 ** at : at).toPrecision(2)).toString());
    }
    for (const step of round(0, last, width < 560 ? 4 : 8)) text(x(step), height - bottom + 20, "middle", String(step));
    text((left + width - right) / 2, height - 6, "middle", "update");
    if (unit) text(left, 12, "start", unit);
    for (const id of rows) {
      const curve = curves[id];
      if (seeds && curve.seeds) {
        for (const run of curve.seeds) svg.append(draw("path", { d: path(curve.step.slice(0, run.length), run), style: `fill:none;stroke:${colour[id]};stroke-width:1;opacity:.75` }));
        continue;
      }
      const band = path(curve.step, curve.high) + path([...curve.step].reverse(), [...curve.low].reverse()).replace("M", "L") + "Z";
      if (rows.length <= mostBands) svg.append(draw("path", { d: band, style: `fill:${colour[id]};opacity:.16` }));
      svg.append(draw("path", { d: path(curve.step, curve.mean), style: `fill:none;stroke:${colour[id]};stroke-width:2;stroke-dasharray:${dash[id]}` }));
    }
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect(), at = last * ((event.clientX - box.left) * width / box.width - left) / (width - left - right);
      const texts = rows.map((id) => {
        const steps = curves[id].step, near = steps.reduce((best, step, i) => (Math.abs(step - at) < Math.abs(steps[best] - at) ? i : best), 0);
        const n = curves[id].seeds ? `, n = ${curves[id].seeds.length} seeds` : "";
        return `${title[id]} at update ${steps[near]}: ${curves[id].mean[near]} (${curves[id].low[near]} to ${curves[id].high[near]}${n})`;
      });
      say(texts.join("\n"), event.pageX, event.pageY);
    });
    return svg;
  };
  const explorer = document.getElementById("explorer");
  const tasks = Object.keys(data.curves);
  if (explorer && tasks.length) {
    const [taskLabel, task] = choice("Task", tasks.map((name) => [name, name]));
    const [partLabel, part] = choice("Logged", []);
    const single = make("input", { type: "checkbox" });
    const legend = make("ul", { class: "legend" }), place = make("div", { class: "chart" });
    const bar = make("div", { class: "controls" }, taskLabel, partLabel);
    if (Object.values(data.curves).some((parts) => Object.values(parts).some((rows) => Object.values(rows).some((c) => c.seeds))))
      bar.append(make("label", {}, single, " every seed by itself"));
    const show = () => {
      const curves = data.curves[task.value][part.value];
      place.replaceChildren(chart(curves, units[part.value], single.checked));
      legend.replaceChildren(...data.rows.filter((row) => curves[row.id]).map((row) => {
        const mark = draw("svg", { width: 34, height: 12, "aria-hidden": "true" });
        mark.append(draw("line", { x1: 1, y1: 6, x2: 33, y2: 6, style: `stroke:${colour[row.id]};stroke-width:2;stroke-dasharray:${dash[row.id]}` }));
        const button = make("button", { type: "button", "aria-pressed": String(!off.has(row.id)) }, mark, row.title);
        button.addEventListener("click", () => { if (!off.delete(row.id)) off.add(row.id); apply(); legend.querySelectorAll("button").forEach((each) => { if (each.textContent === row.title) each.focus(); }); });
        return make("li", {}, button);
      }));
    };
    const fill = () => {
      const before = part.value;
      part.replaceChildren(...Object.keys(data.curves[task.value]).map((name) => make("option", { value: name }, names[name] || name)));
      if (data.curves[task.value][before]) part.value = before;
      show();
    };
    task.addEventListener("change", fill);
    part.addEventListener("change", show);
    single.addEventListener("change", show);
    explorer.append(bar, legend, place);
    redraw.push(show);
    fill();
  }

  // ---- long lists: the first entries, how many there are, and a button for all
  const shorten = (place, button, shown, total, noun, all = total) => {
    const matching = shown < total && total < all ? `${total.toLocaleString("en")} that match, of ` : "";
    place.textContent = `Showing ${shown.toLocaleString("en")} of ${matching}${all.toLocaleString("en")} ${noun}`;
    button.textContent = `Show all ${total.toLocaleString("en")}`;
    button.hidden = shown >= total;
  };

  // ---- runs
  const runsTable = document.getElementById("runs-table");
  if (runsTable) {
    const input = document.getElementById("runs-filter"), all = document.getElementById("runs-all"), count = document.getElementById("runs-count");
    const firstRuns = 100, lines = data.runs.lines, heads = [...runsTable.tHead.rows[0].cells];
    const back = make("button", { type: "button", id: "runs-back" });
    all.after(" ", back);
    let most = firstRuns, order = null, only = null, place = "";
    const texts = lines.map((line) => line.join(" ").toLowerCase());
    const isText = (index) => heads[index].classList.contains("text");
    const show = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let found = (only || lines.map((line, i) => i)).filter((i) => words.every((word) => texts[i].includes(word)));
      if (order) {
        const [index, sign] = order;
        const compare = (a, b) => (isText(index) ? a.localeCompare(b, "en", { numeric: true }) : number(a) - number(b));
        found = found.sort((i, j) => {
          const a = lines[i][index], b = lines[j][index];
          if (!a !== !b) return a ? -1 : 1; // what is empty stays last
          return a ? sign * compare(a, b) : 0;
        });
      }
      runsTable.tBodies[0].replaceChildren(...found.slice(0, most).map((i) => {
        const row = make("tr");
        lines[i].forEach((value, n) => {
          const cell = make("td", isText(n) ? { class: "text" } : {});
          const short = n ? null : make("code", { title: value }, value.slice(0, 12));
          if (short) cell.append(data.has_folders ? make("a", { href: `../../runs/${value}/`, title: value }, short) : short);
          else cell.append(value);
          row.append(cell);
        });
        return row;
      }));
      shorten(count, all, Math.min(most, found.length), found.length, "runs", lines.length);
      if (only) count.textContent += `: ${place}`;
      back.textContent = `Back to all ${lines.length.toLocaleString("en")} runs`;
      back.hidden = !only && !words.length;
    };
    sortButtons(heads, (index, up) => {
      order = [index, up ? 1 : -1];
      show();
    });
    input.addEventListener("input", () => { most = firstRuns; show(); });
    back.addEventListener("click", () => { input.value = ""; only = null; most = firstRuns; show(); input.focus(); });
    document.querySelectorAll("[data-cell]").forEach((link) => link.addEventListener("click", () => {
      input.value = "";
      only = data.cells[link.dataset.cell] || null;
      place = `${link.closest("tr").cells[0].textContent.trim()}, ${link.closest("td").dataset.label}`;
      document.getElementById("runs-list").open = true;
      show();
      setTimeout(() => document.getElementById("runs-list").scrollIntoView());
    }));
    all.addEventListener("click", () => { most = lines.length; show(); });
    show();
  }

  // ---- examples: what each method mends, breaks or contests
  const browser = document.getElementById("browser");
  const exams = Object.keys(data.examples);
  if (browser && exams.length) {
    const [taskLabel, task] = choice("Task", exams.map((name) => [name, name]));
    const [rowLabel, row] = choice("Method", []);
    const [kindLabel, kind] = choice("Show", [["all", "all that differ"], ["mends", "mended"], ["breaks", "broken"], ["contested", "contested between seeds"]]);
    const [bucketLabel, bucket] = choice("Agreement", []);
    const [sliceLabel, slice] = choice("Slice", []);
    const words = make("input", { type: "search", placeholder: "id or words" });
    const list = make("ul", { class: "examples" }), count = make("span", { class: "lede", "aria-live": "polite" });
    const firstExamples = 50, all = make("button", { type: "button" });
    let most = firstExamples;
    const found = make("div", { class: "found", tabindex: 0, role: "region", "aria-label": "Examples" }, list);
    const show = () => {
      const exam = data.examples[task.value], base = exam.rows.indexOf(data.baseline), index = exam.rows.indexOf(row.value);
      const share = (item, n) => item[2][n] / exam.seeds[n];
      const search = words.value.toLowerCase();
      const chosen = exam.items.filter((item) => {
        const gain = base < 0 ? 0 : share(item, index) - share(item, base);
        if (kind.value === "mends" && gain <= 0) return false;
        if (kind.value === "breaks" && gain >= 0) return false;
        if (kind.value === "contested" && (share(item, index) === 0 || share(item, index) === 1)) return false;
        if (bucket.value && item[3] !== bucket.value) return false;
        if (slice.value && !item[5].includes(Number(slice.value))) return false;
        return !search || (item[0] + " " + item[4].join(" ")).toLowerCase().includes(search);
      });
      const by = (item) => base < 0 ? 0 : Math.abs(share(item, index) - share(item, base));
      chosen.sort((a, b) => by(b) - by(a));
      const noun = `items, among the ${exam.items.length.toLocaleString("en")} that differ most of ${exam.of.toLocaleString("en")}`;
      shorten(count, all, Math.min(most, chosen.length), chosen.length, noun);
      list.replaceChildren(...chosen.slice(0, most).map((item) => {
        const facts = exam.rows.map((id, n) => `${title[id]} ${item[2][n]}/${exam.seeds[n]}`).join(" · ");
        const node = make("li", {}, ...item[4].map((text) => make("p", { class: "quote" }, text)));
        node.append(make("p", { class: "about" }, make("code", {}, item[0]), ` label ${exam.labels[item[1]] ?? item[1]}${item[3] ? ", annotators " + item[3] : ""}; seeds right: ${facts}`));
        return node;
      }));
    };
    const fill = () => {
      const exam = data.examples[task.value];
      row.replaceChildren(...exam.rows.filter((id) => id !== data.baseline).map((id) => make("option", { value: id }, title[id])));
      const buckets = [...new Set(exam.items.map((item) => item[3]))].filter(Boolean).sort().reverse();
      bucket.replaceChildren(make("option", { value: "" }, "any"), ...buckets.map((name) => make("option", { value: name }, name)));
      bucketLabel.hidden = !buckets.length;
      slice.replaceChildren(make("option", { value: "" }, "any"), ...exam.slices.map((name, n) => make("option", { value: n }, name)));
      sliceLabel.hidden = !exam.slices.length;
      show();
    };
    const again = () => { most = firstExamples; show(); };
    task.addEventListener("change", () => { most = firstExamples; fill(); });
    [row, kind, bucket, slice].forEach((select) => select.addEventListener("change", again));
    words.addEventListener("input", again);
    all.addEventListener("click", () => { most = Infinity; show(); });
    browser.append(make("div", { class: "controls" }, taskLabel, rowLabel, kindLabel, bucketLabel, sliceLabel, make("label", {}, "Search ", words)), make("p", { class: "controls" }, count, all), found);
    fill();
  }

  // ---- print: what belongs on paper is opened for it, the rest stays closed and is left out
  const folded = () => document.querySelectorAll("details[data-print]:not([open])");
  let opened = [];
  addEventListener("beforeprint", () => { opened = [...folded()]; opened.forEach((each) => { each.open = true; }); });
  addEventListener("afterprint", () => { opened.forEach((each) => { each.open = false; }); });
