// Answers on their way: sent again until the kernel says that they are on disk. The id makes sending twice harmless.

const SOON = 3; // sends without a reply after which the person is told; it is sent on all the same
const LONGEST = 60_000; // ms between two sends, however long a kernel is busy

// ms from the `tried`-th send of an answer to the next one
export function pause(tried, wait) {
  return tried < SOON ? wait : Math.min(wait * 2 ** (tried - SOON), Math.max(wait, LONGEST));
}

export function createOutbox(store, { wait = 2000, later = setTimeout, cancel = clearTimeout, id = newId } = {}) {
  const pending = new Map(); // token -> what is under way
  const told = new Set();
  const tell = (token, state, why = "") => told.forEach((listener) => listener(token, state, why));

  function post(letter) {
    cancel(letter.timer);
    store.send({ kind: "answer", token: letter.token, value: letter.value, answer_id: letter.id });
    letter.tried += 1;
    letter.timer = later(() => {
      if (letter.tried >= SOON && !letter.late) {
        letter.late = true;
        tell(letter.token, "late");
      }
      post(letter);
    }, pause(letter.tried, wait));
  }

  function drop(letter) {
    cancel(letter.timer);
    pending.delete(letter.token);
  }

  return {
    listen(listener) {
      told.add(listener);
      return () => told.delete(listener);
    },
    // Once nothing has come back for a while, another answer may take the place of the one under way.
    send(token, value) {
      const known = pending.get(token);
      if (known && !known.late) return;
      if (known) drop(known);
      const same = known && JSON.stringify(known.value) === JSON.stringify(value);
      const letter = { token, value, id: same ? known.id : id(), tried: 0, late: false, timer: 0 };
      pending.set(token, letter);
      tell(token, "sending");
      post(letter);
    },
    acked(message) {
      const letter = pending.get(message.token);
      if (!letter || letter.id !== message.answer_id) return;
      drop(letter);
      tell(message.token, message.why ? "refused" : "saved", message.why);
    },
    // The kernel is heard again after a silence: what it did not hear is sent at once.
    hurry: () => pending.forEach(post),
    // Questions that are not open any more need no answer.
    keep(tokens) {
      for (const letter of [...pending.values()]) if (!tokens.has(letter.token)) drop(letter);
    },
    // The kernel has closed this view: nobody hears it any more.
    close() {
      for (const letter of [...pending.values()]) {
        drop(letter);
        tell(letter.token, "closed");
      }
    },
    state: (token) => (pending.has(token) ? (pending.get(token).late ? "late" : "sending") : ""),
  };
}

function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
