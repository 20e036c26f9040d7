"use strict";
const about = JSON.parse(document.getElementById("viewer").textContent);
const part = (id) => document.getElementById(id);
const stage = part("stage"), world = part("world"), map = part("map"), readout = part("readout");
const NONE = 255;
const CLOSEST = 40; // screen pixels a pixel of the map
const columns = map.width, rows = map.height;
const hidden = new Set();
let values = null; // four bytes a pixel: class, percentage of confidence, two that say nothing
let layer = "classes";
let zoom = 1, left = 0, top_ = 0; // the map's pixels as screen pixels; where its corner is

// ---- colours

const hex = (text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));

function ramp(percent) {
  const stops = about.stops.map(hex), place = percent / 100 * (stops.length - 1);
  const from = Math.min(Math.floor(place), stops.length - 2), share = place - from;
  return stops[from].map((low, band) => Math.round(low + share * (stops[from + 1][band] - low)));
}

function paint() {
  const ofClass = Array.from({ length: 256 }, (_, id) =>
    id in about.classes && !hidden.has(id) ? hex(about.classes[id].colour) : null);
  const ofPercent = Array.from({ length: 101 }, (_, percent) => ramp(percent));
  const image = new ImageData(columns, rows), pixels = image.data;
  for (let at = 0; at < pixels.length; at += 4) {
    let colour = ofClass[values[at]];
    if (colour && layer === "confidence") colour = ofPercent[values[at + 1]];
    if (!colour) continue;
    pixels[at] = colour[0];
    pixels[at + 1] = colour[1];
    pixels[at + 2] = colour[2];
    pixels[at + 3] = 255;
  }
  map.getContext("2d").putImageData(image, 0, 0);
}

// ---- where the map is on the screen

const smallest = () => Math.min(stage.clientWidth / columns, stage.clientHeight / rows);

function place() {
  const middleX = stage.clientWidth / 2, middleY = stage.clientHeight / 2;
  left = Math.min(middleX, Math.max(middleX - zoom * columns, left));
  top_ = Math.min(middleY, Math.max(middleY - zoom * rows, top_));
  world.style.transform = `translate(${left}px, ${top_}px) scale(${zoom})`;
  world.classList.toggle("near", zoom * devicePixelRatio >= 1);
  showScale();
}

function showWhole() {
  zoom = smallest();
  left = (stage.clientWidth - zoom * columns) / 2;
  top_ = (stage.clientHeight - zoom * rows) / 2;
  place();
}

function zoomBy(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
  const wanted = Math.min(Math.max(zoom * factor, smallest()), Math.max(CLOSEST, smallest()));
  left = x - (x - left) * wanted / zoom;
  top_ = y - (y - top_) * wanted / zoom;
  zoom = wanted;
  if (zoom === smallest()) showWhole();
  else place();
}

function showScale() {
  const unit = about.metres === null ? "px" : "m";
  const onScreen = (about.metres === null ? 1 : about.metres) * about.step / zoom;
  const most = Math.min(160, stage.clientWidth / 3) * onScreen;
  const power = 10 ** Math.floor(Math.log10(most));
  const length = [5, 2, 1].map((digit) => digit * power).find((each) => each <= most) ?? power;
  const scale = part("scale");
  scale.style.width = `${length / onScreen}px`;
  scale.firstElementChild.textContent =
    unit === "m" && length >= 1000 ? `${length / 1000} km` : `${+length.toPrecision(1)} ${unit}`;
  scale.hidden = false;
}

// ---- what is there

function between(grid, across, down) {
  const last = grid.points - 1;
  const i = Math.min(Math.floor(down * last), last - 1), j = Math.min(Math.floor(across * last), last - 1);
  const y = down * last - i, x = across * last - j, at = i * grid.points + j;
  return [grid.x, grid.y].map((value) =>
    (value[at] * (1 - x) + value[at + 1] * x) * (1 - y) +
    (value[at + grid.points] * (1 - x) + value[at + grid.points + 1] * x) * y);
}

function coordinates(column, row) {
  const centre = (cell, length) =>
    (cell * about.step + Math.min((cell + 1) * about.step, length)) / 2 / length;
  const across = centre(column, about.width), down = centre(row, about.height);
  return about.coordinates.map((grid) => between(grid, across, down)
    .map((value, axis) => `${grid.names[axis]} ${value.toFixed(grid.decimals)}${grid.unit}`).join(", "));
}

