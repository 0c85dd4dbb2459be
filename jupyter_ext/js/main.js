// The live view of one run: draws what Python tells, and sends back what a person wants.

import { createArtifacts } from "./artifacts.js";
import { clock, html, icon, set } from "./dom.js";
import { createGraph } from "./graph.js";
import { createOutbox } from "./outbox.js";
import { createPanel } from "./panel.js";
import { createPictures } from "./pictures.js";
import { createPlots } from "./plots.js";
import { createQuestions } from "./questions.js";
import { elapsed, GONE, storeOf, WORDS } from "./store.js";
import { createTimeline } from "./timeline.js";
import { createTranscript } from "./transcript.js";

const SURE = 4000; // ms in which a second press on Stop counts
const LOST = { silent: "The kernel does not answer: it is busy, or gone. If it is gone, go on in a new one with", gone: `${GONE} Go on in a new one with` };

function initialize({ model }) {
  storeOf(model, createOutbox);
}

function render({ model, el }) {
  const store = storeOf(model, createOutbox);
  let stop;
  // A run that goes on in a new one goes on in the same view: everything is drawn anew for it.
  const build = (tab, before, focused) => (stop = show(store, el, tab, before, focused, build));
  build("Graph", "", false);
  // Some kernels choose the thread of later messages by the first few, and learn it only after a moment.
  const greetings = [0, 150, 600].map((wait) => setTimeout(() => store.send({ kind: "ready" }), wait));
  return () => {
    greetings.forEach(clearTimeout);
    stop();
  };
}

// `before`: the run that was shown here before; its static copy stays hidden until that of the next takes its place.
function show(store, el, tab, before, focused, again) {
  const run = store.state.head.id;
  const id = `aether-${Math.random().toString(36).slice(2)}`; // a run may be shown twice on a page
  const root = html("div", { class: "aether tex2jax_ignore mathjax_ignore", tabindex: -1, id, "data-run": run });
  // Notebooks listen for keys further up: `x` on a focused radio would cut the cell with the live run.
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
  });
  const pictures = createPictures(store);
  const open = (key, no) => {
    select("Graph");
    body.classList.add("open");
    graph.select(key);
    panel.show(key, no);
  };
  const graph = createGraph({ store, open });
  const panel = createPanel({
    store, pictures, open, label: graph.label,
    widen: (wide) => body.classList.toggle("wide", wide), // code and tracebacks need room
    closed(key) {
      body.classList.remove("open");
      graph.select(0);
      graph.focus(key);
    },
  });
  const timeline = createTimeline({ store, open });
  const plots = createPlots({ store });
  const artifacts = createArtifacts({ store, pictures, open });
  const questions = createQuestions({ store, root });
  const transcript = createTranscript({ store, pictures });
  const tabs = createTabs(id, { Graph: graph, Timeline: timeline, Plots: plots, Artifacts: artifacts }, () => drawTab());
  const bar = createBar(store, tabs.element);
  const views = html("div", { class: "views" }, graph.element, timeline.element, plots.element, artifacts.element);
  const body = html("div", { class: "body" }, views, panel.element);
  // A live view hides its own static copy, the first one below it in the output of its cell; other copies of the run are
  // there because somebody wants to see them. It is shown again when the view is not there.
  const child = ":is(.jp-OutputArea-child,.output_area):has";
  const copy = `~${child}(${[run, before].filter(Boolean).map((one) => `[data-run-id="${CSS.escape(one)}"]`)})`;
  const hide = html("style", {}, `${child}(#${id})${copy}:not(${child}(#${id})${copy}${copy}){display:none!important}`);
  root.append(hide, bar.element, body, questions.element, transcript.element);

  function select(name) {
    tabs.select(name);
  }

  function drawTab() {
    body.classList.toggle("alone", ["Plots", "Artifacts"].includes(tabs.chosen()));
    if (tabs.chosen() === "Timeline") timeline.draw();
    if (tabs.chosen() === "Plots") plots.draw();
  }

  const view = {
    draw(patch) {
      if (store.state.head.id !== run) {
        const had = root.contains(document.activeElement);
        questions.draw(); // forgets what was typed and not sent
        stop();
        root.remove();
        again(tabs.chosen(), run, had);
        return;
      }
      graph.draw(patch);
      bar.draw();
      artifacts.draw(patch);
      if (patch.tracks || patch.frames) plots.prepare();
      if (patch.tracks || patch.frames || patch.artifacts) tabs.count({ Plots: plots.count(), Artifacts: store.state.artifacts.length });
      drawTab();
      if (patch.asks) questions.draw();
      transcript.draw(patch);
      panel.draw(patch);
    },
    detail: panel.detail,
    bytes: pictures.came,
    frame: plots.frame,
    plotting: plots.plotting,
    range: plots.range,
    upload: questions.uploaded,
    pulsed() {
      bar.draw();
      questions.pulsed();
      pictures.pulsed();
      transcript.asked();
      drawTab();
    },
    told(message) {
      bar.told(message);
      panel.told(message);
    },
    closed() {
      hide.remove();
      root.classList.add("closed");
    },
  };

  store.views.add(view);
  tabs.select(tab);
  graph.draw(store.state); // the large part, before it stands in the page
  el.append(root);
  view.draw({ ...store.state, boxes: null, faces: null });
  if (store.closed) view.closed();
  const ticking = setInterval(() => {
    if (store.state.head.ticking) store.pulse.beat(root.closest(".jupyter-widgets-disconnected"));
    bar.tick();
    graph.tick();
    if (tabs.chosen() === "Timeline" && store.state.head.ticking) timeline.draw();
  }, 1000);
  if (focused && !questions.focus()) root.focus({ preventScroll: true });
  const first = requestAnimationFrame(() => graph.reveal());

  function stop() {
    store.views.delete(view);
    clearInterval(ticking);
    cancelAnimationFrame(first);
    graph.stop();
    questions.stop();
    panel.stop();
    plots.stop();
    pictures.close();
    artifacts.close();
  }
  return stop;
}

