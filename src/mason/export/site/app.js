"use strict";
/* What a visitor sees: a text, its label, how likely each is, and which words say so. */

const told = JSON.parse(document.getElementById("told").textContent);
const texts = JSON.parse(document.getElementById("texts").textContent);
const $ = (id) => document.getElementById(id);
const MOST_WORDS = 48, MOST_BARS = 8;
let language = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
let turn = 0; // of the text that is looked at; an older one gives up

const say = (key, values = {}) =>
  texts[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
function likely(logits) {
  if (told.threshold !== null) return logits.map(sigmoid);
  const scaled = logits.map((x) => x / told.temperature);
  const most = Math.max(...scaled);
  const powers = scaled.map((x) => Math.exp(x - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((x) => x / sum);
}

const tokenizer = new WordPiece(told.tokenizer);
const network = openNetwork(told);
const logits = async (text) => (await network)(tokenizer.encode(text));
const probabilities = async (text) => likely(await logits(text));

/* Places [start, end) of the words of a text; very long texts in runs of words. */
function wordsOf(text) {
  let places = [];
  if (typeof Intl.Segmenter === "function") {
    for (const part of new Intl.Segmenter(undefined, { granularity: "word" }).segment(text)) {
      if (part.isWordLike) places.push([part.index, part.index + part.segment.length]);
    }
  } else {
    places = [...text.matchAll(/\p{Script=Han}|[\p{L}\p{N}\p{M}]+/gu)]
      .map((found) => [found.index, found.index + found[0].length]);
  }
  const run = Math.ceil(places.length / MOST_WORDS) || 1;
  const runs = [];
  for (let i = 0; i < places.length; i += run) {
    runs.push([places[i][0], places[Math.min(i + run, places.length) - 1][1]]);
  }
  return runs;
}

/* How much each word speaks for a label: what its odds lose, as a logarithm, without it. */
async function weigh(text, label, goOn, seen) {
  const odds = (all) => Math.log(Math.max(all[label], 1e-7) / Math.max(1 - all[label], 1e-7));
  const whole = odds(await probabilities(text));
  const weighed = [];
  for (const [start, end] of wordsOf(text)) {
    const rest = text.slice(0, start) + text.slice(end);
    const weight = rest.trim() ? whole - odds(await probabilities(rest)) : whole;
    if (!goOn()) return null;
    weighed.push({ start, end, weight });
    seen(weighed.length);
    await new Promise((resolve) => setTimeout(resolve)); // let the page breathe
  }
  return weighed;
}

function showLabels(all) {
  const order = all.map((_, i) => i).sort((a, b) => all[b] - all[a]);
  const given = told.threshold === null ? order.slice(0, 1)
    : order.filter((i) => all[i] >= told.threshold);
  $("label").textContent = given.length ? given.map((i) => told.labels[i]).join(", ") : say("none");
  $("sure").textContent = given.length === 1
    ? say("sure", { percent: percent(all[given[0]]) }) : "";
  $("bars").replaceChildren(...order.slice(0, MOST_BARS).map((i) => {
    const row = document.createElement("li"), name = document.createElement("span"),
      track = document.createElement("i"), bar = document.createElement("b"),
      value = document.createElement("span");
    row.className = given.includes(i) ? "given" : "";
    name.textContent = told.labels[i];
    value.textContent = percent(all[i]);
    bar.style.width = `${Math.max(100 * all[i], 0.5)}%`;
    track.append(bar);
    row.append(name, track, value);
    return row;
  }));
  $("answer").hidden = false;
  return order[0];
}

const percent = (share) => `${(100 * share).toFixed(1)}%`;

function showWords(text, weighed) {
  const most = Math.max(...weighed.map((w) => Math.abs(w.weight)), 1e-6);
  const parts = [];
  let at = 0;
  for (const { start, end, weight } of weighed) {
    const word = document.createElement("mark");
    word.textContent = text.slice(start, end);
    word.className = weight >= 0 ? "for" : "against";
    // 80 % at most, so that letters stay readable on it.
    word.style.setProperty("--strength", `${Math.round(80 * Math.abs(weight) / most)}%`);
    word.title = `${weight >= 0 ? "+" : "−"}${Math.abs(weight).toFixed(2)}`;
    parts.push(text.slice(at, start), word);
    at = end;
  }
  $("words").replaceChildren(...parts, text.slice(at));
}

async function look() {
  const mine = ++turn, text = $("text").value;
  const goOn = () => mine === turn;
  if (!text.trim()) { $("answer").hidden = true; return; }
  const all = await probabilities(text);
  if (!goOn()) return;
  const label = showLabels(all), total = wordsOf(text).length;
  $("words").textContent = text;
  $("legend").classList.add("waiting");
  $("about").textContent = say("weighing", { label: told.labels[label] });
  const weighed = await weigh(text, label, goOn, (done) => {
    $("progress").style.width = `${100 * done / total}%`;
  });
  if (!weighed) return;
  showWords(text, weighed);
  $("legend").classList.remove("waiting");
  $("about").textContent = say("weighed", { label: told.labels[label] });
  document.body.dataset.seen = mine;
}

function speak() {
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  for (const element of document.querySelectorAll("[data-say]")) {
    element.textContent = say(element.dataset.say, told);
  }
  $("text").placeholder = say("placeholder");
  $("other").lang = language === "zh" ? "en" : "zh-Hans";
  if ($("text").value.trim() && document.body.dataset.state === "ready") look();
}

$("other").addEventListener("click", () => { language = language === "en" ? "zh" : "en"; speak(); });
let pause;
$("text").addEventListener("input", () => {
  clearTimeout(pause);
  pause = setTimeout(() => document.body.dataset.state === "ready" && look(), 250);
});
speak();
network.then(
  () => { document.body.dataset.state = "ready"; if ($("text").value.trim()) look(); },
  (error) => { document.body.dataset.state = "broken"; $("why").textContent = String(error.message || error); },
);
