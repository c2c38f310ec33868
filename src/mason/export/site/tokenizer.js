"use strict";
/* BERT's way from a text to ids: clean it, cut it into words, cut words into pieces.
   Code points, not UTF-16 units, are what counts, as in Python and Rust. */

const SPACE = /\p{White_Space}/u;
const IDEOGRAPHS = [
  [0x4e00, 0x9fff], [0x3400, 0x4dbf], [0x20000, 0x2a6df], [0x2a700, 0x2b73f],
  [0x2b740, 0x2b81f], [0x2b920, 0x2ceaf], [0xf900, 0xfaff], [0x2f800, 0x2fa1f],
];
const isIdeograph = (character) => {
  const code = character.codePointAt(0);
  return IDEOGRAPHS.some(([first, last]) => first <= code && code <= last);
};

/* Whether a character lies in ranges [first, last, first, last, …]; answers are kept. */
function within(ranges) {
  const known = new Map();
  const look = (code) => {
    let low = 0, high = ranges.length / 2;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ranges[2 * middle + 1] < code) low = middle + 1;
      else high = middle;
    }
    return low < ranges.length / 2 && ranges[2 * low] <= code;
  };
  return (character) => {
    if (!known.has(character)) known.set(character, look(character.codePointAt(0)));
    return known.get(character);
  };
}

class WordPiece {
  /* told: {vocabulary: [piece, …], unknown, prefix, longest, begin, end, most, clean,
     ideographs, accents, lowercase, control, marks, punctuation}, the last three as ranges */
  constructor(told) {
    this.told = told;
    this.isControl = within(told.control);
    this.isMark = within(told.marks);
    this.isPunctuation = within(told.punctuation);
    this.ids = new Map(told.vocabulary.map((piece, id) => [piece, id]));
  }

  /* Ids of a text, cut to the model's longest, between the tokens that begin and end it. */
  encode(text) {
    const { begin, end, most } = this.told;
    const ids = this.words(text).flatMap((word) => this.pieces(word));
    return [...begin, ...ids.slice(0, most - begin.length - end.length), ...end];
  }

  normal(text) {
    const { clean, ideographs, accents, lowercase } = this.told;
    let characters = [...text];
    if (clean) {
      characters = characters
        .filter((c) => !this.isControl(c))
        .map((c) => (SPACE.test(c) ? " " : c));
    }
    if (ideographs) characters = characters.flatMap((c) => (isIdeograph(c) ? [" ", c, " "] : [c]));
    if (!accents) {
      characters = [...characters.join("").normalize("NFD")].filter((c) => !this.isMark(c));
    }
    // One by one: a whole word's last sigma would become another letter.
    return lowercase ? characters.map((c) => c.toLowerCase()).join("") : characters.join("");
  }

  words(text) {
    const words = [];
    let word = "";
    const close = () => { if (word) words.push(word); word = ""; };
    for (const c of this.normal(text)) {
      if (SPACE.test(c)) close();
      else if (this.isPunctuation(c)) { close(); words.push(c); }
      else word += c;
    }
    close();
    return words;
  }

  /* The longest piece the vocabulary has, again and again; one unknown where it has none. */
  pieces(word) {
    const { unknown, prefix, longest } = this.told;
    const characters = [...word];
    if (characters.length > longest) return [unknown];
    const found = [];
    let start = 0;
    while (start < characters.length) {
      let id, stop = characters.length;
      for (; stop > start; stop--) {
        const piece = (start ? prefix : "") + characters.slice(start, stop).join("");
        id = this.ids.get(piece);
        if (id !== undefined) break;
      }
      if (id === undefined) return [unknown];
      found.push(id);
      start = stop;
    }
    return found;
  }
}
