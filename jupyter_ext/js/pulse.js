// Whether the kernel is still there. A view is told of changes only, so after a silence it asks. No DOM in here.

const QUIET = 10; // seconds of silence after which it asks
const PATIENCE = 8; // seconds that a busy kernel has to answer

// `lost` is "": it was heard of lately, "silent": it does not answer, busy or gone, "gone": the front end says so.
export function createPulse(send, now = () => performance.now() / 1000) {
  let heard = now();
  let asked = 0;
  let lost = "";
  let doubted = false;

  return {
    lost: () => lost,
    heardAt: () => heard,
    heard() {
      heard = now();
      asked = 0;
      lost = "";
      doubted = false;
    },
    // Something has happened to the kernel: ask now.
    doubt: () => (doubted = true),
    // Called about once a second; says whether `lost` has changed.
    beat(ticking, disconnected) {
      const before = lost;
      if (disconnected) lost = "gone";
      else if (!ticking) lost = lost === "silent" ? "" : lost;
      else if (asked) lost = now() - asked > PATIENCE ? "silent" : lost;
      else if (doubted || now() - heard > QUIET) {
        asked = now();
        if (!send({ kind: "ping" })) lost = "gone";
      }
      return lost !== before;
    },
  };
}
