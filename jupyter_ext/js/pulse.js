// Whether the kernel is still there. A view is told of changes only, so after a silence it asks. No DOM in here.

const QUIET = 10; // seconds of silence after which it asks
const PATIENCE = 8; // seconds that a busy kernel has to answer

// `lost` is "": it was heard of lately, "silent": it does not answer, busy or gone, "gone": the front end says so, until
// it is heard again. `changed` is called when that has changed.
export function createPulse(send, changed, now = () => performance.now() / 1000) {
  let heard = now();
  let asked = 0;
  let lost = "";

  function put(what) {
    if (lost === what) return;
    lost = what;
    changed();
  }

  // Whoever sends says where that could not be done.
  function ask() {
    asked = now();
    send({ kind: "ping" });
  }

  return {
    lost: () => lost,
    heardAt: () => heard,
    heard() {
      heard = now();
      asked = 0;
      put("");
    },
    ask,
    gone: () => put("gone"),
    // Called about once a second while something is to be heard.
    beat(disconnected) {
      if (disconnected) put("gone");
      else if (!asked && now() - heard > QUIET) ask();
      else if (asked && !lost && now() - asked > PATIENCE) put("silent");
    },
  };
}
