"use strict";
const ink = "var(--ink)", quiet = "var(--quiet)", line = "var(--line)";
const axis = {
  labelColor: quiet, titleColor: quiet, titleFontWeight: "normal", titleFontSize: 12,
  labelFontSize: 12, labelLimit: 150, gridColor: line, domain: false, ticks: false,
  labelPadding: 6, titlePadding: 8, labelOverlap: true, labelFlush: false, tickColor: line,
};
const options = {
  mode: "vega-lite", actions: false, renderer: "svg", defaultStyle: false,
  ast: true, // expressions are interpreted: the page may not compile text to code
  tooltip: { disableDefaultStyle: true },
  config: {
    background: "transparent", font: "system-ui, sans-serif", aria: false, // the page describes charts
    autosize: { type: "fit-x", contains: "padding" },
    view: { stroke: null }, axis, axisX: { tickCount: 5 }, axisY: { tickCount: 5 },
    axisBand: { grid: false, labelColor: ink },
  },
};
const specs = JSON.parse(document.getElementById("specs").textContent);
for (const place of document.querySelectorAll(".chart")) {
  // Vega describes its own element, and not as well as the page describes `place`.
  vegaEmbed(place.appendChild(document.createElement("div")), specs[Number(place.dataset.spec)], options);
}

let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open]):not(.screen)")];
  for (const each of opened) each.open = true;
});
addEventListener("afterprint", () => {
  for (const each of opened) each.open = false;
});
