// Answers on their way: sent again until the kernel says that they are on disk. The id makes sending twice harmless.

export function createOutbox(store, { wait = 2000, tries = 3, later = setTimeout, cancel = clearTimeout, id = newId } = {}) {
  const pending = new Map(); // token -> what is under way
  const told = new Set();
  const tell = (token, state, why = "") => told.forEach((listener) => listener(token, state, why));

  function post(letter) {
    letter.tried += 1;
    if (letter.tried > tries) {
      pending.delete(letter.token);
      tell(letter.token, "gone");
      return;
    }
    store.send({ kind: "answer", token: letter.token, value: letter.value, answer_id: letter.id });
    letter.timer = later(() => post(letter), wait);
  }

  return {
    listen(listener) {
      told.add(listener);
      return () => told.delete(listener);
    },
    send(token, value) {
      if (pending.has(token)) return;
      const letter = { token, value, id: id(), tried: 0, timer: 0 };
      pending.set(token, letter);
      tell(token, "sending");
      post(letter);
    },
    acked(message) {
      const letter = pending.get(message.token);
      if (!letter || letter.id !== message.answer_id) return;
      cancel(letter.timer);
      pending.delete(message.token);
      tell(message.token, message.why ? "refused" : "saved", message.why);
    },
    busy: (token) => pending.has(token),
  };
}

function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// What somebody typed but has not sent survives a reload of the page.
export const drafts = {
  get(token) {
    try {
      return JSON.parse(sessionStorage.getItem(`aether:${token}`) ?? "null");
    } catch {
      return null; // storage may be forbidden; then a draft lives as long as its form
    }
  },
  set(token, value) {
    try {
      if (value == null) sessionStorage.removeItem(`aether:${token}`);
      else sessionStorage.setItem(`aether:${token}`, JSON.stringify(value));
    } catch {
      return;
    }
  },
};
