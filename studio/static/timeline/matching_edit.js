// Edits a description to match a rewritten instruction: "red house" made "blue house" is blue in both.

const words = (text) => text.match(/[\p{L}\p{N}'’-]+|[^\p{L}\p{N}'’-]+/gu) || [];
const spoken = (text) => words(text).filter((word) => /[\p{L}\p{N}]/u.test(word));
const same = (a, b) => a.toLowerCase() === b.toLowerCase();

/** The runs of words that were exchanged: [{was, now, next}], next being the unchanged word after them. */
function exchanges(before, after) {
  const a = spoken(before), b = spoken(after);
  const table = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      table[i][j] = same(a[i], b[j]) ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
  const found = [];
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    const was = [], now = [];
    while ((i < a.length || j < b.length) && !(i < a.length && j < b.length && same(a[i], b[j]))) {
      if (j >= b.length || (i < a.length && table[i + 1][j] >= table[i][j + 1])) was.push(a[i++]);
      else now.push(b[j++]);
    }
    if (was.length && now.length) found.push({ was, now, next: a[i] || null });
    i += 1;
    j += 1;
  }
  return found;
}

/** `description` with every exchange between the two instructions made in it too, where it is unmistakable. */
export function matchingEdit(before, after, description) {
  let pieces = words(description);
  for (const { was, now, next } of exchanges(before, after)) {
    const at = pieces.map((_, index) => index).filter((index) => matches(pieces, index, was));
    const sure = next ? at.filter((index) => matches(pieces, index, [...was, next])) : [];
    const found = sure.length ? sure : at.length === 1 ? at : [];
    for (const index of found.reverse()) {
      const first = pieces[index][0] !== pieces[index][0].toLowerCase();
      const text = now.join(" ");
      pieces.splice(index, 2 * was.length - 1, first ? text[0].toUpperCase() + text.slice(1) : text);
    }
    pieces = words(pieces.join(""));
  }
  return pieces.join("");
}

function matches(pieces, index, phrase) {
  return phrase.every((word, k) => pieces[index + 2 * k] !== undefined && same(pieces[index + 2 * k], word));
}