function createTabs(id, parts, changed) {
  const buttons = {};
  const element = html("div", { class: "tabs", role: "tablist" });
  let chosen = "";
  for (const name of Object.keys(parts)) {
    const button = html("button", { role: "tab", id: `${id}-${name}`, "aria-controls": `${id}-${name}-panel` }, name);
    for (const [what, value] of Object.entries({ role: "tabpanel", id: `${id}-${name}-panel`, "aria-labelledby": `${id}-${name}` })) set(parts[name].element, what, value);
    button.onclick = () => select(name);
    buttons[name] = button;
    element.append(button);
  }
  element.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const shown = Object.values(buttons).filter((button) => !button.hidden);
    shown[(shown.indexOf(document.activeElement) + step + shown.length) % shown.length].focus();
  });

  function select(name) {
    if (chosen === name) return;
    chosen = name;
    for (const [other, part] of Object.entries(parts)) {
      part.element.hidden = other !== name;
      set(buttons[other], "aria-selected", String(other === name));
      set(buttons[other], "tabindex", other === name ? 0 : -1);
    }
    changed();
  }

  return {
    element,
    select,
    chosen: () => chosen,
    count(counts) {
      for (const [name, count] of Object.entries(counts)) {
        buttons[name].hidden = !count && chosen !== name;
        set(buttons[name], "text", count > 0 ? `${name} ${count}` : name);
      }
    },
  };
}

function createBar(store, tabs) {
  const name = html("span", { class: "name" });
  const id = html("span", { class: "id" });
  const generation = html("span", { class: "num generation" });
  const pill = html("span", { class: "pill", role: "status" });
  const fill = html("i");
  const track = html("span", { class: "track", "aria-hidden": "true" }, fill);
  const count = html("span", { class: "num" });
  const time = html("span", { class: "num time" });
  const stop = html("button", { class: "stop" }, "Stop");
  const note = html("div", { class: "note" });
  const line = html("div", { class: "bar" }, name, id, generation, pill, track, count, time, html("span", { class: "grow" }), stop, tabs);
  const go = html("button", {}, "Resume");
  const said = html("span", { role: "status" });
  let status = "";
  let advised = "";
  let armed = 0;
  let stopping = false;

  stop.onclick = () => {
    if (!armed) {
      armed = setTimeout(disarm, SURE);
      stop.classList.add("armed");
    } else {
      stopping = store.send({ kind: "stop" });
      disarm();
    }
    draw();
  };

  function disarm() {
    clearTimeout(armed);
    armed = 0;
    stop.classList.remove("armed");
    draw();
  }

  function tick() {
    set(time, "text", clock(elapsed(store)));
  }

  function draw() {
    const { head, icons } = store.state;
    const lost = store.closed ? "" : store.pulse.lost();
    set(name, "text", head.name);
    set(id, "text", head.id);
    generation.hidden = !head.continues;
    set(generation, "text", head.continues ? `generation ${head.generation}` : "");
    set(generation, "title", head.continues ? `It goes on from ${head.continues}` : null);
    const shown = lost === "gone" && head.ticking ? "gone" : head.status;
    if (status !== shown) {
      status = shown;
      const shape = { paused: "ready", gone: "ready" }[status] ?? status;
      set(pill, "class", `pill ${shape}`);
      pill.replaceChildren(icon(icons, shape), WORDS[status]);
    }
    fill.style.transform = `scaleX(${head.bar?.[2] ?? (head.total ? head.done / head.total : 0)})`;
    const counted = ["reused", "skipped", "failed"].filter((word) => head[word]).map((word) => `${head[word]} ${word}`);
    set(count, "text", [`${head.done} of ${head.total}`, ...counted].join(" · "));
    if (lost === "gone") stopping = false;
    set(stop, "text", stopping ? "stopping…" : armed ? "Stop for good?" : "Stop");
    stop.disabled = stopping || Boolean(lost);
    stop.style.visibility = head.ticking ? "" : "hidden"; // it keeps its room: the tabs stay where they are
    advise(head, lost);
    tick();
  }

  // What to type, where somebody has to act; a press on the button does the same while the kernel lives.
  function advise(head, lost) {
    const over = head.session || ["done", "cancelled"].includes(head.status);
    const why = over ? lost === "gone" && `${GONE} See it in a new one with` : LOST[lost] ?? { paused: `Paused${head.why ? `: ${head.why}` : ""}. Go on with`, failed: "Change what is wrong, then go on with" }[head.status];
    note.hidden = !why;
    const key = `${why}${lost}${head.status}${head.needs}`;
    if (key === advised) return;
    advised = key;
    set(said, "text", "");
    go.disabled = false;
    set(go, "text", head.status === "failed" ? "Retry" : "Resume");
    const commands = [...(lost ? ["%load_ext aethergraph"] : []), `%aether ${over ? "show" : "resume"} ${head.id}${over ? "" : head.needs}`].map((text) => html("code", {}, text));
    note.replaceChildren(...(why ? [html("span", {}, why), ...commands, ...(lost || head.needs ? [] : [go]), said] : []));
  }

  go.onclick = () => {
    go.disabled = true;
    set(said, "text", store.send({ kind: "resume" }) ? "resuming…" : GONE);
    said.classList.remove("bad");
  };

  function told(message) {
    if (message.about !== "resume") return;
    go.disabled = false;
    set(said, "text", message.said);
    said.classList.toggle("bad", message.bad);
  }

  return { element: html("div", { class: "head" }, line, note), draw, tick, told };
}

export default { initialize, render };
