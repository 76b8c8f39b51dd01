// What a reader of the panel would see go wrong: text that leaves the panel, or is cut off.
const TOLERANCE_PIXELS = 1;

export function measured(id) {
  const panel = document.querySelector(`[data-panel="${id}"]`);
  const told = texts(panel);
  return {
    text: told.map(({ text }) => text),
    outside: told.filter(({ box, parent }) => leaves(box, panel, parent)).map(({ text }) => text),
    cut: told.filter(({ box, parent }) => isCut(box, parent, panel)).map(({ text }) => text),
  };
}

function texts(panel) {
  const walker = document.createTreeWalker(panel, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    const box = range.getBoundingClientRect();
    if (text && box.width && box.height) {
      found.push({ text, box, parent: walker.currentNode.parentElement });
    }
  }
  return found;
}

function leaves(box, panel, parent) {
  const frame = panel.getBoundingClientRect();
  const sideways = box.left < frame.left - TOLERANCE_PIXELS || box.right > frame.right + TOLERANCE_PIXELS;
  const upright = box.top < frame.top - TOLERANCE_PIXELS || box.bottom > frame.bottom + TOLERANCE_PIXELS;
  return sideways || (upright && !scrolls(parent, panel));
}

// Beyond an edge of what clips it, on either side: what is aligned right is cut on the left.
function isCut(text, element, panel) {
  for (let one = element; one && one !== panel; one = one.parentElement) {
    const clips = getComputedStyle(one).overflowX !== 'visible';
    const edge = one.getBoundingClientRect();
    const sideways = text.left < edge.left - TOLERANCE_PIXELS || text.right > edge.right + TOLERANCE_PIXELS;
    if (clips && (sideways || one.scrollWidth > one.clientWidth + TOLERANCE_PIXELS)) {
      return true;
    }
  }
  return false;
}

function scrolls(element, panel) {
  for (let one = element; one && one !== panel; one = one.parentElement) {
    if (['auto', 'scroll'].includes(getComputedStyle(one).overflowY)) {
      return true;
    }
  }
  return false;
}
