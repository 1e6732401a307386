// Half-typed text outlives a reload, a crash and a dead server: it is kept in this browser.

const PREFIX = "restroke:draft:";

export const drafts = {
  get(key) {
    try {
      return JSON.parse(localStorage.getItem(PREFIX + key));
    } catch {
      return null;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(PREFIX + key, JSON.stringify(value));
    } catch {
      // Storage is full or switched off: the text stays in the field, only a reload would lose it.
    }
  },
  drop(key) {
    try {
      localStorage.removeItem(PREFIX + key);
    } catch {
      // Storage is switched off: then nothing was kept.
    }
  },
};
