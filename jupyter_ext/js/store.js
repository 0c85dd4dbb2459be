// What the browser knows of one run: a snapshot, kept up to date by numbered patches. No DOM in here.

import { createPulse } from "./pulse.js";
import { mergeFrames, mergeTrack } from "./series.js";

export const WORDS = {
  pending: "not started", ready: "to be run", running: "running", waiting: "waiting for you", done: "done", failed: "failed",
  skipped: "skipped", cancelled: "cancelled", reused: "reused", paused: "paused", gone: "kernel gone",
};

export const GONE = "The kernel is gone.";
const TALK = 300;

// Returns "old" (seen already), "gap" (one was missed: ask for a snapshot) or "" (taken in).
export function merge(state, patch) {
  if (patch.seq <= state.seq) return "old";
  if (patch.seq !== state.seq + 1) return "gap";
  state.seq = patch.seq;
  state.head = patch.head;
  if (patch.boxes) {
    state.boxes = patch.boxes;
    state.paths = patch.paths;
    state.size = patch.size;
    state.faces = {};
  }
  Object.assign(state.faces, patch.faces);
  for (const part of ["asks", "artifacts"]) if (patch[part]) state[part] = patch[part];
  if (patch.talk || patch.gone) state.talk = mergeTalk(state.talk, patch.talk ?? [], patch.gone ?? []);
  return plotted(state, patch) ? "" : "gap";
}

// Lines and pictures that are new; false where some in between were missed.
function plotted(state, { tracks = {}, frames = {} }) {
  for (const [name, told] of Object.entries(tracks)) {
    const line = mergeTrack(state.tracks[name], told);
    if (!line) return false;
    state.tracks[name] = line;
  }
  for (const [name, told] of Object.entries(frames)) state.frames[name] = mergeFrames(state.frames[name], told);
  return true;
}

// A snapshot as it is kept.
function opened(snap) {
  const state = { ...structuredClone(snap), tracks: {}, frames: {} };
  plotted(state, snap);
  return state;
}

export function mergeTalk(talk, said, gone) {
  const dropped = new Set(gone);
  const byId = new Map(talk.filter((entry) => !dropped.has(entry[0])).map((entry) => [entry[0], entry]));
  for (const entry of said) byId.set(entry[0], entry);
  return [...byId.values()].sort((a, b) => a[0] - b[0]).slice(-TALK);
}

// anywidget gives initialize() and every render() a model object of its own over one shared state, so states are
// kept by the id that Python gave the view, and messages are listened to once.
const STORES = new Map();

export function storeOf(model, outboxOf) {
  const uid = model.get("uid");
  const known = STORES.get(uid);
  if (known) return known;
  const store = { uid, state: opened(model.get("snap")), views: new Set(), closed: false, received: performance.now() };
  store.send = (message, buffers = []) => {
    try {
      model.send(message, undefined, buffers);
      return true;
    } catch {
      // That a view greets does not mean that somebody asks.
      if (!store.closed && (message.kind !== "ready" || store.state.head.ticking)) store.pulse.gone();
      return false;
    }
  };
  const each = (name, ...rest) => [...store.views].forEach((view) => view[name]?.(...rest));
  store.pulse = createPulse(store.send, () => each("pulsed"));
  store.gone = () => store.pulse.lost() === "gone";
  store.outbox = outboxOf(store);
  model.on("msg:custom", (message, buffers) => receive(store, message, buffers, each));
  // JupyterLab, when the kernel restarts: nobody needs to know before something is asked of a run that is over.
  model.on("comm_live_update", () => store.state.head.ticking && store.pulse.ask());
  STORES.set(uid, store);
  return store;
}

function receive(store, message, buffers, each) {
  const lost = store.pulse.lost();
  store.pulse.heard();
  if (lost) store.outbox.hurry();
  switch (message.kind) {
    case "patch": {
      const trouble = merge(store.state, message);
      if (trouble === "gap") store.send({ kind: "sync" });
      if (trouble) return;
      store.received = performance.now();
      if (message.asks) keepOpen(store);
      return each("draw", message);
    }
    case "snap":
      store.state = opened(message.snap);
      store.received = performance.now();
      keepOpen(store);
      return each("draw", store.state);
    case "heard": // it says what was sent last: patches that come before the view's code is loaded are lost
      if (message.seq > store.state.seq) store.send({ kind: "sync" });
      return undefined;
    case "ack":
      return store.outbox.acked(message);
    case "closed":
      store.closed = true;
      store.outbox.close();
      return each("closed");
    default:
      return each(message.kind, message, buffers);
  }
}

function keepOpen(store) {
  store.outbox.keep(new Set(store.state.asks.map((ask) => ask.token)));
}

// Seconds since a question was asked, by the kernel's clock; it goes on while nobody has the run open.
export function age(store, ask) {
  return store.state.head.now - ask.asked + (performance.now() - store.received) / 1000;
}

export function elapsed(store) {
  const { head } = store.state;
  const until = store.pulse.lost() ? store.pulse.heardAt() * 1000 : performance.now();
  return head.elapsed + (head.ticking ? Math.max(until - store.received, 0) / 1000 : 0);
}