function describe(x, y) {
  const column = Math.floor((x - left) / zoom), row = Math.floor((y - top_) / zoom);
  if (!values || column < 0 || row < 0 || column >= columns || row >= rows) {
    readout.textContent = "Outside the map.";
    return;
  }
  const at = 4 * (row * columns + column), id = values[at], percent = values[at + 1];
  const found = [id in about.classes ? about.classes[id].name : "no class"];
  if (percent !== NONE) found.push(`confidence ${percent} %`);
  readout.textContent = [...found, ...coordinates(column, row)].join(" · ");
}

const describeMiddle = () => describe(stage.clientWidth / 2, stage.clientHeight / 2);

// ---- pointer, wheel and keys

const pointers = new Map();

function inside(event) {
  const box = stage.getBoundingClientRect();
  return [event.clientX - box.left - stage.clientLeft, event.clientY - box.top - stage.clientTop];
}

const spread = () => {
  const [[ax, ay], [bx, by]] = pointers.values();
  return [Math.hypot(ax - bx, ay - by), (ax + bx) / 2, (ay + by) / 2];
};

stage.addEventListener("pointerdown", (event) => {
  if (pointers.size === 2) return;
  stage.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, inside(event));
  stage.classList.add("moving");
  describe(...inside(event));
});

stage.addEventListener("pointermove", (event) => {
  const [x, y] = inside(event);
  if (!pointers.has(event.pointerId)) {
    describe(x, y);
    return;
  }
  const both = pointers.size === 2, before = both ? spread() : pointers.get(event.pointerId);
  pointers.set(event.pointerId, [x, y]);
  if (both) {
    const [apart, middleX, middleY] = spread();
    left += middleX - before[1];
    top_ += middleY - before[2];
    zoomBy(apart / Math.max(before[0], 1), middleX, middleY);
  } else {
    left += x - before[0];
    top_ += y - before[1];
    place();
    describe(x, y);
  }
});

for (const end of ["pointerup", "pointercancel"]) {
  stage.addEventListener(end, (event) => {
    pointers.delete(event.pointerId);
    stage.classList.toggle("moving", pointers.size > 0);
  });
}

stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  const lines = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY / 100 : event.deltaY / 3;
  zoomBy(2 ** -Math.min(Math.max(lines, -2), 2), ...inside(event));
  describe(...inside(event));
}, { passive: false });

stage.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const pace = event.shiftKey ? zoom : Math.min(stage.clientWidth, stage.clientHeight) / 10;
  const moves = { ArrowLeft: [pace, 0], ArrowRight: [-pace, 0], ArrowUp: [0, pace], ArrowDown: [0, -pace] };
  if (event.key in moves) {
    left += moves[event.key][0];
    top_ += moves[event.key][1];
    place();
  } else if (event.key === "+" || event.key === "=") zoomBy(1.5);
  else if (event.key === "-") zoomBy(1 / 1.5);
  else if (event.key === "0") showWhole();
  else return;
  event.preventDefault();
  describeMiddle();
});

part("closer").addEventListener("click", () => zoomBy(1.5));
part("farther").addEventListener("click", () => zoomBy(1 / 1.5));
part("whole").addEventListener("click", showWhole);

// ---- opacity, layers and classes

function showOpacity() {
  const slider = part("opacity");
  if (!slider) return;
  map.style.opacity = slider.value / 100;
  part("opacity-value").textContent = `${slider.value} %`;
}

function showLayer() {
  const chosen = document.querySelector("input[name=layer]:checked");
  layer = chosen ? chosen.value : "classes";
  part("ramp").hidden = layer !== "confidence";
  paint();
}

function toggle(key) {
  const id = Number(key.dataset.id), shown = hidden.has(id);
  if (shown) hidden.delete(id);
  else hidden.add(id);
  key.setAttribute("aria-pressed", String(shown));
  paint();
}

function begin() {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(part("values"), 0, 0);
  values = context.getImageData(0, 0, columns, rows).data;
  for (const each of world.children) {
    each.style.width = `${columns}px`;
    each.style.height = `${rows}px`;
  }
  part("opacity")?.addEventListener("input", showOpacity);
  for (const radio of document.querySelectorAll("input[name=layer]")) radio.addEventListener("change", showLayer);
  for (const key of document.querySelectorAll(".key")) key.addEventListener("click", () => toggle(key));
  showLayer();
  showOpacity();
  part("still").hidden = true;
  map.hidden = false;
  showWhole();
  let size = [stage.clientWidth, stage.clientHeight];
  new ResizeObserver(() => {
    if (stage.clientWidth === 0) return; // not shown
    const wasWhole = zoom <= Math.min(size[0] / columns, size[1] / rows) * 1.001;
    size = [stage.clientWidth, stage.clientHeight];
    if (wasWhole) showWhole();
    else place();
  }).observe(stage);
  stage.dataset.ready = "yes";
}

part("values").decode().then(begin);
