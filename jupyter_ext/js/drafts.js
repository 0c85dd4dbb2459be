// What somebody has typed but not sent, by the token of its question. It survives a reload, a closed tab and a lost
// kernel: the answer may have been long in the making. The browser keeps it, and nobody else sees it.

const PREFIX = "aether:";
const KEPT_MS = 30 * 24 * 3600e3; // a question that was never answered here

export const drafts = {
  get(token) {
    return attempt(() => JSON.parse(localStorage.getItem(PREFIX + token))?.value) ?? null;
  },
  set(token, value) {
    attempt(() => {
      if (value == null) localStorage.removeItem(PREFIX + token);
      else localStorage.setItem(PREFIX + token, JSON.stringify({ at: Date.now(), value }));
    });
  },
  // Let go of drafts whose questions were answered elsewhere long ago.
  prune() {
    attempt(() => {
      const ours = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
      for (const key of ours) if (!(at(key) > Date.now() - KEPT_MS)) localStorage.removeItem(key);
    });
  },
};

function at(key) {
  return attempt(() => JSON.parse(localStorage.getItem(key))?.at);
}

// Storage may be forbidden, full or written by somebody else; then a draft lives as long as its form.
function attempt(job) {
  try {
    return job();
  } catch {
    return undefined;
  }
}
